import type { Child } from 'hono/jsx'
import type { Lock, SecurityEvent, Session, Subject } from '../../../../db/types.ts'
import { sessionOf, userOf } from '../../acts/tenant.ts'
import { Button, Facts, LinkButton, Notice } from '../../../pages/components.tsx'
import { TextField } from '../../../pages/fields.tsx'
import { lockKey } from '../../../protocol/lock-target.ts'
import { Panel, Table, type Mounted } from '../layout.tsx'
import { nameOf, REASON, when, whoIs } from '../format.ts'
import { beforeOf, cursorOf, happened, HISTORY_CURSOR, HISTORY_ENTRIES, whyOf } from '../history.ts'
import { linkOf } from '../links.ts'
import { instanceNames, sessionTimes } from '../live-sessions.tsx'
import { pageOf, Pages, placeOf } from '../pages.tsx'
import { untilOf } from '../locks.tsx'
import { nothingOfTenant, tenantPage, type TenantRequest } from './layout.tsx'
import { asked, doneNotice, USERS, userPath } from './lists.tsx'

/** The users of one tenant, and one of them: sessions, locks and history. */

const MOST = 50

async function usersPage(request: TenantRequest): Promise<Response> {
  const { store } = request.deps
  const { tid } = request.administrator.actor
  const text = asked(request, 'q') ?? ''
  const { users, more } =
    text === '' ? { users: [], more: false } : await store.searchUsers({ text, tid, limit: MOST })
  return tenantPage(
    request,
    { title: 'Users', at: USERS },
    <>
      <Panel>
        <FindUser text={text} />
      </Panel>
      {text === '' ? null : (
        <Panel>
          <Table
            label="Users"
            head={['User', 'Object ID']}
            rows={users.map((user) => [
              <a href={userPath(user.sub)}>{whoIs({ user })}</a>,
              <span class="small">{user.oid}</span>,
            ])}
            none="No user of your tenant who has signed in here matches."
          />
          {more ? (
            <p class="soft">More users match than are shown. Add a word to the search.</p>
          ) : null}
        </Panel>
      )}
    </>,
  )
}

/** Also on the overview: most errands begin with a user. */
export const FindUser = ({ text }: { text?: string }) => (
  <form class="search" role="search" method="get" action={USERS}>
    <TextField
      name="q"
      label="User"
      value={text}
      maxlength={200}
      placeholder="Name, username or address"
      literal
    />
    <Button>Search</Button>
  </form>
)

export const NO_USER = 'Your tenant has no user of that ID here.'

async function userPage(request: TenantRequest, sub: string): Promise<Response> {
  const { deps, now, administrator } = request
  const user = await userOf(deps, administrator.actor, sub)
  if (user === undefined) return nothingOfTenant(request, NO_USER, USERS)
  const sid = asked(request, 'session')
  const place = placeOf(request, HISTORY_CURSOR)
  const [live, locks, found, looked] = await Promise.all([
    deps.store.liveSessionsOf(sub, now),
    deps.store.listLocks({
      state: 'all',
      ...lockKey({ kind: 'user', tid: user.tid, oid: user.oid }),
      limit: 20,
    }),
    deps.store.securityHistory({ sub, before: beforeOf(place.before), limit: HISTORY_ENTRIES + 1 }),
    sid === undefined ? undefined : sessionOf(deps, administrator.actor, sid, now),
  ])
  const history = pageOf(found, HISTORY_ENTRIES, cursorOf)
  return tenantPage(
    request,
    { title: user.name ?? whoIs({ user }), at: USERS },
    <>
      {doneNotice(request)}
      <LockNotice locks={locks} />
      {looked?.session.sub === sub ? <OneSession request={request} {...looked} /> : null}
      <Who request={request} user={user} />
      <Sessions request={request} sessions={live} user={user} />
      <Panel title="Security history">
        <Table
          label="Security history"
          head={HISTORY_HEAD}
          rows={history.shown.map((one) => eventRow(request, one))}
          none="The broker has no entry about this user."
        />
        <Pages request={request} of="the security history" place={place} next={history.next} />
      </Panel>
    </>,
  )
}

