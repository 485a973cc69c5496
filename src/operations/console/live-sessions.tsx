import type { Child } from 'hono/jsx'
import type { Store } from '../../../db/store.ts'
import type { Participant, Session } from '../../../db/types.ts'
import { readSessionCursor, SESSION_CURSOR, sessionCursor, sessionsBy } from '../acts/search.ts'
import type { Deps } from '../deps.ts'
import { Table, type ConsoleRequest } from './layout.tsx'
import { nameOf, when } from './format.ts'
import { pageOfSearch, Pages, placeOf } from './pages.tsx'

/**
 * Live sessions, newest first, a page at a time: the list that operators and the administrator of a
 * tenant both have.
 */

const SESSIONS_ON_A_PAGE = 100

/** A request to either console. */
type Asking = Pick<ConsoleRequest, 'deps' | 'c' | 'now'>
type Wanted = Pick<Parameters<Store['searchSessions']>[0], 'text' | 'tid' | 'clientId' | 'device'>
export type SessionsPage = Awaited<ReturnType<typeof findSessions>>

/** The page at the place that the address names. */
export async function findSessions(request: Asking, wanted: Wanted) {
  const place = placeOf(request, SESSION_CURSOR)
  const bounds = {
    before: readSessionCursor(place.before),
    now: request.now,
    limit: SESSIONS_ON_A_PAGE + 1,
  }
  const found = await sessionsBy(request.deps, { ...wanted, ...bounds })
  return {
    place,
    ...pageOfSearch(found, SESSIONS_ON_A_PAGE, (one) =>
      sessionCursor('session' in one ? one.session : one),
    ),
  }
}

interface SessionsProps {
  request: Asking
  page: SessionsPage
  /** Whose a session is. */
  user: (session: Session) => Child
  /** Its last columns. */
  acts: readonly { name: string; act: (session: Session) => Child }[]
}

export const SessionsTable = ({
  request,
  page: { place, shown, next, searchedTo },
  user,
  acts,
}: SessionsProps) => (
  <>
    <Table
      label="Live sessions"
      head={[
        'User',
        'Device',
        'Signed in',
        'Last used',
        'Instances',
        ...acts.map(({ name }) => name),
      ]}
      rows={shown.map(({ session, participants }) => [
        user(session),
        session.device,
        ...sessionTimes(request.deps, session),
        instanceNames(request.deps, participants),
        ...acts.map(({ act }) => act(session)),
      ])}
      none={searchedTo === undefined ? 'No live session matches.' : 'No match so far.'}
    />
    <Pages
      request={request}
      of="sessions"
      place={place}
      next={next}
      searchedTo={
        searchedTo &&
        `sessions that began ${when(searchedTo.openedAt * 1000, request.deps.clock.nowMs())}`
      }
    />
  </>
)

/** When it was opened, and last used. */
export const sessionTimes = ({ clock }: Pick<Deps, 'clock'>, session: Session): Child[] =>
  [session.openedAt, session.lastActiveAt].map((at) => when(at * 1000, clock.nowMs()))

/** Nothing where there is none: a phone's list leaves the line out. */
export const instanceNames = (
  deps: Pick<Deps, 'clients'>,
  participants: readonly Participant[],
): Child =>
  participants.length === 0
    ? ''
    : participants.map(({ clientId }) => <div>{nameOf(deps, clientId)}</div>)
