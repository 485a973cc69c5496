import type { RevocationTime } from '../../../db/types.ts'
import { plural, span, when } from './format.ts'
import { linkOf } from './request.ts'

/**
 * A chart of the time from each revocation until the last instance had its logout token, and until
 * the last guard enforced it. The scale is logarithmic, because a hanging instance takes a thousand
 * times as long as the others.
 */

const [WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM] = [480, 220, 48, 8, 10, 24]

/**
 * Returns the percentile by the nearest-rank method.
 * @param values in milliseconds, at least one
 */
function percentile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? 0
}

interface Series {
  name: string
  look: 'one' | 'two'
  points: { atMs: number; ms: number }[]
}

const seriesOf = (
  name: string,
  look: Series['look'],
  times: readonly RevocationTime[],
  pick: (one: RevocationTime) => number | undefined,
): Series => ({
  name,
  look,
  points: times.flatMap((one) => {
    const ms = pick(one)
    return ms === undefined ? [] : [{ atMs: one.atMs, ms }]
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
      return (
        <line
          class={share === 0.5 ? look : `${look} high`}
          x1={LEFT}
          x2={WIDTH - RIGHT}
          y1={at}
          y2={at}
          opacity="0.55"
        />
      )
    })}
  </>
)

const Caption = ({ all, count }: { all: readonly Series[]; count: number }) => (
  <figcaption class="tight small">
    {all.map((one) => (
      <div>
        <svg class="key" viewBox="0 0 10 10" aria-hidden="true" focusable="false">
          {one.look === 'one' ? (
            <circle class="one" cx="5" cy="5" r="4" />
          ) : (
            <path class="two" d="M5 0l5 5l-5 5l-5-5z" />
          )}
        </svg>
        {one.name}: {captionOf(one)}
      </div>
    ))}
    <div class="soft">
      Solid line: half took no longer (p50). Dashed line: 99 in 100 (p99). The last{' '}
      {plural(count, 'revocation')}, by the time of their commit (UTC). Each part of the chart leads
      to its revocations.
    </div>
  </figcaption>
)

type Period = { fromMs: number; toMs: number }

/**
 * Returns the time from the oldest to the newest revocation, at least one minute, so that the axis
 * has a length.
 */
function periodOf(times: readonly RevocationTime[]): Period {
  const all = times.map(({ atMs }) => atMs)
  const [fromMs, toMs] = [Math.min(...all), Math.max(...all)]
  return { fromMs: Math.min(fromMs, toMs - 60_000), toMs }
}

const DAY_MS = 86_400_000
/**
 * Returns the label of a tick: `09:00:12` on an axis of less than 10 minutes, `09:00` on one of
 * less than a day, otherwise the date as `11-24`.
 */
function tickWords(atMs: number, { fromMs, toMs }: Period): string {
  const text = new Date(atMs).toISOString()
  if (toMs - fromMs < 600_000) return text.slice(11, 19)
  return toMs - fromMs < DAY_MS ? text.slice(11, 16) : text.slice(5, 10)
}

const TICKS = 4
const TimeAxis = ({ period, x }: { period: Period; x: Scale }) => (
  <>
    {Array.from(
      { length: TICKS + 1 },
      (_, index) => period.fromMs + ((period.toMs - period.fromMs) * index) / TICKS,
    ).map((atMs, index) => (
      <text
        x={x(atMs)}
        y={HEIGHT - 6}
        text-anchor={index === 0 ? 'start' : index === TICKS ? 'end' : 'middle'}
      >
        {tickWords(atMs, period)}
      </text>
    ))}
  </>
)

const SLOTS = 16
/**
 * Divides the chart into 16 links, each to the revocations of its part of the time. More links
 * would be too many for a keyboard.
 */
