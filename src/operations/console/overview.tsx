import type { Child } from 'hono/jsx'
import type { Lock, LoggedRevocation } from '../../../db/types.ts'
import { brokersNow } from '../acts/brokers.ts'
import type { Checks } from '../checks/checks.ts'
import { readinessOf } from '../checks/readiness.ts'
import { MOST_FAILED_WORK } from '../contract/overview.ts'
import { Facts } from '../../pages/components.tsx'
import { consolePage, Done, Live, Panel } from './layout.tsx'
import { failedWorkPanel } from './failed-work.tsx'
import { instanceList } from './instance-cells.tsx'
import { instancesNow, isWatched } from '../acts/instances.ts'
import { listOf } from './list.tsx'
import { lockList } from './locks.tsx'
import { HidingDone, Problems, urgentOf } from './problems.tsx'
import { revocationColumns } from './revocations.tsx'
import { count, plural } from './format.ts'
import { span } from '../times.ts'
import { askedWords } from './texts/failed-work.ts'
import type { ConsoleRequest } from './request.ts'
import { Time } from './time.tsx'

/**
 * The first page of the console: current problems, the state of each instance, locks, the processes
 * that share the store, and the latest revocations.
 */

export async function overviewPage(request: ConsoleRequest, checks: Checks): Promise<Response> {
  const { deps, now } = request
  const [ready, instances, sessions, latest, failedWork, brokers, locks] = await Promise.all([
    readinessOf(deps, checks),
    instancesNow(deps),
    deps.store.liveSessionCount(now),
    deps.store.listRevocations({ limit: 5 }),
    deps.store.failedMicrosoftWork(MOST_FAILED_WORK),
    brokersNow(deps),
    deps.store.listLocks({ state: 'open', limit: 5 }),
  ])
  return consolePage(
    request,
    { title: 'Overview', at: '', live: true, waiting: urgentOf(ready.problems).length },
    <>
      <HidingDone request={request} problems={ready.problems} />
      <Done request={request} results={{ asked: askedWords }} />
      <Problems request={request} verdict={ready.verdict} problems={ready.problems} />
      <Live id="instances">
        <Panel title="Instances">
          <p class="soft">
            A guard runs at an instance, and rejects the tokens of sessions that have ended.
          </p>
          {await instanceList(request, instances.filter(isWatched))}
          <p>
            <a href="/ops/sessions">{plural(sessions, 'live session')}</a>
          </p>
        </Panel>
      </Live>
      {await lockedPanel(request, locks)}
      <Live id="given-up">{await failedWorkPanel(request, failedWork)}</Live>
      <Live id="brokers">{await brokersPanel(request, brokers)}</Live>
      <Live id="queue">{await queuePanel(request)}</Live>
      <Live id="latest">
        <Panel title="Latest revocations">
          {await listOf<LoggedRevocation>(request, {
            label: 'Latest revocations',
            columns: revocationColumns(request),
            entries: latest,
            none: 'Nothing has been revoked yet.',
          })}
          <p>
            <a href="/ops/revocations">All revocations</a>
          </p>
        </Panel>
      </Live>
    </>,
  )
}

const lockedPanel = async (request: ConsoleRequest, locks: readonly Lock[]): Promise<Child> => (
  <Live id="locks">
    {locks.length === 0 ? null : (
      <Panel title="Locked">
        {await lockList(request, 'Open locks', locks)}
        <p>
          <a href="/ops/locks">All locks</a>
        </p>
      </Panel>
    )}
  </Live>
)

async function queuePanel({ deps }: ConsoleRequest): Promise<Child> {
  const jobs = await deps.queue.jobs()
  return (
    <Panel title="Queue">
      {jobs === undefined ? (
        <p>
          <span class="tag bad">down</span> Its server does not answer.
        </p>
      ) : (
        <Facts
          items={[
            ['Waiting', count(jobs.waiting)],
            [
              'Oldest',
              jobs.oldestAtMs === undefined ? undefined : (
                <Time atMs={jobs.oldestAtMs} nowMs={deps.clock.nowMs()} />
              ),
            ],
            ['Active', count(jobs.active)],
            ['Delayed', count(jobs.delayed)],
            ['Failed', count(jobs.failed)],
          ]}
        />
      )}
    </Panel>
  )
}

type Brokers = Awaited<ReturnType<typeof brokersNow>>

async function brokersPanel(request: ConsoleRequest, brokers: Brokers): Promise<Child> {
  if (brokers.length === 0) return null
  const nowMs = request.deps.clock.nowMs()
  return (
    <Panel title="Brokers and workers">
      {await listOf<Brokers[number]>(request, {
        label: 'Brokers and workers',
        columns: [
          ['Process', ({ host }) => host],
          ['Kind', ({ kind }) => kind],
          ['Version', ({ version }) => version],
          [
            'Up for',
            (broker) => (broker.missing ? '' : span(Math.max(0, nowMs - broker.startedAtMs))),
          ],
          [
            'Heartbeat',
            (broker) =>
              broker.missing ? (
                <>
                  <span class="tag bad">missing</span> since{' '}
                  <Time atMs={broker.seenAtMs} nowMs={nowMs} />
                </>
              ) : (
                `${span(broker.heartbeatAgeMs)} ago`
              ),
          ],
          ['Work', ({ work }) => work.replaceAll(',', ', ')],
        ],
        entries: brokers,
        none: '',
      })}
    </Panel>
  )
}
