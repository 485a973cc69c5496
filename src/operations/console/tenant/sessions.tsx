import type { Participant, Session, SessionPlace } from '../../../../db/types.ts'
import { exportIn } from '../../acts/tenant.ts'
import { Button } from '../../../pages/components.tsx'
import { TextField } from '../../../pages/fields.tsx'
import { Panel, type Mounted } from '../layout.tsx'
import { whoIs } from '../format.ts'
import { findSessions, SessionsTable } from '../live-sessions.tsx'
import { tenantPage, type TenantRequest } from './layout.tsx'
import { asked, csvResponse, everyPage, isoTime, userPath } from './lists.tsx'
import { RevokeLink } from './users.tsx'

/** Live sessions of one tenant, newest first, as a list and as CSV. */

async function sessionsPage(request: TenantRequest): Promise<Response> {
  const text = asked(request, 'q')
  const page = await findSessions(request, { tid: request.administrator.actor.tid, text })
  return tenantPage(
    request,
    { title: 'Sessions', at: '/tenant/sessions' },
    <>
      <Search text={text} />
      <Panel>
        <SessionsTable
          request={request}
          page={page}
          user={(session) => <a href={userPath(session.sub)}>{whoIs(session)}</a>}
          acts={[
            {
              name: 'Revoke',
              act: (session) => <RevokeLink session={session} whose={whoIs(session)} />,
            },
          ]}
        />
      </Panel>
    </>,
  )
}

const Search = ({ text }: { text: string | undefined }) => (
  <Panel>
    <form class="search" role="search" method="get" action="/tenant/sessions">
      <TextField
        name="q"
        label="User"
        value={text}
        maxlength={200}
        placeholder="Name or username"
        literal
      />
      <Button>Search</Button>
    </form>
    <p>
      <a href="/tenant/sessions.csv" download="sessions.csv">
        Download all as CSV
      </a>
    </p>
  </Panel>
)

/** The CSV is written so many at a time: an export holds no more in memory. */
const SESSIONS_IN_A_READ = 100
type Found = { session: Session; participants: Participant[] }
const CSV_HEAD = [
  'sid',
  'sub',
  'oid',
  'name',
  'username',
  'device',
  'opened_at',
  'last_active_at',
  'absolute_at',
  'clients',
]
const csvRow = ({ session, participants }: Found) => [
  ...[
    session.sid,
    session.sub,
    session.user.oid,
    session.user.name,
    session.user.username,
    session.device,
  ],
  ...[isoTime(session.openedAt), isoTime(session.lastActiveAt), isoTime(session.absoluteAt)],
  participants.map(({ clientId }) => clientId).join(' '),
]

async function sessionsCsv(request: TenantRequest): Promise<Response> {
  const { deps, now, administrator } = request
  const { actor } = administrator
  await exportIn(deps, actor, 'sessions', now)
  const all = everyPage<Found, SessionPlace>(
    SESSIONS_IN_A_READ,
    (bounds) => deps.store.pageOfSessions({ tid: actor.tid, now, ...bounds }),
    ({ session: { openedAt, sid } }) => ({ openedAt, sid }),
  )
  async function* pages() {
    for await (const found of all) yield found.map(csvRow)
  }
  return csvResponse('sessions', CSV_HEAD, pages())
}

export const sessionRoutes: readonly Mounted<TenantRequest>[] = [
  { path: '/tenant/sessions', page: sessionsPage },
  { path: '/tenant/sessions.csv', page: sessionsCsv },
]
