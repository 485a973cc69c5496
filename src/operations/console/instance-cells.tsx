import type { Child } from 'hono/jsx'
import type { GuardState } from '../acts/guards.ts'
import { count, plural, stateTitle } from './format.ts'
import { moment } from '../times.ts'
import { type Columns, listOf } from './list.tsx'
import {
  failingAs,
  type Health,
  healthOf,
  type InstanceNow,
  type TargetNow,
  worstFirst,
} from '../acts/instances.ts'
import { clientLink, type ConsoleRequest, linkOf } from './request.ts'
import { BREAKER, NO_INSTANCE, REJECTS } from './texts/registered.tsx'
import { Time } from './time.tsx'
import { lockWords } from './locks.tsx'

/**
 * The list of instances, and its cells: which logout addresses answer, and what guards enforce.
 */

const HEALTH_TAG: Record<Health, string> = {
  bad: 'tag bad',
  ill: 'tag wait',
  waits: 'tag calm',
  good: 'tag',
}

/** Says what is wrong with an instance, and that it is locked. */
async function stateOf(request: ConsoleRequest, instance: InstanceNow): Promise<Child> {
  const { health, why } = healthOf(instance)
  const isShown = instance.lock === undefined || health !== 'good'
  return (
    <>
      {isShown ? <span class={HEALTH_TAG[health]}>{why}</span> : null}
      {instance.lock === undefined ? null : (
        <>
          {' '}
          <span class="tag bad">locked</span>
          <div class="small">{await lockWords(request, instance.lock)}</div>
        </>
      )}
    </>
  )
}

const counted = (state: 'pending' | 'rejected' | 'failed'): Columns<InstanceNow>[number] => [
  { name: stateTitle(state), end: true },
  ({ clientId, counts }) =>
    counts[state] === 0 ? (
      <span class="zero">0</span>
    ) : (
      <a href={linkOf('/ops/deliveries', { client: clientId, state })}>
        <span class={state === 'pending' ? 'pending' : 'hurt'}>{count(counts[state])}</span>
      </a>
    ),
  ({ counts }) => counts[state],
]

/** Returns the columns of instances. @param whole true to show whole addresses */
export const instanceColumns = (request: ConsoleRequest, whole = false): Columns<InstanceNow> => [
  [
    'Instance',
    ({ clientId, name, registered }) => (
      <>
        <strong>
          <a href={clientLink(clientId)}>{name}</a>
        </strong>{' '}
        {registered ? null : <span class="tag calm">removed</span>}
      </>
    ),
  ],
  ['Client ID', undefined, ({ clientId }) => clientId],
  ['State', (instance) => stateOf(request, instance)],
  counted('pending'),
  counted('rejected'),
  counted('failed'),
  [
    'Logout addresses',
    (instance) => addresses(instance, request.deps.clock.nowMs(), whole),
    ({ targets }) => targets.map(({ uri }) => uri).join(' '),
  ],
  [
    'Guards',
    guards,
    ({ guards: all }) =>
      `${all.filter(({ connected }) => connected).length} of ${all.length} connected`,
  ],
]
/**
 * Lists instances, those with problems first.
 * @param whole true to show whole addresses
 */
export const instanceList = (
  request: ConsoleRequest,
  instances: readonly InstanceNow[],
  whole = false,
): Promise<Child> =>
  listOf<InstanceNow>(request, {
    label: 'Instances',
    columns: instanceColumns(request, whole),
    entries: worstFirst(instances),
    none: NO_INSTANCE,
  })

const addresses = (instance: InstanceNow, nowMs: number, whole: boolean): Child =>
  instance.targets.length === 0 ? (
    <span class="soft">none</span>
  ) : (
    instance.targets.map((target) => <Address target={target} nowMs={nowMs} whole={whole} />)
  )

/** The most guards in an instance's row. Guards that are connected come first. */
const FEW_GUARDS = 6

function guards(instance: InstanceNow): Child {
  if (instance.guards.length === 0)
    return <span class={instance.unreached ? 'hurt' : 'soft'}>none</span>
  const [here, away] = [
    instance.guards.filter(({ connected }) => connected),
    instance.guards.filter(({ connected }) => !connected),
  ]
  return (
    <>
      {[...here, ...away].slice(0, FEW_GUARDS).map((guard) => (
        <Guard guard={guard} />
      ))}
      {instance.guards.length > FEW_GUARDS ? (
        <div class="small">
          <a href={clientLink(instance.clientId)}>
            All {plural(instance.guards.length, 'guard')} ({count(here.length)} connected)
          </a>
        </div>
      ) : null}
    </>
  )
}

/** A logout address with its state, its last failure and its oldest pending delivery. */
function Address({ target, nowMs, whole }: { target: TargetNow; nowMs: number; whole: boolean }) {
  const { breaker = 'unknown', lastFailure, answeredAtMs } = target.state ?? {}
  const { words, tag } =
    breaker === 'closed' && lastFailure !== undefined ? REJECTS : BREAKER[breaker]
  const state = breaker === 'open' ? failingAs(lastFailure).why : words
  return (
    <div class="small">
      <span class={tag}>
        {state}
        {words === BREAKER.closed.words && answeredAtMs !== undefined ? (
          <>
            {' '}
            <Time atMs={answeredAtMs} nowMs={nowMs} />
          </>
        ) : null}
      </span>{' '}
      {whole ? target.uri : hostOf(target.uri)}
      {target.former ? ' (former)' : ''}
      {lastFailure === undefined ? null : `: ${lastFailure}`}
      {target.pending > 0 && target.oldestAtMs !== undefined ? (
        <span class="soft">
          , pending since <Time atMs={target.oldestAtMs} nowMs={nowMs} />
        </span>
      ) : null}
    </div>
  )
}

/** Returns the host of an address. Its scheme and path say nothing in a summary. */
const hostOf = (uri: string): string => (URL.canParse(uri) ? new URL(uri).host : uri)

/**
 * The clock difference, in seconds, above which a guard is marked. A guard tolerates as much by
 * default.
 */
const CLOCK_SECONDS = 5

export function Guard({ guard }: { guard: GuardState }) {
  const late = guard.behind !== undefined && guard.behind > 0
  const state = !guard.connected ? 'away' : guard.silent ? 'not heard' : undefined
  const tag = state === 'not heard' ? 'tag bad' : state === 'away' || late ? 'tag wait' : 'tag'
  const words =
    guard.behind === undefined
      ? 'has not reported'
      : late
        ? `${count(guard.behind)} behind`
        : 'enforces all'
  return (
    <div class={guard.guardId.length < 24 && state === undefined ? 'small whole' : 'small'}>
      <span class={tag}>{state ?? words}</span> {guard.guardId}
      {state === undefined ? null : (
        <span class="soft">
          {guard.reportedAtMs === undefined ? '' : `, last heard ${moment(guard.reportedAtMs)}`},{' '}
          {words}
        </span>
      )}{' '}
      {guard.outdated ? <span class="tag wait">outdated</span> : null}{' '}
      {Math.abs(guard.clockOffsetSeconds ?? 0) > CLOCK_SECONDS ? (
        <span class="tag wait">clock off by {guard.clockOffsetSeconds} s</span>
      ) : null}
    </div>
  )
}
