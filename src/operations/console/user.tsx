import type { Child } from 'hono/jsx'
import type { Lock, SecurityEvent, Session, SessionStatus, Subject } from '../../../db/types.ts'
import { whyNotLocked } from '../contract/locks.ts'
import { tenantName } from '../acts/names.ts'
import { reportId } from '../acts/reports.ts'
import { sessionIn, userIn } from '../acts/scope.ts'
import { Facts, LinkButton, Notice } from '../../pages/components.tsx'
import { lockKey } from '../../protocol/lock-target.ts'
import { consolePage, Done, Live, nothingHere, Panel, revocationLink } from './layout.tsx'
import { calledBy, everywhere, mayRead, nameOf, onlyAt, whoIs } from './format.ts'
import { END_SESSION } from './texts/acts.ts'
import { listOf, ms, timeColumn } from './list.tsx'
import { lockList, lockResult, lockWords, ofOperator } from './locks.tsx'
import { pageOf, placeOf } from './pages.tsx'
import { doneWords, REPORT_RESULT, ReportDone } from './reports.tsx'
import { EVENT, REASON, REJECTED } from './texts/reasons.ts'
import {
  type Found,
  NetworksHidden,
  sessionColumns,
  sessionFacts,
  SessionState,
} from './sessions.tsx'
import {
  queryParam,
  type ConsoleRequest,
  isAdministrator,
  isOperator,
  linkOf,
  mayAct,
  type Mounted,
  pageLink,
  sessionLink,
} from './request.ts'
import { USER } from './texts/user.ts'
import { timeAt } from './time.tsx'

/**
 * The page of one user: identity, locks, live sessions and security history. Revoking and locking
 * begin here.
 */

const MOST_LOCKS = 20
/** The results of acts that return to this page, by the name in the address. */
const RESULTS = { ...REPORT_RESULT, yes: USER.signedOut, before: USER.signedOutBefore }
const HISTORY = 30
/** Reads the cursor of a page of the history: time and id of its last entry. */
function historyPlace(text: string): { at: number; id: string } | undefined {
  const [, at, id] = /^(\d{1,12})\.([\w-]{1,60})$/.exec(text) ?? []
  return at === undefined || id === undefined ? undefined : { at: Number(at), id }
}

async function userPage(request: ConsoleRequest): Promise<Response> {
  const { deps, c, now, viewer } = request
  const { actor } = viewer.caller
  const user = await userIn(deps, actor, c.req.param('sub') ?? '')
  if (user === undefined) return nothingHere(request, USER.unknown, '')
  const { sub, tid, oid } = user
  const sid = queryParam(request, 'session')
  const [live, locks, looked, history, whyNot] = await Promise.all([
    deps.store.liveSessionsOf(sub, now),
    deps.store.listLocks({
      state: 'all',
      ...lockKey({ kind: 'user', tid, oid }),
      limit: MOST_LOCKS,
    }),
    sid === undefined ? undefined : sessionIn(deps, actor, sid, now),
    historyOf(request, user),
    mayAct(request)
      ? whyNotLocked(deps, viewer.caller, { kind: 'user', tid, oid }, now)
      : undefined,
  ])
  return consolePage(
    request,
    { title: whoIs({ user }), at: '/users', live: true },
    <>
      <Done request={request} results={RESULTS} />
      {await lockResult(request)}
      <Live id="state">
        {await lockNotice(request, locks)}
        {looked?.session.sub === sub ? await oneSession(request, looked) : null}
      </Live>
      <Who
        request={request}
        user={user}
        tenant={await tenantName(deps, tid)}
        whyNot={whyNot}
        isLocked={locks.some(({ lifted }) => lifted === undefined)}
      />
      <NetworksHidden request={request} />
      <Live id="sessions">{await sessionsPanel(request, live)}</Live>
      {locks.length === 0 ? null : (
        <Panel title="Locks">{await lockList(request, USER.locks, locks)}</Panel>
      )}
      <Panel title="Security history">{history}</Panel>
    </>,
  )
}

const Who = ({
  request,
  user,
  tenant,
  isLocked,
  whyNot,
}: {
  request: ConsoleRequest
  user: Subject
  tenant: string
  isLocked: boolean
  /** The reason why the reader must not lock the user. */
  whyNot: string | undefined
}) => (
  <Panel>
    <Facts
      items={[
        ['Name', user.name],
        ['Username', user.username],
        ['Email', user.email],
        ['Tenant', isOperator(request) ? tenant : undefined],
        ['Tenant ID', isOperator(request) && tenant !== user.tid ? user.tid : undefined],
        ['Object ID', user.oid],
        ['Subject (sub)', user.sub],
        ['Known since', timeAt(request, user.createdAt)],
      ]}
    />
    <div class="row">
      {isAdministrator(request) ? (
        <LinkButton
          href={pageLink(request, '/revoke', { kind: 'subject', value: user.sub })}
          kind="danger"
        >
          {everywhere(user)}
        </LinkButton>
      ) : null}
      {mayAct(request) && !isLocked && whyNot === undefined ? (
        <LinkButton href={pageLink(request, '/lock', { user: user.sub })} kind="quiet">
          Lock {calledBy(user)}
        </LinkButton>
      ) : null}
      <a href={pageLink(request, '/revocations', { user: user.sub })}>{USER.revocations}</a>
      {isOperator(request) ? (
        <a href={linkOf('/ops/audit', { target: user.sub })}>{USER.audit}</a>
      ) : null}
    </div>
    {whyNot === undefined || isLocked ? null : <p class="soft">{whyNot}</p>}
  </Panel>
)

