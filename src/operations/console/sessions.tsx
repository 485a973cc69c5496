import type { Child } from 'hono/jsx'
import type { Participant, Session, SessionPlace, SessionStatus } from '../../../db/types.ts'
import { exportAs } from '../acts/scope.ts'
import { readSessionCursor, SESSION_CURSOR, sessionCursor, sessionsBy } from '../acts/search.ts'
import type { Deps } from '../deps.ts'
import { consolePage, Panel } from './layout.tsx'
import { instances, nameOf, plural, when, whoIs } from './format.ts'
import { csvResponse, CsvLink, everyPage, Filters, isoTime, listOf } from './list.tsx'
import { pageOfSearch, placeOf } from './pages.tsx'
import {
  asked,
  type ConsoleRequest,
  isAdministrator,
  mayAct,
  type Mounted,
  pageLink,
  tidOf,
  userLink,
} from './request.ts'

/** Live sessions by user, instance and device, newest first, as a list and as CSV. */

const PAGE = 100
type Found = { session: Session; participants: Participant[] }

/** Says whether a session is live. A session with a mark to end soon counts as live. */
export const SessionState = ({ state }: { state: SessionStatus['state'] }) =>
  state === 'ended' ? <span class="tag calm">ended</span> : <span class="tag">live</span>

async function sessionsPage(request: ConsoleRequest): Promise<Response> {
  const { deps, now } = request
  const tid = tidOf(request)
  const place = placeOf(request, SESSION_CURSOR)
  const found = await sessionsBy(deps, {
    tid,
    text: asked(request, 'user'),
    // Only operators filter by instance.
    clientId: tid === undefined ? asked(request, 'client') : undefined,
    device: asked(request, 'device'),
    before: readSessionCursor(place.before),
    now,
    limit: PAGE + 1,
  })
  const { shown, next, searchedTo } = pageOfSearch(found, PAGE, (one) =>
    sessionCursor('session' in one ? one.session : one),
  )
  const list = await listOf<Found>(request, {
    label: 'Live sessions',
    columns: [
      ['User', ({ session }) => <User request={request} session={session} />],
      ['Device', ({ session }) => session.device],
      ['Signed in', ({ session }) => when(session.openedAt * 1000, deps.clock.nowMs())],
      ['Last used', ({ session }) => when(session.lastActiveAt * 1000, deps.clock.nowMs())],
      ['Instances', ({ participants }) => instanceNames(deps, participants)],
      isAdministrator(request) && [
        'Revoke',
        ({ session }) => <Revoke request={request} session={session} />,
      ],
      mayAct(request) && ['Lock', ({ session }) => <Lock request={request} session={session} />],
    ],
    entries: shown,
    none: 'No live session matches.',
    pages: {
      of: 'sessions',
      place,
      next,
      searchedTo:
        searchedTo && `sessions that began ${when(searchedTo.openedAt * 1000, deps.clock.nowMs())}`,
    },
  })
  const isWhole = place.before === undefined && next === undefined
  return consolePage(
    request,
    { title: 'Sessions', at: '/sessions' },
    <>
      <Panel>
        <Filters
          request={request}
          path="/sessions"
          fields={[
            ['user', 'User', 'Name, username, sub or sid'],
            tid === undefined && ['client', 'Instance', [['', 'Any'], ...instances(request)]],
            ['device', 'Device', 'iPhone'],
          ]}
        />
        <CsvLink request={request} list="sessions" />
      </Panel>
      <Panel title={isWhole ? plural(shown.length, 'live session') : 'Live sessions, newest first'}>
        {list}
      </Panel>
    </>,
  )
}

/** Returns the names of the instances. An empty text makes a narrow screen leave the line out. */
const instanceNames = (deps: Pick<Deps, 'clients'>, participants: readonly Participant[]): Child =>
  participants.length === 0
    ? ''
    : participants.map(({ clientId }) => <div>{nameOf(deps, clientId)}</div>)

interface Row {
  request: ConsoleRequest
  session: Session
}
const User = ({ request, session }: Row) => (
  <>
    <strong>
      <a href={userLink(request, session.sub)}>{session.user.name ?? session.user.oid}</a>
    </strong>
    <div class="small soft">{session.user.username}</div>
  </>
)

export const RevokeSession = ({ request, session, children }: Row & { children: Child }) => (
  <a
    href={pageLink(request, '/revoke/check', { kind: 'session', value: session.sid })}
    aria-label={`Revoke this session of ${whoIs(session)}, ${session.device}`}
  >
    {children}
  </a>
)

const Revoke = ({ request, session }: Row) => (
  <>
    <div>
      <RevokeSession request={request} session={session}>
        This session
      </RevokeSession>
    </div>
    <div>
      <a
        href={pageLink(request, '/revoke/check', { kind: 'subject', value: session.sub })}
        aria-label={`Revoke the user ${whoIs(session)}, everywhere`}
      >
        The user
      </a>
    </div>
  </>
)

const Lock = ({ request, session }: Row) => (
  <a
    href={pageLink(request, '/lock/check', { user: session.sub })}
    aria-label={`Lock the user ${whoIs(session)}`}
  >
    The user
  </a>
)

/** The most sessions that an export reads at once, which bounds its memory. */
const SESSIONS_IN_A_READ = 100

async function sessionsCsv(request: ConsoleRequest): Promise<Response> {
  const { deps, now, viewer } = request
  await exportAs(deps, viewer.caller, 'sessions', now)
  const tid = tidOf(request)
  const pages = everyPage<Found, SessionPlace>(
    SESSIONS_IN_A_READ,
    (bounds) => deps.store.pageOfSessions({ tid, now, ...bounds }),
    ({ session: { openedAt, sid } }) => ({ openedAt, sid }),
  )
  return csvResponse<Found>(
    'sessions',
    [
      ['sid', ({ session }) => session.sid],
      ['sub', ({ session }) => session.sub],
      ['oid', ({ session }) => session.user.oid],
      ['name', ({ session }) => session.user.name],
      ['username', ({ session }) => session.user.username],
      ['device', ({ session }) => session.device],
      ['opened_at', ({ session }) => isoTime(session.openedAt)],
      ['last_active_at', ({ session }) => isoTime(session.lastActiveAt)],
      ['absolute_at', ({ session }) => isoTime(session.absoluteAt)],
      ['clients', ({ participants }) => participants.map(({ clientId }) => clientId).join(' ')],
    ],
    pages,
  )
}

export const sessionRoutes: readonly Mounted[] = [
  { path: '/sessions', tenant: true, page: sessionsPage },
  { path: '/sessions.csv', tenant: true, page: sessionsCsv },
]
