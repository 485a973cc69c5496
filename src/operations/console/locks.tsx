import type { Child } from 'hono/jsx'
import type { Lock } from '../../../db/types.ts'
import { LinkButton, Notice } from '../../pages/components.tsx'
import type { LockTarget } from '../../protocol/lock-target.ts'
import { consolePage, isAdministrator, Panel, Table, type ConsoleRequest } from './layout.tsx'
import { nameOf, when, whoIs } from './format.ts'
import { pageOf, Pages, placeOf } from './pages.tsx'
import { linkOf } from './links.ts'

/** Open locks. */

const PAGE = 50
const LOCK_ID = /^l_[\w-]{1,60}$/

const DONE: Readonly<Record<string, string>> = {
  locked: 'The user is locked and signed out everywhere.',
  already: 'The user was locked already. Nothing was changed.',
  client_locked: 'The instance is locked. It gets no code and no token.',
  client_already: 'The instance was locked already. Nothing was changed.',
  lifted: 'The lock is lifted. Sign-ins are possible again.',
  lifted_before: 'Another operator had lifted this lock already.',
}

export async function locksPage(request: ConsoleRequest): Promise<Response> {
  const { deps, c } = request
  const place = placeOf(request, LOCK_ID)
  const found = await deps.store.listLocks({ state: 'open', before: place.before, limit: PAGE + 1 })
  const { shown, next } = pageOf(found, PAGE, ({ id }) => id)
  const done = DONE[c.req.query('done') ?? '']
  return consolePage(
    request,
    { title: 'Locks', at: '/ops/locks' },
    <>
      {done === undefined ? null : <Notice title={done} />}
      <Panel>
        <Table
          label="Open locks"
          head={[
            'What',
            'Since',
            'By',
            'Until',
            'Case',
            ...(isAdministrator(request) ? ['Lift'] : []),
          ]}
          rows={await Promise.all(shown.map((one) => lockRow(request, one)))}
          none="Nothing is locked."
        />
        <Pages request={request} of="open locks" place={place} next={next} />
        <div class="row">
          <LinkButton href="/ops/lock">Lock a user</LinkButton>
        </div>
        <p class="soft small">
          An administrator locks an instance on its page, and a tenant with cmb lock or the API.
        </p>
      </Panel>
    </>,
  )
}

/** Whom or what, as an operator knows it. */
export async function targetWords(
  { deps }: Pick<ConsoleRequest, 'deps'>,
  target: LockTarget,
): Promise<string> {
  if (target.kind === 'client') return `The instance ${nameOf(deps, target.clientId)}`
  if (target.kind === 'tenant')
    return `The tenant ${(await deps.store.findTenant(target.tid))?.name ?? target.tid}`
  const subject = await deps.store.findSubjectByUser(target.tid, target.oid)
  return subject === undefined
    ? `The user ${target.oid} of tenant ${target.tid}`
    : whoIs({ user: subject })
}

async function byWords({ deps }: Pick<ConsoleRequest, 'deps'>, id: string): Promise<string> {
  const subject = id.startsWith('u_') ? await deps.store.findSubject(id) : undefined
  return subject?.name ?? subject?.username ?? id
}

/** Its end with the day, to the minute. */
export const untilOf = ({ endsAt }: Pick<Lock, 'endsAt'>): string =>
  endsAt === undefined
    ? 'an administrator lifts it'
    : `${new Date(endsAt * 1000).toISOString().slice(0, 16).replace('T', ' ')} UTC`

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
          <a
            href={linkOf('/ops/locks/lift', { id: lock.id })}
            aria-label={`Lift the lock of ${words}`}
          >
            Lift
          </a>,
        ]
      : []),
  ]
}
