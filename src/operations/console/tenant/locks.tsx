import type { Child } from 'hono/jsx'
import type { Lock } from '../../../../db/types.ts'
import { Panel, Table } from '../layout.tsx'
import { when, whoIs } from '../format.ts'
import { linkOf } from '../links.ts'
import { untilOf } from '../locks.tsx'
import { pageOf, Pages, placeOf } from '../pages.tsx'
import { tenantPage, type TenantRequest } from './layout.tsx'
import { byWords, userPath } from './lists.tsx'

/**
 * Users of one tenant who are locked. What operators have locked, operators lift: their case and
 * words are not shown.
 */

const PAGE = 50
const LOCK_ID = /^l_[\w-]{1,60}$/

export async function locksPage(request: TenantRequest): Promise<Response> {
  const { deps, administrator } = request
  const place = placeOf(request, LOCK_ID)
  const found = await deps.store.listLocks({
    state: 'open',
    kind: 'user',
    key: administrator.actor.tid,
    before: place.before,
    limit: PAGE + 1,
  })
  const { shown, next } = pageOf(found, PAGE, (last) => last.id)
  return tenantPage(
    request,
    { title: 'Locks', at: '/tenant/locks' },
    <Panel>
      <Table
        label="Locked users"
        head={['User', 'Since', 'By', 'Until', 'Case', 'Lift']}
        rows={await Promise.all(shown.map((one) => row(request, one)))}
        none="No user of your tenant is locked."
      />
      <Pages request={request} of="locked users" place={place} next={next} />
    </Panel>,
  )
}

async function row(request: TenantRequest, lock: Lock): Promise<Child[]> {
  const { deps } = request
  const { target } = lock
  const user =
    target.kind === 'user' ? await deps.store.findSubjectByUser(target.tid, target.oid) : undefined
  const { by, isOwn } = await byWords(request, lock.actor)
  const whose = user === undefined ? '' : ` of ${whoIs({ user })}`
  return [
    user === undefined ? (
      target.kind === 'user' ? (
        target.oid
      ) : (
        ''
      )
    ) : (
      <a href={userPath(user.sub)}>{whoIs({ user })}</a>
    ),
    when(lock.at * 1000, deps.clock.nowMs()),
    by,
    untilOf(lock),
    isOwn ? (lock.caseReference ?? '') : '',
    isOwn ? (
      <a href={linkOf('/tenant/locks/lift', { id: lock.id })} aria-label={`Lift the lock${whose}`}>
        Lift
      </a>
    ) : (
      ''
    ),
  ]
}
