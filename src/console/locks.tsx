import type { Child } from 'hono/jsx'
import type { Lock, ScheduledAct } from '../../db/types.ts'
import { LinkButton, Notice } from '../page/components.tsx'
import type { LockTarget } from '../protocol/lock-target.ts'
import { desk, isAdministrator, Panel, Table, type ConsoleRequest } from './desk.tsx'
import { covered, nameOf, when, whoIs } from './format.ts'
import { pageOf, Pages, placeOf } from './pages.tsx'
import { linkOf } from './links.ts'

/** Locks that are open, and acts that wait for their time or for a second administrator. */

const PAGE = 50
const LOCK_ID = /^l_[\w-]{1,60}$/
/** Of each state that waits, at most. */
const MOST_WAITING = 100

const DONE: Readonly<Record<string, string>> = {
  locked: 'The user is locked and signed out everywhere.',
  already: 'The user was locked already. Nothing was changed.',
  lifted: 'The lock is lifted. Sign-ins are possible again.',
  lifted_before: 'Another operator had lifted this lock already.',
  confirmed: 'The act is confirmed.',
  cancelled: 'The act is canceled.',
}

export async function locksPage(request: ConsoleRequest): Promise<Response> {
  const { deps, c } = request
  const place = placeOf(request, LOCK_ID)
  const [found, proposed, scheduled] = await Promise.all([
    deps.store.listLocks({ state: 'open', before: place.before, limit: PAGE + 1 }),
    deps.store.listScheduledActs({ state: 'proposed', limit: MOST_WAITING }),
    deps.store.listScheduledActs({ state: 'scheduled', limit: MOST_WAITING }),
  ])
  const { shown, next } = pageOf(found, PAGE, ({ id }) => id)
  const done = DONE[c.req.query('done') ?? '']
  return desk(
    request,
    { title: 'Locks', at: '/ops/locks' },
    <>
      {done === undefined ? null : <Notice title={done} />}
      <Panel>
        <Table
          label="Open locks"
          head={['What', 'Since', 'By', 'Until', 'Case', ...(isAdministrator(request) ? ['Lift'] : [])]}
          rows={await Promise.all(shown.map((one) => lockRow(request, one)))}
          none="Nothing is locked."
        />
        <Pages request={request} of="open locks" place={place} next={next} />
        <div class="row">
          <LinkButton href="/ops/lock">Lock a user</LinkButton>
        </div>
        <p class="soft small">
          An administrator asks to lock an instance on its page, and to lock a tenant with cmb lock or the API. Another administrator confirms it
          here.
        </p>
      </Panel>
      <Waiting request={request} rows={await Promise.all([...proposed, ...scheduled].map((one) => actRow(request, one)))} />
    </>,
  )
}

const Waiting = ({ request, rows }: { request: ConsoleRequest; rows: Child[][] }) => (
  <Panel title="Waiting">
    <Table
      label="Acts that wait"
      head={['What', 'Due', 'State', 'By', 'Case', ...(isAdministrator(request) ? ['Decide'] : [])]}
      rows={rows}
      none="Nothing is scheduled, and nothing waits for a second administrator."
    />
  </Panel>
)

/** Whom or what, as an operator knows it. */
export async function targetWords({ deps }: Pick<ConsoleRequest, 'deps'>, target: LockTarget): Promise<string> {
  if (target.kind === 'client') return `The instance ${nameOf(deps, target.clientId)}`
  if (target.kind === 'tenant') return `The tenant ${(await deps.store.findTenant(target.tid))?.name ?? target.tid}`
  const subject = await deps.store.findSubjectByUser(target.tid, target.oid)
  return subject === undefined ? `The user ${target.oid} of tenant ${target.tid}` : whoIs({ user: subject })
}

export async function whatWords(request: Pick<ConsoleRequest, 'deps'>, { what }: ScheduledAct): Promise<string> {
  return what.act === 'lock' ? `Lock: ${await targetWords(request, what.target)}` : `Revoke: ${await covered(request.deps, what.selector)}`
}

export async function byWords({ deps }: Pick<ConsoleRequest, 'deps'>, id: string): Promise<string> {
  const subject = id.startsWith('u_') ? await deps.store.findSubject(id) : undefined
  return subject?.name ?? subject?.username ?? id
}

/** A time to come, as operators enter it: with its day, to the minute. */
export const minuteOf = (seconds: number | undefined, none: string): string =>
  seconds === undefined ? none : `${new Date(seconds * 1000).toISOString().slice(0, 16).replace('T', ' ')} UTC`
export const untilOf = ({ endsAt }: Pick<Lock, 'endsAt'>): string => minuteOf(endsAt, 'an administrator lifts it')

async function lockRow(request: ConsoleRequest, lock: Lock): Promise<Child[]> {
  const words = await targetWords(request, lock.target)
  return [
    <>
      <strong>{words}</strong>
      {lock.comment === undefined ? null : <div class="small soft">“{lock.comment}”</div>}
    </>,
    when(lock.at * 1000, request.deps.clock.nowMs()),
    await byWords(request, lock.actor.id),
    untilOf(lock),
    lock.caseReference ?? '',
    ...(isAdministrator(request)
      ? [
          <a href={linkOf('/ops/locks/lift', { id: lock.id })} aria-label={`Lift the lock of ${words}`}>
            Lift
          </a>,
        ]
      : []),
  ]
}

async function actRow(request: ConsoleRequest, act: ScheduledAct): Promise<Child[]> {
  const words = await whatWords(request, act)
  const choice = act.state === 'proposed' ? 'Confirm or cancel' : 'Cancel'
  return [
    <strong>{words}</strong>,
    minuteOf(act.dueAt, 'when it is confirmed'),
    act.state === 'proposed' ? <span class="tag wait">waits for a second administrator</span> : <span class="tag">scheduled</span>,
    await byWords(request, act.actor.id),
    act.caseReference ?? '',
    ...(isAdministrator(request)
      ? [
          <a href={linkOf('/ops/scheduled', { id: act.id })} aria-label={`${choice}: ${words}`}>
            {choice}
          </a>,
        ]
      : []),
  ]
}
