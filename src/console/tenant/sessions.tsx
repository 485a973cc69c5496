import type { Child } from 'hono/jsx'
import type { SessionPlace } from '../../../db/store.ts'
import type { Participant, Session } from '../../../db/types.ts'
import { sessionsBy } from '../../acts/search.ts'
import { readSessionCursor, SESSION_CURSOR, sessionCursor } from '../../acts/session-cursor.ts'
import { exportIn } from '../../acts/tenant.ts'
import { Button } from '../../page/components.tsx'
import { TextField } from '../../page/fields.tsx'
import { Panel, Table } from '../desk.tsx'
import { when, whoIs } from '../format.ts'
import { pageOfSearch, Pages, placeOf } from '../pages.tsx'
import { tenantDesk, type TenantRequest } from './desk.tsx'
import { asked, csvResponse, everyPage, isoTime, userPath } from './lists.tsx'
import { instances, RevokeLink, times } from './users.tsx'

/** Live sessions of one tenant, newest first, as a list and as CSV. */

const PAGE = 100
const HEAD = ['User', 'Device', 'Signed in', 'Last used', 'Instances', 'Revoke']

type Found = { session: Session; participants: Participant[] }
const placeIn = (one: Found | SessionPlace): SessionPlace => ('session' in one ? one.session : one)

export async function sessionsPage(request: TenantRequest): Promise<Response> {
  const { deps, now, administrator } = request
  const text = asked(request, 'q')
  const place = placeOf(request, SESSION_CURSOR)
  const before = readSessionCursor(place.before)
  const found = await sessionsBy(deps, { tid: administrator.actor.tid, text, before, now, limit: PAGE + 1 })
  const { shown, next, searchedTo } = pageOfSearch(found, PAGE, (one) => sessionCursor(placeIn(one)))
  return tenantDesk(
    request,
    { title: 'Sessions', at: '/tenant/sessions' },
    <>
      <Search text={text} />
      <Panel>
        <Table
          label="Live sessions"
          head={HEAD}
          rows={shown.map((one) => row(request, one))}
          none={searchedTo === undefined ? 'No live session matches.' : 'No match so far.'}
        />
        <Pages
          request={request}
          of="sessions"
          place={place}
          next={next}
          searchedTo={searchedTo && `sessions that began ${when(searchedTo.openedAt * 1000, deps.clock.nowMs())}`}
        />
      </Panel>
    </>,
  )
}

const Search = ({ text }: { text: string | undefined }) => (
  <Panel>
    <form class="search" role="search" method="get" action="/tenant/sessions">
      <TextField name="q" label="User" value={text} maxlength={200} placeholder="Name or username" literal />
      <Button>Search</Button>
    </form>
    <p>
      <a href="/tenant/sessions.csv" download="sessions.csv">
        Download all as CSV
      </a>
    </p>
  </Panel>
)

const row = (request: TenantRequest, { session, participants }: Found): Child[] => [
  <a href={userPath(session.sub)}>{whoIs(session)}</a>,
  session.device,
  ...times(request, session),
  instances(request, participants),
  <RevokeLink session={session} whose={whoIs(session)} />,
]

const CSV_HEAD = ['sid', 'sub', 'oid', 'name', 'username', 'device', 'opened_at', 'last_active_at', 'absolute_at', 'clients']
const csvRow = ({ session, participants }: Found) => [
  ...[session.sid, session.sub, session.user.oid, session.user.name, session.user.username, session.device],
  ...[isoTime(session.openedAt), isoTime(session.lastActiveAt), isoTime(session.absoluteAt)],
  participants.map(({ clientId }) => clientId).join(' '),
]

export async function sessionsCsv(request: TenantRequest): Promise<Response> {
  const { deps, now, administrator } = request
  const { actor } = administrator
  await exportIn(deps, actor, 'sessions', now)
  const all = everyPage<Found, SessionPlace>(
    PAGE,
    (bounds) => deps.store.pageOfSessions({ tid: actor.tid, now, ...bounds }),
    ({ session: { openedAt, sid } }) => ({ openedAt, sid }),
  )
  async function* pages() {
    for await (const found of all) yield found.map(csvRow)
  }
  return csvResponse('sessions', CSV_HEAD, pages())
}
