import type { Subject } from '../../../db/types.ts'
import { tenantName } from '../acts/names.ts'
import { firstUsers } from '../acts/revocations.ts'
import { LinkButton } from '../../pages/components.tsx'
import { Panel } from './layout.tsx'
import { whoIs } from './format.ts'
import { EVERYONE } from './texts/acts.ts'
import { type Columns, FILTER, listRoutes, ms, timeColumn } from './list.tsx'
import {
  queryParam,
  type ConsoleRequest,
  isAdministrator,
  isOperator,
  type Mounted,
  pageLink,
  queried,
  tidOf,
  userLink,
} from './request.ts'
import { TOGETHER } from './texts/users.ts'

/**
 * The users that the broker knows, whether or not they are signed in. Administrators tick several
 * to revoke them together. It needs no script: the ticks belong to the form of the filter, so that
 * each search keeps them.
 */

/**
 * The most users of one form: fewer than a page of the list holds, and so few that the cost of the
 * dry run is bounded.
 */
const MOST_PICKED = 40

/** The subs that the address or a form names, each once. */
export const pickedIn = (source: URLSearchParams): string[] =>
  [...new Set(source.getAll('user').map((sub) => sub.trim()))]
    .filter((sub) => /^[\w-]{1,200}$/.test(sub))
    .slice(0, MOST_PICKED)

/** Returns whether the viewer may revoke several users at once. */
const mayPick = (request: ConsoleRequest): boolean =>
  isAdministrator(request) && isOperator(request)

const Tick = ({ user, checked }: { user: Subject; checked: boolean }) => (
  <input
    type="checkbox"
    name="user"
    value={user.sub}
    form={FILTER}
    checked={checked}
    aria-label={`Pick ${whoIs({ user })}`}
  />
)

export const userColumns = (request: ConsoleRequest): Columns<Subject> => [
  ['User', (user) => <a href={userLink(request, user.sub)}>{whoIs({ user })}</a>],
  ['Email', ({ email }) => email ?? ''],
  isOperator(request) && ['Tenant', ({ tid }) => tenantName(request.deps, tid)],
  timeColumn(request, 'Known since', ({ createdAt }) => ms(createdAt)),
  ['ID (sub)', undefined, ({ sub }) => sub],
  ['Object ID', undefined, ({ oid }) => oid],
]

/** Returns the users that are ticked, for the top of the list. */
const pickedUsers = (request: ConsoleRequest): Promise<Subject[]> =>
  firstUsers(request.deps, mayPick(request) ? pickedIn(queried(request)) : [])

type Place = Pick<Subject, 'tid' | 'oid'>
const placeText = ({ tid, oid }: Place): string => `${tid}.${oid}`
/** The most users that a search finds. */
const MOST_FOUND = 1000

export const usersRoutes: readonly Mounted[] = listRoutes<Subject, Place, Place>({
  name: 'users',
  title: 'Users',
  tenant: true,
  fields: () => [['q', 'Name', 'Name or username']],
  columns(request) {
    const picked = new Set(pickedIn(queried(request)))
    return [
      mayPick(request) && [
        'Pick',
        (user) => <Tick user={user} checked={picked.has(user.sub)} />,
        false,
      ],
      ...userColumns(request),
    ]
  },
  none: 'No user matches.',
  async read(request) {
    const { store } = request.deps
    const [text, tid] = [queryParam(request, 'q'), tidOf(request)]
    const hits =
      text === undefined ? undefined : await store.searchUsers({ text, tid, limit: MOST_FOUND })
    const sorted = hits?.users.toSorted((a, b) => (placeText(a) < placeText(b) ? -1 : 1))
    return async ({ from, limit }) => {
      const after = from && { ...from, ...(tid !== undefined && { tid }) }
      const found =
        sorted
          ?.filter((user) => after === undefined || placeText(user) > placeText(after))
          .slice(0, limit) ?? (await store.listUsers({ tid, after, limit }))
      const picked = from === undefined ? await pickedUsers(request) : []
      const others = found.filter(({ sub }) => !picked.some((pickedUser) => pickedUser.sub === sub))
      return { found: [...picked, ...others], searchedTo: undefined, more: hits?.more }
    }
  },
  placeIn(_, cursor) {
    const [, tid, oid] = /^([\w-]{1,64})\.([\w-]{1,64})$/.exec(cursor) ?? []
    return tid === undefined || oid === undefined ? undefined : { tid, oid }
  },
  cursorOf: (_, user) => placeText(user),
  below: (request) => (mayPick(request) ? <Together request={request} /> : null),
})

/** Begins the revocation of the ticked users, or of every user. */
const Together = ({ request }: { request: ConsoleRequest }) => (
  <Panel title={TOGETHER.title}>
    <p class="soft">{TOGETHER.confirm}</p>
    <div class="row">
      <button
        class="button danger"
        form={FILTER}
        name="kind"
        value="users"
        formaction={pageLink(request, '/revoke')}
      >
        {TOGETHER.picked}
      </button>
      <LinkButton kind="quiet" href={pageLink(request, '/revoke', { kind: 'everything' })}>
        {EVERYONE}
      </LinkButton>
    </div>
  </Panel>
)
