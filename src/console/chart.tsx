import type { RevocationTime } from '../../db/types.ts'
import { plural, span } from './format.ts'

/** Time from revoke to the last instance delivered, and applied: each revocation a mark, on a logarithmic scale, because a hanging instance takes a thousand times as long. */

const [WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM] = [480, 220, 48, 8, 10, 24]

/** Nearest rank. @param values in milliseconds, at least one */
export function percentile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? 0
}

interface Series {
  name: string
  look: 'one' | 'two'
  points: { index: number; ms: number }[]
}

const seriesOf = (
  name: string,
  look: Series['look'],
  times: readonly RevocationTime[],
  pick: (one: RevocationTime) => number | undefined,
): Series => ({
  name,
  look,
  points: times.flatMap((one, index) => {
    const ms = pick(one)
    return ms === undefined ? [] : [{ index, ms }]
  }),
})

const Mark = ({ look, x, y }: { look: Series['look']; x: number; y: number }) =>
  look === 'one' ? (
    <circle class="one" cx={x} cy={y} r="2.6" stroke="none" />
  ) : (
    <path class="two" d={`M${x} ${y - 3.4}l3.4 3.4l-3.4 3.4l-3.4-3.4z`} stroke="none" />
  )

type Scale = (value: number) => number
const Grid = ({ decades, y }: { decades: number; y: Scale }) => (
  <>
    {Array.from({ length: decades + 1 }, (_, power) => (
      <>
        <line class="grid" x1={LEFT} x2={WIDTH - RIGHT} y1={y(10 ** power)} y2={y(10 ** power)} />
        <text x={LEFT - 6} y={y(10 ** power) + 4} text-anchor="end">
          {power < 3 ? `${10 ** power} ms` : `${10 ** (power - 3)} s`}
        </text>
      </>
    ))}
  </>
)

const Percentiles = ({ look, points, y }: Pick<Series, 'look' | 'points'> & { y: Scale }) => (
  <>
    {[0.5, 0.99].map((share) => {
      const at = y(
        percentile(
          points.map((one) => one.ms),
          share,
        ),
      )
      return <line class={share === 0.5 ? look : `${look} high`} x1={LEFT} x2={WIDTH - RIGHT} y1={at} y2={at} opacity="0.55" />
    })}
  </>
)

const Caption = ({ all, count }: { all: readonly Series[]; count: number }) => (
  <figcaption class="tight small">
    {all.map((one) => (
      <div>
        <svg class="key" viewBox="0 0 10 10" aria-hidden="true" focusable="false">
          {one.look === 'one' ? <circle class="one" cx="5" cy="5" r="4" /> : <path class="two" d="M5 0l5 5l-5 5l-5-5z" />}
        </svg>
        {one.name}: {captionOf(one)}
      </div>
    ))}
    <div class="soft">Solid line: half took no longer (p50). Broken line: 99 in 100 (p99). The last {plural(count, 'revocation')}.</div>
  </figcaption>
)

/** @param newestFirst as the store lists them */
export function TimesChart({ newestFirst }: { newestFirst: readonly RevocationTime[] }) {
  const times = newestFirst.toReversed()
  const all = [
    seriesOf('Last instance had its logout token', 'one', times, (one) => one.deliveredMs),
    seriesOf('Last guard enforced it', 'two', times, (one) => one.enforcedMs),
  ]
  const shown = all.filter((one) => one.points.length > 0)
  if (shown.length === 0) return <p class="soft">Nothing to show yet: no revocation has reached an instance.</p>
  const decades = Math.max(3, Math.ceil(Math.log10(Math.max(...shown.flatMap((one) => one.points.map(({ ms }) => Math.max(1, ms)))))))
  const y = (ms: number): number => round(HEIGHT - BOTTOM - (Math.log10(Math.max(1, ms)) / decades) * (HEIGHT - TOP - BOTTOM))
  const x = (index: number): number => round(LEFT + ((index + 0.5) / times.length) * (WIDTH - LEFT - RIGHT))
  return (
    <figure class="chart stack">
      <svg viewBox={`0 0 ${WIDTH} ${HEIGHT}`} role="img" aria-label={spoken(shown)}>
        <Grid decades={decades} y={y} />
        {shown.map(({ look, points }) => (
          <>
            <Percentiles look={look} points={points} y={y} />
            {points.map((one) => (
              <Mark look={look} x={x(one.index)} y={y(one.ms)} />
            ))}
          </>
        ))}
        <text x={LEFT} y={HEIGHT - 6}>
          older
        </text>
        <text x={WIDTH - RIGHT} y={HEIGHT - 6} text-anchor="end">
          newest
        </text>
      </svg>
      <Caption all={all} count={times.length} />
    </figure>
  )
}

const round = (value: number): number => Math.round(value * 10) / 10

function captionOf({ points }: Series): string {
  if (points.length === 0) return 'none yet'
  const values = points.map(({ ms }) => ms)
  return `p50 ${span(percentile(values, 0.5))}, p99 ${span(percentile(values, 0.99))} (${plural(values.length, 'revocation')})`
}

const spoken = (shown: readonly Series[]): string => `Time from revoke. ${shown.map((one) => `${one.name}: ${captionOf(one)}`).join('. ')}.`
