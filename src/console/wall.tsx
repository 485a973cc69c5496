import type { Context } from 'hono'
import type { Checks } from '../checks/checks.ts'
import { readinessOf } from '../checks/readiness.ts'
import type { Config } from '../config/config.ts'
import type { Deps } from '../deps.ts'
import { type Asset, readAsset, styleSheet } from '../page/assets.ts'
import { page } from '../page/layout.tsx'
import { type Look, lookOf } from '../page/look.ts'
import { TimesChart } from './chart.tsx'
import { deliveryFigures } from './delivery-figures.ts'
import { Figures, isPaused, Live, LiveState, Panel, Table } from './desk.tsx'
import { count, plural, when } from './format.ts'
import { type Health, HEALTH_TAG, healthOf, type InstanceNow, instancesNow, isWatched, worstFirst } from './instances.ts'
import { type Problem, problemsOf, SEVERITY } from './problems.tsx'
import { whatFits } from './wall-space.ts'

/**
 * A wall display: the health of the broker in large type, for a room that visitors enter. It names no user, session, case or address, and
 * has no link that leads elsewhere.
 */

export const WALL_SHEET_PATH = '/ops/assets/wall.css'
const [CONSOLE, WALL] = [readAsset(import.meta.url, './console.css'), readAsset(import.meta.url, './wall.css')]

const sheets = new WeakMap<Look, Asset>()

/** Made once for each look: its accent changes at /setup. */
export function wallSheet(config: Pick<Config, 'look'>): Asset {
  const look = lookOf(config)
  const made = sheets.get(look) ?? styleSheet(WALL_SHEET_PATH, [CONSOLE, look.darkColors, WALL].join('\n'))
  sheets.set(look, made)
  return made
}

const EVERY_SECONDS = 10
const TIMES_OF = 200
const OLD = 'These figures are old: the broker does not answer.'

export async function wallPage(deps: Deps, c: Context, checks: Checks): Promise<Response> {
  const [ready, all, times] = await Promise.all([readinessOf(deps, checks), instancesNow(deps), deps.store.revocationTimes({ limit: TIMES_OF })])
  const [paused, nowMs] = [isPaused(c), deps.clock.nowMs()]
  // Of an instance only its state is shown, below: the cause may name an address.
  const problems = problemsOf(ready.checks, [], (one) => checks.since(one))
  const urgent = problems.filter(({ severity }) => severity !== 'none')
  const instances = worstFirst(all.filter(isWatched))
  const fit = whatFits({ problems: urgent, instances }, deps.config.entra.simulated)
  const options = { title: 'Health of the broker', config: deps.config, desk: { nav: null, sheet: wallSheet(deps.config).href } }
  return page(
    c,
    { ...options, live: paused ? undefined : { every: EVERY_SECONDS } },
    <>
      <div class="row">
        <LiveState c={c} paused={paused} lost={OLD} />
        <div id="updated" class="live" data-live>
          <span>Last updated {when(nowMs, nowMs)}</span>
        </div>
      </div>
      <div class="halves">
        <div class="stack">
          <Problems shown={fit.problems} urgent={urgent.length} all={problems.length} nowMs={nowMs} />
          <Instances shown={fit.instances} all={instances} />
        </div>
        <div class="stack">
          <Live id="deliveries">
            <Panel title="Deliveries">
              <Figures items={deliveryFigures(all, nowMs)} />
            </Panel>
          </Live>
          <Live id="times">
            <Panel title="Time until every instance knew">
              <TimesChart newestFirst={times} links={false} />
            </Panel>
          </Live>
        </div>
      </div>
    </>,
  )
}

/** What asks for an act, today at the latest; of the rest the number. */
function Problems({ shown, urgent, all, nowMs }: { shown: readonly Problem[]; urgent: number; all: number; nowMs: number }) {
  const more = all - shown.length
  return (
    <Live id="problems">
      <Panel title={urgent === 0 ? 'No check needs an operator' : plural(urgent, 'problem')}>
        {shown.length === 0 ? null : (
          <ul class="alerts">
            {shown.map((one) => (
              <Banner problem={one} nowMs={nowMs} />
            ))}
          </ul>
        )}
        {more > 0 ? <p class="soft">The console shows {plural(more, 'more finding')}.</p> : null}
      </Panel>
    </Live>
  )
}

const Banner = ({ problem: { bad, severity, title, fix, sinceMs }, nowMs }: { problem: Problem; nowMs: number }) => (
  <li class={bad ? 'alert bad' : 'alert'}>
    <h3>
      <span class={bad ? 'tag bad' : 'tag wait'}>{SEVERITY[severity].words}</span> {title}
      {sinceMs === undefined ? null : <span class="soft since"> since {when(sinceMs, nowMs)}</span>}
    </h3>
    {fix === undefined ? null : (
      <p>
        <strong>What to do:</strong> {fix}
      </p>
    )}
  </li>
)

const HEALTH: Record<Health, string> = { bad: 'Not reached', ill: 'Need an operator', waits: 'Behind', good: 'OK' }
const end = (name: string) => ({ name, end: true }) as const

function Instances({ shown, all }: { shown: readonly InstanceNow[]; all: readonly InstanceNow[] }) {
  const more = all.length - shown.length
  const rows = shown.map((one) => {
    const { health, why } = healthOf(one)
    return [<strong>{one.name}</strong>, <span class={HEALTH_TAG[health]}>{why}</span>, count(one.counts.pending)]
  })
  return (
    <Live id="instances">
      <Panel title="Instances">
        <Figures items={byHealth(all)} />
        <Table label="Instances" head={['Instance', 'State', end('Pending')]} rows={rows} none="No instance is registered yet." />
        {more > 0 ? <p>The console shows {plural(more, 'more instance')}.</p> : null}
      </Panel>
    </Live>
  )
}

const LOOK: Partial<Record<Health, 'bad' | 'warn'>> = { bad: 'bad', ill: 'warn' }

const byHealth = (instances: readonly InstanceNow[]) =>
  (Object.keys(HEALTH) as Health[]).map((health) => {
    const its = instances.filter((one) => healthOf(one).health === health).length
    return { name: HEALTH[health], value: count(its), look: its > 0 ? LOOK[health] : undefined }
  })
