import type { Child } from 'hono/jsx'
import type {
  Lock,
  Participant,
  SecurityEvent,
  Session,
  Standing,
  Subject,
} from '../../../db/types.ts'
import { Facts, LinkButton, Notice } from '../../pages/components.tsx'
import { lockKey } from '../../protocol/lock-target.ts'
import {
  consolePage,
  isAdministrator,
  Live,
  mayAct,
  Panel,
  Table,
  type ConsoleRequest,
  nothingHere,
} from './layout.tsx'
import { nameOf, REASON, when, whoIs } from './format.ts'
import { beforeOf, cursorOf, happened, HISTORY_CURSOR, HISTORY_ENTRIES, whyOf } from './history.ts'
import { instanceNames, sessionTimes } from './live-sessions.tsx'
import { untilOf } from './locks.tsx'
import { pageOf, Pages, placeOf } from './pages.tsx'
import { linkOf, sessionLink } from './links.ts'
import { SessionState } from './sessions.tsx'

/**
 * One user: who they are, whether they are locked, where they are signed in, and what happened
 * before. Revoking and locking begin here.
 */

const MOST_LOCKS = 20

export async function userPage(request: ConsoleRequest, sub: string): Promise<Response> {
  const { deps, c, now } = request
  const user = sub.length > 200 ? undefined : await deps.store.findSubject(sub)
  if (user === undefined)
    return nothingHere(
      request,
      'The broker knows no user of that ID. Search for a name in the box above.',
      '/ops',
    )
  const place = placeOf(request, HISTORY_CURSOR, 'history_')
  const asked = c.req.query('session')
  const [live, locks, found, standing] = await Promise.all([
    deps.store.liveSessionsOf(sub, now),
    deps.store.listLocks({
      state: 'all',
      ...lockKey({ kind: 'user', tid: user.tid, oid: user.oid }),
      limit: MOST_LOCKS,
    }),
    deps.store.securityHistory({ sub, before: beforeOf(place.before), limit: HISTORY_ENTRIES + 1 }),
    asked === undefined ? undefined : deps.store.standingBySid(asked, now),
  ])
  const history = pageOf(found, HISTORY_ENTRIES, cursorOf)
  return consolePage(
    request,
    { title: whoIs({ user }), at: '/ops/sessions', live: true },
    <>
      <Live id="state">
        <LockNotice request={request} locks={locks} />
        {standing === undefined ? null : (
          <OneSession request={request} standing={standing} sub={sub} />
        )}
      </Live>
      <Who request={request} user={user} />
      <Live id="sessions">
        <Sessions request={request} live={live} user={user} />
      </Live>
      <Locks request={request} locks={locks} />
      <Panel title="Security history">
        <Table
          label="Security history"
          head={HISTORY_HEAD}
          rows={history.shown.map((one) => eventRow(request, one))}
          none="The broker has no entry about this user."
        />
        <Pages
          request={request}
          of="the security history"
          place={place}
          next={history.next}
          list="history_"
        />
      </Panel>
    </>,
  )
}

const Who = ({ request, user }: { request: ConsoleRequest; user: Subject }) => (
  <Panel>
    <Facts
      items={[
        ['Name', user.name],
        ['Username', user.username],
        ['Email', user.email],
        ['Tenant', user.tid],
        ['Object ID', user.oid],
        ['Subject (sub)', user.sub],
        ['Known since', when(user.createdAt * 1000, request.deps.clock.nowMs())],
      ]}
    />
    <div class="row">
      {isAdministrator(request) ? (
        <LinkButton
          href={linkOf('/ops/revoke', { kind: 'subject', value: user.sub })}
          kind="danger"
        >
          Revoke everything
        </LinkButton>
      ) : null}
      {mayAct(request) ? (
        <LinkButton href={linkOf('/ops/lock', { user: user.sub })} kind="quiet">
          Lock this user
        </LinkButton>
      ) : null}
      <a href={linkOf('/ops/revocations', { user: user.sub })}>Revocations of this user</a>
      <a href={linkOf('/ops/audit', { target: `subject ${user.sub}` })}>
        Exports and erasures in the audit log
      </a>
    </div>
  </Panel>
)

