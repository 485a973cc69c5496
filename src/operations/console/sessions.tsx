import type { Child } from 'hono/jsx'
import type { Participant, Session, SessionPlace, SessionStatus } from '../../../db/types.ts'
import { readSessionCursor, sessionCursor, sessionsBy } from '../acts/search.ts'
import { instances, nameOf, plural, whoIs } from './format.ts'
import { when } from '../times.ts'
import { type Columns, listRoutes, ms, timeColumn } from './list.tsx'
import {
  asked,
  type ConsoleRequest,
  isAdministrator,
  isOperator,
  mayAct,
  type Mounted,
  pageLink,
  tidOf,
  userLink,
} from './request.ts'

/** Live sessions by user, instance and device, newest first. */

export type Found = { session: Session; participants: Participant[] }

/** Says whether a session is live. A session with a mark to end soon counts as live. */
export const SessionState = ({ state }: { state: SessionStatus['state'] }) =>
  state === 'ended' ? <span class="tag calm">ended</span> : <span class="tag">live</span>

/** The columns of live sessions, which the page of a user shows too. */
export const sessionColumns = (
  request: ConsoleRequest,
  instance: (one: { session: Session; clientId: string }) => Child = ({ clientId }) =>
    nameOf(request.deps, clientId),
): Columns<Found> => [
  ['Device', ({ session }) => session.device],
  timeColumn(request, 'Signed in', ({ session }) => ms(session.openedAt)),
  timeColumn(request, 'Last used', ({ session }) => ms(session.lastActiveAt)),
  timeColumn(request, 'Ends', ({ session }) => ms(session.absoluteAt)),
  [
    'Instances',
    // An empty text makes a narrow screen leave the line out.
    ({ session, participants }) =>
      participants.length === 0
        ? ''
        : participants.map(({ clientId }) => <div>{instance({ session, clientId })}</div>),
    ({ participants }) => participants.map(({ clientId }) => clientId).join(' '),
  ],
  isAdministrator(request) && [
    'Revoke',
    ({ session }) => <RevokeSession request={request} session={session} />,
    false,
  ],
]

export const sessionRoutes: readonly Mounted[] = listRoutes<Found, SessionPlace, SessionPlace>({
  name: 'sessions',
  title: 'Sessions',
  label: 'Live sessions',
  tenant: true,
  size: 100,
  fields: (request) => [
    ['user', 'User', 'Name, username, sub or sid'],
    isOperator(request) && ['client', 'Instance', [['', 'Any'], ...instances(request)]],
    ['device', 'Device', 'iPhone'],
  ],
  columns: (request) => [
    ['User', ({ session }) => <User request={request} session={session} />, userText],
    ...sessionColumns(request),
    mayAct(request) && [
      'The user',
      ({ session }) => <OfUser request={request} session={session} />,
      false,
    ],
    ['Session ID', undefined, ({ session }) => session.sid],
    ['ID (sub)', undefined, ({ session }) => session.sub],
    ['Object ID', undefined, ({ session }) => session.user.oid],
  ],
  none: 'No live session matches.',
  heading: (_, shown, whole) =>
    whole ? plural(shown.length, 'live session') : 'Live sessions, newest first',
  read:
    async (request) =>
    ({ from, ...bounds }) =>
      sessionsBy(request.deps, {
        tid: tidOf(request),
        text: asked(request, 'user'),
        // Only operators filter by instance.
        clientId: isOperator(request) ? asked(request, 'client') : undefined,
        device: asked(request, 'device'),
        before: from,
        now: request.now,
        ...bounds,
      }),
  placeIn: (_, cursor) => readSessionCursor(cursor),
  cursorOf: (_, one) => sessionCursor('session' in one ? one.session : one),
  stopped: ({ deps }, { openedAt }) =>
    `sessions that began ${when(openedAt * 1000, deps.clock.nowMs())}`,
})

interface Row {
  request: ConsoleRequest
  session: Session
}
const userText = ({ session }: Found): string => whoIs(session)
const User = ({ request, session }: Row) => (
  <>
    <strong>
      <a href={userLink(request, session.sub)}>{session.user.name ?? session.user.oid}</a>
    </strong>
    <div class="small soft">{session.user.username}</div>
  </>
)

const RevokeSession = ({ request, session }: Row) => (
  <a
    href={pageLink(request, '/revoke', { kind: 'session', value: session.sid })}
    aria-label={`Revoke this session of ${whoIs(session)}, ${session.device}`}
  >
    Revoke
  </a>
)

/** Links that sign the whole user out everywhere, and lock them. */
const OfUser = ({ request, session }: Row) => (
  <>
    {isAdministrator(request) ? (
      <div>
        <a
          href={pageLink(request, '/revoke', { kind: 'subject', value: session.sub })}
          aria-label={`Revoke the user ${whoIs(session)}, everywhere`}
        >
          Revoke
        </a>
      </div>
    ) : null}
    <div>
      <a
        href={pageLink(request, '/lock', { user: session.sub })}
        aria-label={`Lock the user ${whoIs(session)}`}
      >
        Lock
      </a>
    </div>
  </>
)