function Slots({
  times,
  period,
  x,
}: {
  times: readonly RevocationTime[]
  period: Period
  x: Scale
}) {
  const width = (period.toMs - period.fromMs) / SLOTS
  const slots = Array.from({ length: SLOTS }, (_, index) => {
    const [fromMs, last] = [period.fromMs + index * width, index === SLOTS - 1]
    const its = times.filter(({ atMs }) => atMs >= fromMs && (last || atMs < fromMs + width))
    return { fromMs, toMs: fromMs + width, its }
  })
  return (
    <>
      {slots
        .filter(({ its }) => its.length > 0)
        .map(({ fromMs, toMs, its }) => (
          <a href={listOf(fromMs, toMs)} aria-label={slotWords(fromMs, toMs, its)}>
            <title>{slotWords(fromMs, toMs, its)}</title>
            <rect
              class="slot"
              x={x(fromMs)}
              y={TOP}
              width={round(x(toMs) - x(fromMs))}
              height={HEIGHT - TOP - BOTTOM}
            />
          </a>
        ))}
    </>
  )
}

/**
 * Returns the address of the list of a period's revocations. Widens the period to whole seconds, so
 * that the list leaves none of them out.
 */
function listOf(fromMs: number, toMs: number): string {
  const at = (ms: number): string => new Date(ms).toISOString().slice(0, 19)
  const query = {
    since: at(Math.floor(fromMs / 1000) * 1000),
    until: at((Math.floor(toMs / 1000) + 1) * 1000),
  }
  return linkOf('/ops/revocations', query)
}

function slotWords(fromMs: number, toMs: number, its: readonly RevocationTime[]): string {
  const slowest = Math.max(
    ...its.map(({ deliveredMs = 0, enforcedMs = 0 }) => Math.max(deliveredMs, enforcedMs)),
  )
  return `${when(fromMs, toMs)} to ${when(toMs, toMs)}: ${plural(its.length, 'revocation')}, the slowest ${span(slowest)}`
}

const seriesOfAll = (times: readonly RevocationTime[]): Series[] => [
  seriesOf('Last instance had its logout token', 'one', times, (one) => one.deliveredMs),
  seriesOf('Last guard enforced it', 'two', times, (one) => one.enforcedMs),
]

/**
 * Renders the chart, or a sentence if no revocation has reached an instance yet.
 * @param newestFirst as the store lists them
 */
export function TimesChart({ newestFirst: times }: { newestFirst: readonly RevocationTime[] }) {
  const all = seriesOfAll(times)
  const shown = all.filter((one) => one.points.length > 0)
  if (shown.length === 0)
    return <p class="soft">Nothing to show yet: no revocation has reached an instance.</p>
  const decades = Math.max(
    3,
    Math.ceil(
      Math.log10(Math.max(...shown.flatMap((one) => one.points.map(({ ms }) => Math.max(1, ms))))),
    ),
  )
  const y = (ms: number): number =>
    round(HEIGHT - BOTTOM - (Math.log10(Math.max(1, ms)) / decades) * (HEIGHT - TOP - BOTTOM))
  const period = periodOf(times)
  const x = (atMs: number): number =>
    round(LEFT + ((atMs - period.fromMs) / (period.toMs - period.fromMs)) * (WIDTH - LEFT - RIGHT))
  return (
    <figure class="chart stack">
      <svg viewBox={`0 0 ${WIDTH} ${HEIGHT}`} role="group" aria-label={spoken(shown)}>
        <Grid decades={decades} y={y} />
        {shown.map(({ look, points }) => (
          <>
            <Percentiles look={look} points={points} y={y} />
            {points.map((one) => (
              <Mark look={look} x={x(one.atMs)} y={y(one.ms)} />
            ))}
          </>
        ))}
        <TimeAxis period={period} x={x} />
        <Slots times={times} period={period} x={x} />
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

const spoken = (shown: readonly Series[]): string =>
  `Time from revoke. ${shown.map((one) => `${one.name}: ${captionOf(one)}`).join('. ')}.`