function LockNotice({ request, locks }: { request: ConsoleRequest; locks: readonly Lock[] }) {
  const open = locks.find(({ lifted }) => lifted === undefined)
  if (open === undefined) return null
  return (
    <Notice kind="warn" title="This user is locked.">
      <p>Until: {untilOf(open)}.</p>
      {isAdministrator(request) ? (
        <a href={linkOf('/ops/locks/lift', { id: open.id })}>Lift the lock</a>
      ) : null}
    </Notice>
  )
}

/** The session that a search led to, live or ended. */
function OneSession({
  request,
  standing,
  sub,
}: {
  request: ConsoleRequest
  standing: Standing
  sub: string
}) {
  if (standing.state === 'unknown' || standing.session.sub !== sub) return null
  const { session, state } = standing
  const nowMs = request.deps.clock.nowMs()
  const { ended } = session
  return (
    <Panel title="The session you searched for">
      <Facts
        items={[
          ['Session', <code>{session.sid}</code>],
          ['State', <SessionState state={state} />],
          ['Device', session.device],
          ['Signed in', when(session.openedAt * 1000, nowMs)],
          ['Last used', when(session.lastActiveAt * 1000, nowMs)],
          ['Ended', ended === undefined ? undefined : when(ended.at * 1000, nowMs)],
          ['Why', ended === undefined ? undefined : REASON[ended.reason]],
          [
            'Revocation',
            ended === undefined ? undefined : (
              <a href={`/ops/revocations/${ended.seq}`}>{ended.seq}</a>
            ),
          ],
        ]}
      />
    </Panel>
  )
}

type Found = { session: Session; participants: Participant[] }

function Sessions({
  request,
  live,
  user,
}: {
  request: ConsoleRequest
  live: readonly Found[]
  user: Subject
}) {
  const revoke = ({ sid, device }: Session): Child => (
    <a
      href={linkOf('/ops/revoke', { kind: 'session', value: sid })}
      aria-label={`Revoke this session of ${whoIs({ user })}, ${device}`}
    >
      Revoke
    </a>
  )
  return (
    <Panel title="Live sessions">
      <Table
        label="Live sessions"
        head={[
          'Device',
          'Signed in',
          'Last used',
          'Ends',
          'Instances',
          'Session',
          ...(isAdministrator(request) ? ['Revoke'] : []),
        ]}
        rows={live.map(({ session, participants }) => [
          <strong>{session.device}</strong>,
          ...sessionTimes(request.deps, session),
          when(session.absoluteAt * 1000, request.deps.clock.nowMs()),
          instanceNames(request.deps, participants),
          <code>{session.sid}</code>,
          ...(isAdministrator(request) ? [revoke(session)] : []),
        ])}
        none="This user is not signed in. Ended sessions are in the history below."
      />
    </Panel>
  )
}

const Locks = ({ request, locks }: { request: ConsoleRequest; locks: readonly Lock[] }) => {
  if (locks.length === 0) return null
  const nowMs = request.deps.clock.nowMs()
  return (
    <Panel title="Locks">
      <Table
        label="Locks of this user"
        head={['State', 'Since', 'Until', 'Lifted', 'Case', 'Comment']}
        rows={locks.map((one) => [
          <span class={one.lifted === undefined ? 'tag bad' : 'tag calm'}>
            {one.lifted === undefined ? 'locked' : 'lifted'}
          </span>,
          when(one.at * 1000, nowMs),
          untilOf(one),
          one.lifted === undefined ? '' : when(one.lifted.at * 1000, nowMs),
          one.caseReference ?? '',
          one.comment ?? '',
        ])}
        none=""
      />
    </Panel>
  )
}

const HISTORY_HEAD = ['When', 'What', 'Device', 'Instance', 'Why', 'Revocation']

/** Without the address: only its user sees it. */
const eventRow = (request: ConsoleRequest, one: SecurityEvent): Child[] => [
  when(one.at * 1000, request.deps.clock.nowMs()),
  happened(one),
  <>
    {one.device}
    {one.sid === undefined ? null : (
      <div class="small">
        <a href={sessionLink(one.sub, one.sid)}>{one.sid}</a>
      </div>
    )}
  </>,
  one.clientId === undefined ? '' : nameOf(request.deps, one.clientId),
  whyOf(one),
  one.seq === undefined ? '' : <a href={`/ops/revocations/${one.seq}`}>{one.seq}</a>,
]
