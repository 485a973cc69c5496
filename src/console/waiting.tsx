import type { Child } from 'hono/jsx'
import type { ScheduledAct, ScheduledWhat } from '../../db/types.ts'
import { targetOf } from '../acts/scheduled.ts'
import { Notice } from '../page/components.tsx'
import { isAdministrator, Live, Panel, Table, type ConsoleRequest } from './desk.tsx'
import { byWords, minuteOf, whatWords } from './locks.tsx'
import { linkOf } from './links.ts'

/** What waits for a second administrator, and what waited in vain within the last day: on the overview, because it waits for a short time. */

const MOST = 20
const SHOWN_SECONDS = 86_400

export async function waitingNow({ deps, now }: ConsoleRequest): Promise<ScheduledAct[]> {
  const [proposed, expired] = await Promise.all([
    deps.store.listScheduledActs({ state: 'proposed', limit: MOST }),
    deps.store.listScheduledActs({ state: 'expired', limit: MOST }),
  ])
  return [...proposed, ...expired.filter(({ settled }) => settled !== undefined && settled.at > now - SHOWN_SECONDS)]
}

export async function waitingRows(request: ConsoleRequest, acts: readonly ScheduledAct[]): Promise<Child[][]> {
  return Promise.all(acts.map((act) => row(request, act)))
}

/** A request for the same act that is already waiting, by any administrator. */
export async function sameWaiting({ deps }: ConsoleRequest, what: ScheduledWhat): Promise<ScheduledAct | undefined> {
  const waiting = await deps.store.listScheduledActs({ state: 'proposed', limit: MOST })
  return waiting.find((one) => one.what.act === what.act && targetOf(one.what) === targetOf(what))
}

export const SameWaits = ({ act }: { act: ScheduledAct | undefined }) =>
  act === undefined ? null : (
    <Notice kind="warn" title="A request for the same act is already waiting.">
      <p>
        <a href={linkOf('/ops/scheduled', { id: act.id })}>Show the waiting request</a>
      </p>
    </Notice>
  )

/** Nothing where nothing waits. */
export const WaitingForApproval = ({ request, rows }: { request: ConsoleRequest; rows: Child[][] }) => (
  <Live id="approvals">
    {rows.length === 0 ? null : (
      <Panel title="Waiting for a second administrator">
        <Table
          label="Waiting for a second administrator"
          head={['What', 'State', 'Asked by', 'Expires', 'Case', ...(isAdministrator(request) ? ['Decide'] : [])]}
          rows={rows}
          none=""
        />
      </Panel>
    )}
  </Live>
)

async function row(request: ConsoleRequest, act: ScheduledAct): Promise<Child[]> {
  const words = await whatWords(request, act)
  const waits = act.state === 'proposed'
  const decide = (
    <a href={linkOf('/ops/scheduled', { id: act.id })} aria-label={`Decide: ${words}`}>
      Decide
    </a>
  )
  return [
    <>
      <strong>{words}</strong>
      {act.comment === undefined ? null : <div class="small soft">“{act.comment}”</div>}
    </>,
    waits ? <span class="tag wait">waits for approval</span> : <span class="tag bad">expired, nothing was done</span>,
    await byWords(request, act.actor.id),
    minuteOf(act.confirmUntil, 'a day after it was proposed'),
    act.caseReference ?? '',
    ...(isAdministrator(request) ? [waits ? decide : ''] : []),
  ]
}
