import type { Child } from 'hono/jsx'
import type { Lock } from '../../../db/types.ts'
import { Notice } from '../../pages/components.tsx'
import { MOST_SHOWN } from '../acts/microsoft-work.ts'
import { brokersNow } from '../acts/brokers.ts'
import type { Checks } from '../checks/checks.ts'
import { type Readiness, readinessOf } from '../checks/readiness.ts'
import { TimesChart } from './chart.tsx'
import { consolePage, Figures, Live, Panel, Table } from './layout.tsx'
import { askedAgain, failedWorkPanel } from './failed-work.tsx'
import { instanceList } from './instance-cells.tsx'
import { type InstanceNow, instancesNow, isWatched } from '../acts/instances.ts'
import { lockList } from './locks.tsx'
import { Problems } from './problems.tsx'
import { revocationList } from './revocations.tsx'
import { count, span, when } from './format.ts'
import type { ConsoleRequest } from './request.ts'

/**
 * The first page of the console: current problems, the state of each instance, deliveries, the time
 * that revocations take, and the latest ones.
 */

const TIMES_OF = 200

export async function overviewPage(request: ConsoleRequest, checks: Checks): Promise<Response> {
  const { deps, now } = request
  const [ready, instances, sessions, times, latest, failedWork, brokers, locks] = await Promise.all(
    [
      readinessOf(deps, checks),
      instancesNow(deps),
      deps.store.liveSessionCount(now),
      deps.store.revocationTimes({ limit: TIMES_OF }),
      deps.store.listRevocations({ limit: 5 }),
      deps.store.failedMicrosoftWork(MOST_SHOWN),
      brokersNow(deps),
      deps.store.listLocks({ state: 'open', limit: 5 }),
    ],
  )
  const asked = askedAgain(request)
  const nowMs = deps.clock.nowMs()
  return consolePage(
    request,
    { title: 'Overview', at: '', live: true },
    <>
      {asked === undefined ? null : <Notice kind="good" title={asked} />}
      <Problems request={request} verdict={ready.verdict} problems={ready.problems} />
      <Live id="instances">
        <Panel title="Instances">{await instanceList(request, instances.filter(isWatched))}</Panel>
      </Live>
      {await lockedPanel(request, locks)}
      <Now instances={instances} sessions={sessions} nowMs={nowMs} />
      <Live id="given-up">{await failedWorkPanel(request, failedWork)}</Live>
      <div class="pair">
        <Live id="times">
          <Panel title="Time until every instance knew">
            <TimesChart newestFirst={times} />
          </Panel>
        </Live>
        <Parts ready={ready} brokers={brokers} nowMs={nowMs} />
      </div>
      <Live id="latest">
        <Panel title="Latest revocations">
          {await revocationList(request, 'Latest revocations', latest, NONE_YET)}
          <p>
            <a href="/ops/revocations">All revocations</a>
          </p>
        </Panel>
      </Live>
    </>,
  )
}

const Now = ({
  instances,
  sessions,
  nowMs,
}: {
  instances: readonly InstanceNow[]
  sessions: number
  nowMs: number
}) => (
  <Live id="state">
    <Panel>
      <Totals instances={instances} sessions={sessions} nowMs={nowMs} />
    </Panel>
  </Live>
)

const lockedPanel = async (request: ConsoleRequest, locks: readonly Lock[]): Promise<Child> => (
  <Live id="locks">
    {locks.length === 0 ? null : (
      <Panel title="Locked">
        {await lockList(request, locks)}
        <p>
          <a href="/ops/locks">All locks</a>
        </p>
      </Panel>
    )}
  </Live>
)

type Brokers = Awaited<ReturnType<typeof brokersNow>>

const Parts = ({ ready, ...shared }: { ready: Readiness; brokers: Brokers; nowMs: number }) => (
  <Live id="parts">
    <Panel title="Parts">
      <Table label="Parts" head={['Part', 'State', 'More']} rows={partRows(ready)} none="" />
    </Panel>
    <SharedBy {...shared} />
  </Live>
)

const SharedBy = ({ brokers, nowMs }: { brokers: Brokers; nowMs: number }) =>
  brokers.length === 0 ? null : (
    <Panel title="Brokers and workers">
      <Table
        label="Brokers and workers"
        head={['Process', 'Kind', 'Version', 'Up for', 'Heartbeat', 'Work']}
        rows={brokers.map((one) => [
          one.host,
          one.kind,
          one.version,
          one.missing ? '' : span(Math.max(0, nowMs - one.startedAtMs)),
          one.missing ? (
            <>
              <span class="tag bad">missing</span> since {when(one.seenAtMs, nowMs)}
            </>
          ) : (
            `${span(one.heartbeatAgeMs)} ago`
          ),
          one.work.replaceAll(',', ', '),
        ])}
        none=""
      />
    </Panel>
  )

const NONE_YET = 'Nothing has been revoked yet.'

const partsOf = (ready: Readiness) => [
  ['Store', ready.parts.store] as const,
  ['Queue', ready.parts.queue] as const,
  ['Microsoft', ready.parts.microsoft] as const,
]

function Totals({
  instances,
  sessions,
  nowMs,
}: {
  instances: readonly InstanceNow[]
  sessions: number
  nowMs: number
}) {
  const sum = (pick: (one: InstanceNow) => number): number =>
    instances.reduce((total, one) => total + pick(one), 0)
  const [pending, rejected, failed] = [
    sum((one) => one.counts.pending),
    sum((one) => one.counts.rejected),
    sum((one) => one.counts.failed),
  ]
  const oldest = Math.min(
    ...instances.flatMap((one) => one.targets.flatMap((target) => target.oldestAtMs ?? [])),
  )
  return (
    <Figures
      items={[
        { name: 'Live sessions', value: count(sessions) },
        { name: 'Pending', value: count(pending), look: pending > 0 ? 'warn' : undefined },
        { name: 'Being delivered', value: count(sum((one) => one.delivering)) },
        { name: 'Rejected', value: count(rejected), look: rejected > 0 ? 'bad' : undefined },
        { name: 'Failed', value: count(failed), look: failed > 0 ? 'bad' : undefined },
        { name: 'Delivered', value: count(sum((one) => one.counts.delivered)) },
        {
          name: 'Oldest pending',
          value: Number.isFinite(oldest) ? span(Math.max(0, nowMs - oldest)) : 'none',
          look: 'small',
        },
      ]}
    />
  )
}

const PART = {
  up: { words: 'up', tag: 'tag' },
  down: { words: 'down', tag: 'tag bad' },
  not_connected: { words: 'not connected', tag: 'tag wait' },
} as const

const partRows = (ready: Readiness): Child[][] =>
  partsOf(ready).map(([name, part]) => [
    <strong>{name}</strong>,
    <span class={PART[part.state].tag}>{PART[part.state].words}</span>,
    part.engine === undefined ? '' : (ENGINE[part.engine] ?? part.engine),
  ])

const ENGINE: Record<string, string> = {
  valkey: 'Valkey',
  redis: 'Redis',
  postgres: 'Postgres, for trying and testing',
}