const LockNotice = ({ locks }: { locks: readonly Lock[] }) => {
  const open = locks.find(({ lifted }) => lifted === undefined)
  return open === undefined ? null : (
    <Notice kind="warn" title="This user is locked.">
      <p>
        Until: {untilOf(open)}. <a href="/tenant/locks">Locks of your tenant</a>
      </p>
    </Notice>
  )
}

const Who = ({ request, user }: { request: TenantRequest; user: Subject }) => (
  <Panel>
    <Facts
      items={[
        ['Name', user.name],
        ['Username', user.username],
        ['Email', user.email],
        ['Object ID', user.oid],
        ['Known since', when(user.createdAt * 1000, request.deps.clock.nowMs())],
      ]}
    />
    <div class="row">
      <LinkButton href={linkOf('/tenant/revoke', { user: user.sub })} kind="danger">
        Revoke everything
      </LinkButton>
      <LinkButton href={linkOf('/tenant/lock', { user: user.sub })} kind="quiet">
        Lock this user
      </LinkButton>
      <a href={linkOf('/tenant/revocations', { user: user.sub })}>Revocations of this user</a>
    </div>
  </Panel>
)

/** Live or ended. */
function OneSession({
  request,
  session,
  state,
}: {
  request: TenantRequest
  session: Session
  state: string
}) {
  const nowMs = request.deps.clock.nowMs()
  const { ended } = session
  return (
    <Panel title="Session">
      <Facts
        items={[
          ['Session', <code>{session.sid}</code>],
          ['State', state === 'ended' ? 'ended' : 'live'],
          ['Device', session.device],
          ['Signed in', when(session.openedAt * 1000, nowMs)],
          ['Ended', ended === undefined ? undefined : when(ended.at * 1000, nowMs)],
          ['Why', ended === undefined ? undefined : REASON[ended.reason]],
        ]}
      />
      {state === 'ended' ? null : (
        <div class="row">
          <LinkButton
            href={revokeLink(session)}
            kind="danger"
            label={`Revoke this session, ${session.device}`}
          >
            Revoke
          </LinkButton>
        </div>
      )}
    </Panel>
  )
}

type Found = Awaited<ReturnType<TenantRequest['deps']['store']['liveSessionsOf']>>

const Sessions = ({
  request,
  sessions,
  user,
}: {
  request: TenantRequest
  sessions: Found
  user: Subject
}) => (
  <Panel title="Live sessions">
    <Table
      label="Live sessions"
      head={['Device', 'Signed in', 'Last used', 'Ends', 'Instances', 'Revoke']}
      rows={sessions.map(({ session, participants }) => [
        <strong>{session.device}</strong>,
        ...sessionTimes(request.deps, session),
        when(session.absoluteAt * 1000, request.deps.clock.nowMs()),
        instanceNames(request.deps, participants),
        <RevokeLink session={session} whose={whoIs({ user })} />,
      ])}
      none="This user is not signed in. Ended sessions are in the history below."
    />
  </Panel>
)

const revokeLink = ({ sid }: Session): string => linkOf('/tenant/revoke', { session: sid })

export const RevokeLink = ({ session, whose }: { session: Session; whose: string }) => (
  <a href={revokeLink(session)} aria-label={`Revoke this session of ${whose}, ${session.device}`}>
    Revoke
  </a>
)

const HISTORY_HEAD = ['When', 'What', 'Device', 'Instance', 'Why']

/**
 * Without the address, which only its user sees, and without the number in the log: it would tell
 * how much happens in other tenants.
 */
const eventRow = ({ deps }: TenantRequest, one: SecurityEvent): Child[] => [
  when(one.at * 1000, deps.clock.nowMs()),
  happened(one),
  one.sid === undefined ? (
    one.device
  ) : (
    <a href={`${userPath(one.sub)}?session=${one.sid}`}>{one.device ?? one.sid}</a>
  ),
  one.clientId === undefined ? '' : nameOf(deps, one.clientId),
  whyOf(one),
]

export const userRoutes: readonly Mounted<TenantRequest>[] = [
  { path: USERS, page: usersPage },
  { path: `${USERS}/:sub`, page: (request) => userPage(request, request.c.req.param('sub') ?? '') },
]
