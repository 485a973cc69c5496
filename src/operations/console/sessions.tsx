import type { Session, Standing } from '../../../db/types.ts'
import { Button } from '../../pages/components.tsx'
import { SelectField, TextField } from '../../pages/fields.tsx'
import { consolePage, isAdministrator, Panel, type ConsoleRequest } from './layout.tsx'
import { instances, plural, whoIs } from './format.ts'
import { asked, linkOf, userLink } from './links.ts'
import { findSessions, type SessionsPage, SessionsTable } from './live-sessions.tsx'

/** Whether a session is live; one with a mark to end soon counts as live. */
export const SessionState = ({ state }: { state: Standing['state'] }) =>
  state === 'ended' ? <span class="tag calm">ended</span> : <span class="tag">live</span>

/** Live sessions by user, instance and device. The page lists none before a search. */

export async function sessionsPage(request: ConsoleRequest): Promise<Response> {
  const [text, clientId, device] = [
    asked(request, 'user'),
    asked(request, 'client'),
    asked(request, 'device'),
  ]
  const searched = text !== undefined || clientId !== undefined || device !== undefined
  const sent = ['user', 'client', 'device'].some((name) => request.c.req.query(name) !== undefined)
  const page = searched ? await findSessions(request, { text, clientId, device }) : undefined
  return consolePage(
    request,
    { title: 'Sessions', at: '/ops/sessions' },
    <>
      <Panel>
        <Search request={request} text={text} clientId={clientId} device={device} />
      </Panel>
      {page === undefined ? (
        <Panel>
          <p>{sent ? 'Fill in at least one field.' : 'Search by user, instance or device.'}</p>
        </Panel>
      ) : (
        <Found request={request} page={page} />
      )}
    </>,
  )
}

function Found({ request, page }: { request: ConsoleRequest; page: SessionsPage }) {
  const whole = page.place.before === undefined && page.next === undefined
  const revoke = { name: 'Revoke', act: (session: Session) => <Revoke session={session} /> }
  const lock = { name: 'Lock', act: (session: Session) => <Lock session={session} /> }
  return (
    <Panel
      title={whole ? plural(page.shown.length, 'live session') : 'Live sessions, newest first'}
    >
      <SessionsTable
        request={request}
        page={page}
        user={(session) => <User session={session} />}
        acts={isAdministrator(request) ? [revoke, lock] : [lock]}
      />
    </Panel>
  )
}

interface Asked {
  request: ConsoleRequest
  text: string | undefined
  clientId: string | undefined
  device: string | undefined
}

const Search = ({ request, text, clientId, device }: Asked) => (
  <form class="search" method="get" action="/ops/sessions">
    <TextField
      name="user"
      label="User"
      value={text}
      maxlength={200}
      placeholder="Name, username, sub or sid"
      literal
    />
    <SelectField
      name="client"
      label="Instance"
      options={[['', 'Any'], ...instances(request)]}
      chosen={clientId}
    />
    <TextField
      name="device"
      label="Device"
      value={device}
      maxlength={200}
      placeholder="iPhone"
      literal
    />
    <Button>Search</Button>
  </form>
)

const User = ({ session }: { session: Session }) => (
  <>
    <strong>
      <a href={userLink(session.sub)}>{session.user.name ?? session.user.oid}</a>
    </strong>
    <div class="small soft">{session.user.username}</div>
  </>
)

const Revoke = ({ session }: { session: Session }) => (
  <>
    <div>
      <a
        href={link({ kind: 'session', value: session.sid })}
        aria-label={`Revoke this session of ${whoIs(session)}, ${session.device}`}
      >
        This session
      </a>
    </div>
    <div>
      <a
        href={link({ kind: 'subject', value: session.sub })}
        aria-label={`Revoke the user ${whoIs(session)}, everywhere`}
      >
        The user
      </a>
    </div>
  </>
)

const Lock = ({ session }: { session: Session }) => (
  <a
    href={linkOf('/ops/lock', { user: session.sub })}
    aria-label={`Lock the user ${whoIs(session)}`}
  >
    The user
  </a>
)

const link = (query: Record<string, string>): string => linkOf('/ops/revoke', query)