async function lockNotice(request: ConsoleRequest, locks: readonly Lock[]): Promise<Child> {
  const open = locks.find(({ lifted }) => lifted === undefined)
  if (open === undefined) return null
  const mayLift = isAdministrator(request) && (await mayRead(request, open))
  return (
    <Notice kind="warn" title={USER.locked}>
      <p>{await lockWords(request, open)}</p>
      {await ofOperator(request, [open])}
      {mayLift ? (
        <a href={pageLink(request, '/locks/lift', { id: open.id })}>Lift the lock</a>
      ) : null}
    </Notice>
  )
}

/** Renders one session, live or ended, with the acts that end it or one instance's part of it. */
async function oneSession(
  request: ConsoleRequest,
  { session, state }: { session: Session; state: SessionStatus['state'] },
): Promise<Child> {
  const { deps } = request
  const { sid, ended } = session
  const participants = await deps.store.participants(sid)
  const mayEnd = isAdministrator(request) && state !== 'ended'
  return (
    <Panel title="This session">
      <Facts
        items={[
          ['State', <SessionState state={state} />],
          ...(await sessionFacts(request, session)),
          ['Ended', timeAt(request, ended?.at)],
          ['Why', ended === undefined ? undefined : REASON[ended.reason]],
          [
            'Revocation',
            // Its number counts the revocations of every tenant.
            ended === undefined || !isOperator(request) ? undefined : revocationLink(ended.seq),
          ],
        ]}
      />
      {mayEnd ? (
        <div class="row">
          <LinkButton
            href={pageLink(request, '/revoke', { kind: 'session', value: sid })}
            kind="danger"
          >
            {END_SESSION}
          </LinkButton>
          {isOperator(request)
            ? participants.map(({ clientId: client }) => (
                <LinkButton
                  href={linkOf('/ops/revoke', { kind: 'grant', value: sid, client })}
                  kind="quiet"
                >
                  {onlyAt(deps, client)}
                </LinkButton>
              ))
            : null}
        </div>
      ) : null}
    </Panel>
  )
}

const sessionsPanel = async (request: ConsoleRequest, live: readonly Found[]): Promise<Child> => (
  <Panel title="Live sessions">
    {await listOf<Found>(request, {
      label: 'Live sessions',
      columns: [
        ...sessionColumns(request),
        ['Session', ({ session }) => <code>{session.sid}</code>],
      ],
      entries: live,
      none: USER.notSignedIn,
    })}
  </Panel>
)

const happened = ({ kind, clientId }: SecurityEvent): string =>
  kind === 'ended' && clientId !== undefined ? USER.outOfOne : EVENT[kind]

/** Says of a report that it is done, or offers to mark it. */
async function reportState(
  request: ConsoleRequest,
  event: SecurityEvent,
  user: Subject,
): Promise<Child> {
  if (event.kind !== 'reported') return null
  if (event.doneAt !== undefined)
    return <div class="small">Done {await doneWords(request, event)}</div>
  return mayAct(request) ? (
    <ReportDone request={request} id={reportId(event)} of={calledBy(user)} />
  ) : null
}

const WHY: Readonly<Record<string, string>> = { ...REASON, ...REJECTED }
const whyOf = ({ why = '' }: SecurityEvent): string => WHY[why] ?? why

/**
 * Renders a page of the user's security history, without the network address that only the user
 * sees.
 */
async function historyOf(request: ConsoleRequest, user: Subject): Promise<Child> {
  const { sub } = user
  const { deps } = request
  const place = placeOf(request, historyPlace, 'history_')
  const found = await deps.store.securityHistory({
    sub,
    before: place.from,
    limit: HISTORY + 1,
  })
  const { shown, next } = pageOf(found, HISTORY, (last) => `${last.at}.${last.id}`)
  return listOf<SecurityEvent>(request, {
    label: 'Security history',
    columns: [
      timeColumn(request, 'When', ({ at }) => ms(at)),
      [
        'What',
        async (event) => (
          <>
            {happened(event)}
            {await reportState(request, event, user)}
          </>
        ),
      ],
      [
        'Device',
        (event) => (
          <>
            {event.device}
            {event.sid === undefined ? null : (
              <div class="small">
                <a href={sessionLink(request, event.sub, event.sid)}>{event.sid}</a>
              </div>
            )}
          </>
        ),
      ],
      ['Instance', ({ clientId }) => (clientId === undefined ? '' : nameOf(deps, clientId))],
      ['Why', whyOf],
      isOperator(request) && [
        'Revocation',
        ({ seq }) => (seq === undefined ? '' : revocationLink(seq)),
      ],
    ],
    entries: shown,
    none: USER.noHistory,
    pages: { place, next, list: 'history_' },
  })
}

export const userRoutes: readonly Mounted[] = [
  { path: '/users/:sub', tenant: true, page: userPage },
]
