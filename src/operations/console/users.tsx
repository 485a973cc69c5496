import type { Subject } from '../../../db/types.ts'
import { tenantName } from '../acts/names.ts'
import { consolePage, Panel } from './layout.tsx'
import { when, whoIs } from './format.ts'
import { Filters, listOf } from './list.tsx'
import { FIRST, pageOf, placeOf } from './pages.tsx'
import { asked, type ConsoleRequest, type Mounted, tidOf, userLink } from './request.ts'

/** The users that the broker knows, whether or not they are signed in. */

const PAGE = 50
/** The cursor of a page: tenant and object id of its last user. */
const CURSOR = /^([\w-]{1,64})\.([\w-]{1,64})$/

async function usersPage(request: ConsoleRequest): Promise<Response> {
  const { deps } = request
  const tid = tidOf(request)
  const text = asked(request, 'q')
  const place = text === undefined ? placeOf(request, CURSOR) : FIRST
  const [, last = '', oid = ''] = CURSOR.exec(place.before ?? '') ?? []
  const after = place.before === undefined ? undefined : { tid: tid ?? last, oid }
  const { users, more } =
    text === undefined
      ? { users: await deps.store.listUsers({ tid, after, limit: PAGE + 1 }), more: false }
      : await deps.store.searchUsers({ text, tid, limit: PAGE })
  const { shown, next } = pageOf(users, PAGE, (one) => `${one.tid}.${one.oid}`)
  const list = await listOf<Subject>(request, {
    label: 'Users',
    columns: [
      ['User', (user) => <a href={userLink(request, user.sub)}>{whoIs({ user })}</a>],
      ['Email', ({ email }) => email ?? ''],
      tid === undefined && ['Tenant', (user) => tenantName(deps, user.tid)],
      ['Known since', ({ createdAt }) => when(createdAt * 1000, deps.clock.nowMs())],
    ],
    entries: shown,
    none: 'No user matches.',
    pages: { place, next },
  })
  return consolePage(
    request,
    { title: 'Users', at: '/users' },
    <>
      <Panel>
        <Filters request={request} path="/users" fields={[['q', 'Name', 'Name or username']]} />
      </Panel>
      <Panel>
        {list}
        {more ? <p class="soft">More users match: add a word.</p> : null}
      </Panel>
    </>,
  )
}

export const usersRoutes: readonly Mounted[] = [{ path: '/users', tenant: true, page: usersPage }]
