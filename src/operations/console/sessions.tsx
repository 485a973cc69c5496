import type { Participant, Session, SessionPlace, SessionStatus } from '../../../db/types.ts'
import { readSessionCursor, sessionCursor, sessionsBy } from '../acts/search.ts'
import { Notice } from '../../pages/components.tsx'
import { isFresh } from '../../session/lifetimes.ts'
import { networkOf } from '../../runtime/remote-address.ts'
import { instances, nameOf, plural, whoIs } from './format.ts'
import { END_SESSION } from './texts/acts.ts'
import { type Columns, listRoutes, ms, timeColumn } from './list.tsx'
import {
  queryParam,
  type ConsoleRequest,
  isAdministrator,
  isOperator,
  type Mounted,
  pageLink,
  sessionLink,
  signInAgain,
  tidOf,
  userLink,
} from './request.ts'
import { SESSIONS } from './texts/sessions.ts'
import { timeAt } from './time.tsx'

/** Live sessions by user, instance and device, newest first. */

export type Found = { session: Session; participants: Participant[] }

/** Says whether a session is live. A session with a mark to end soon counts as live. */
export const SessionState = ({ state }: { state: SessionStatus['state'] }) =>
  state === 'ended' ? <span class="tag calm">ended</span> : <span class="tag">live</span>

/**
 * Returns the first part of the address from which a session was opened, as its user sees it: for
 * five minutes after the reader's own fresh sign-in, while the history has it.
 */
async function networkIn(
  { deps, viewer, now }: ConsoleRequest,
  session: Session,
): Promise<string | undefined> {
  if (!isFresh(viewer.session, now)) return undefined
  const address = await deps.store.signInAddress(session)
  return address === undefined ? undefined : networkOf(address)
}

/** Returns what tells a session from the other sessions of its user. */
export async function sessionFacts(request: ConsoleRequest, session: Session) {
  return [
    ['Device', session.device],
    ['Network', await networkIn(request, session)],
    ['Signed in', timeAt(request, session.openedAt)],
    ['Last used', timeAt(request, session.lastActiveAt)],
    ['Session ID', <code>{session.sid}</code>],
  ] as const
}

/** Says that networks are hidden, unless they are shown or no address is stored. */
export const NetworksHidden = ({ request }: { request: ConsoleRequest }) =>
  isFresh(request.viewer.session, request.now) ||
  request.deps.config.retention.addressDays === 0 ? null : (
    <Notice title={SESSIONS.hidden}>
      <a href={signInAgain(request)}>Sign in again</a>, and it is shown for five minutes.
    </Notice>
  )

/** The columns of live sessions, which the page of a user shows too. */
export const sessionColumns = (request: ConsoleRequest): Columns<Found> => [
  [
    'Device',
    ({ session }) => <a href={sessionLink(request, session.sub, session.sid)}>{session.device}</a>,
    ({ session }) => session.device,
  ],
  isFresh(request.viewer.session, request.now) && [
    'Network',
    async ({ session }) => (await networkIn(request, session)) ?? '',
    false,
  ],
  timeColumn(request, 'Signed in', ({ session }) => ms(session.openedAt)),
  timeColumn(request, 'Last used', ({ session }) => ms(session.lastActiveAt)),
  timeColumn(request, 'Ends', ({ session }) => ms(session.absoluteAt)),
  [
    'Instances',
    // An empty text makes a narrow screen leave the line out.
    ({ participants }) =>
      participants.length === 0
        ? ''
        : participants.map(({ clientId }) => <div>{nameOf(request.deps, clientId)}</div>),
    ({ participants }) => participants.map(({ clientId }) => clientId).join(' '),
  ],
  isAdministrator(request) && [
    'Act',
    ({ session }) => (
      <a
        href={pageLink(request, '/revoke', { kind: 'session', value: session.sid })}
        aria-label={`${END_SESSION}: ${whoIs(session)}, ${session.device}`}
      >
        {END_SESSION}
      </a>
    ),
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
    ['user', 'User', SESSIONS.who],
    isOperator(request) && ['client', 'Instance', [['', 'Any'], ...instances(request)]],
    ['device', 'Device', 'iPhone'],
  ],
  columns: (request) => [
    ['User', ({ session }) => <User request={request} session={session} />, userText],
    ...sessionColumns(request),
    ['Session ID', undefined, ({ session }) => session.sid],
    ['ID (sub)', undefined, ({ session }) => session.sub],
    ['Object ID', undefined, ({ session }) => session.user.oid],
  ],
  none: SESSIONS.none,
  above: (request) => <NetworksHidden request={request} />,
  heading: (_, shown, whole) => (whole ? plural(shown.length, 'live session') : SESSIONS.newest),
  read:
    async (request) =>
    ({ from, ...bounds }) =>
      sessionsBy(request.deps, {
        tid: tidOf(request),
        text: queryParam(request, 'user'),
        // Only operators filter by instance.
        clientId: isOperator(request) ? queryParam(request, 'client') : undefined,
        device: queryParam(request, 'device'),
        before: from,
        now: request.now,
        ...bounds,
      }),
  placeIn: (_, cursor) => readSessionCursor(cursor),
  cursorOf: (_, found) => sessionCursor('session' in found ? found.session : found),
  stopped: (request, { openedAt }) => <>sessions that began {timeAt(request, openedAt)}</>,
})

const userText = ({ session }: Found): string => whoIs(session)
const User = ({ request, session }: { request: ConsoleRequest; session: Session }) => (
  <>
    <strong>
      <a href={userLink(request, session.sub)}>{session.user.name ?? session.user.oid}</a>
    </strong>
    <div class="small soft">{session.user.username}</div>
  </>
)
