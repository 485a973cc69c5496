import type { Child } from 'hono/jsx'
import type { Participant, Session, Standing } from '../../db/types.ts'
import { Button } from '../page/components.tsx'
import { sessionsBy } from '../acts/search.ts'
import { readSessionCursor, SESSION_CURSOR, sessionCursor } from '../acts/session-cursor.ts'
import { SelectField, TextField } from '../page/fields.tsx'
import { desk, isAdministrator, Panel, Table, type ConsoleRequest } from './desk.tsx'
import { instances, nameOf, plural, when, whoIs } from './format.ts'
import { pageOfSearch, Pages, placeOf, type Place } from './pages.tsx'
import { asked, linkOf, userLink } from './links.ts'

/** Whether a session is live; one with a mark to end soon counts as live. */
export const SessionState = ({ state }: { state: Standing['state'] }) =>
  state === 'ended' ? <span class="tag calm">ended</span> : <span class="tag">live</span>

/** Live sessions by user, instance and device. The page lists none before a search. */

const PAGE = 100

export async function sessionsPage(request: ConsoleRequest): Promise<Response> {
  const { deps, c, now } = request
  const [text, clientId, device] = [asked(request, 'user') ?? asked(request, 'person'), asked(request, 'client'), asked(request, 'device')]
  const searched = text !== undefined || clientId !== undefined || device !== undefined
  const sent = ['user', 'person', 'client', 'device'].some((name) => c.req.query(name) !== undefined)
  const place = placeOf(request, SESSION_CURSOR)
  const before = readSessionCursor(place.before)
  const found = searched ? await sessionsBy(deps, { text, clientId, device, before, now, limit: PAGE + 1 }) : { found: [], searchedTo: undefined }
  return desk(
    request,
    { title: 'Sessions', at: '/ops/sessions' },
    <>
      <Panel>
        <Search request={request} text={text} clientId={clientId} device={device} />
      </Panel>
      {searched ? (
        <Found request={request} found={found} place={place} />
      ) : (
        <Panel>
          <p>{sent ? 'Fill in at least one field.' : 'Search by user, instance or device.'}</p>
        </Panel>
      )}
    </>,
  )
}

function Found({ request, found, place }: { request: ConsoleRequest; found: Awaited<ReturnType<typeof sessionsBy>>; place: Place }) {
  const { shown, next, searchedTo } = pageOfSearch(found, PAGE, (one) => sessionCursor('session' in one ? one.session : one))
  const whole = place.before === undefined && next === undefined
  return (
    <Panel title={whole ? plural(shown.length, 'live session') : 'Live sessions, newest first'}>
      <Table
        label="Live sessions"
        head={head(request)}
        rows={shown.map((one) => row(request, one))}
        none={searchedTo === undefined ? 'No live session matches.' : 'No match so far.'}
      />
      <Pages
        request={request}
        of="sessions"
        place={place}
        next={next}
        searchedTo={searchedTo && `sessions that began ${when(searchedTo.openedAt * 1000, request.deps.clock.nowMs())}`}
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
    <TextField name="user" label="User" value={text} maxlength={200} placeholder="Name, username, sub or sid" literal />
    <SelectField name="client" label="Instance" options={[['', 'Any'], ...instances(request)]} chosen={clientId} />
    <TextField name="device" label="Device" value={device} maxlength={200} placeholder="iPhone" literal />
    <Button>Search</Button>
  </form>
)

const head = (request: ConsoleRequest): string[] => [
  'User',
  'Device',
  'Signed in',
  'Last used',
  'Instances',
  ...(isAdministrator(request) ? ['Revoke'] : []),
  'Lock',
]

function row(request: ConsoleRequest, { session, participants }: { session: Session; participants: Participant[] }): Child[] {
  const nowMs = request.deps.clock.nowMs()
  return [
    <>
      <strong>
        <a href={userLink(session.sub)}>{session.user.name ?? session.user.oid}</a>
      </strong>
      <div class="small soft">{session.user.username}</div>
    </>,
    session.device,
    when(session.openedAt * 1000, nowMs),
    when(session.lastActiveAt * 1000, nowMs),
    participants.length === 0 ? <span class="soft">none</span> : participants.map(({ clientId }) => <div>{nameOf(request.deps, clientId)}</div>),
    ...(isAdministrator(request) ? [<Revoke session={session} />] : []),
    <a href={linkOf('/ops/lock', { user: session.sub })} aria-label={`Lock the user ${whoIs(session)}`}>
      The user
    </a>,
  ]
}

const Revoke = ({ session }: { session: Session }) => (
  <>
    <div>
      <a href={link({ kind: 'session', value: session.sid })} aria-label={`Revoke this session of ${whoIs(session)}, ${session.device}`}>
        This session
      </a>
    </div>
    <div>
      <a href={link({ kind: 'subject', value: session.sub })} aria-label={`Revoke the user ${whoIs(session)}, everywhere`}>
        The user
      </a>
    </div>
  </>
)

const link = (query: Record<string, string>): string => linkOf('/ops/revoke', query)
