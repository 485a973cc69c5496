import type {
  Identified,
  NewSession,
  SignedIn,
  SignInFrom,
  SignInRejection,
  Tenant,
} from '../../../db/types.ts'
import type { Deps } from '../deps.ts'
import { OAuthError } from '../../protocol/error.ts'
import { lockKey } from '../../protocol/lock-target.ts'
import { ROLE } from '../../protocol/names.ts'
import { freshContextOf } from '../../protocol/mfa-proof.ts'
import { newId, newSid, newSub } from '../../runtime/ids.ts'
import { RAISES_FLOOR, type Reason } from '../../protocol/revocation.ts'
import { sessionRoles } from '../../protocol/tenant-administrators.ts'
import { requestRevocation } from '../../revocation/revoke.ts'
import {
  freshProof,
  isKnownDevice,
  type Proven,
  provenOf,
  type UserKey,
} from '../../session/browser.ts'
import { newSessionCookie } from '../../session/cookie.ts'
import { maxAuthenticationSeconds, sessionLimits } from '../../session/lifetimes.ts'
import { sealForSession } from '../../session/sealed.ts'
import { type Answer, rejection, used } from './answer.tsx'
import { codeForSession, consentMissing, newCode } from './code.ts'
import {
  type SignInDecision,
  decideSignIn,
  type NotAdmitted,
  notFresh,
} from './sign-in-decision.ts'
import { recordRejection } from './pages.tsx'
import { provenBy } from './proven.ts'
import { clientOf } from './request.ts'
import { type CallbackResult, clientIdOf, type UpstreamLogin } from './sealed.ts'
import { visitAgain } from './to-microsoft.ts'
import type { BrowserContext } from './browser-context.ts'

/** The proven identity, with the claims that tokens may have. */
interface Proved
  extends CallbackResult, Pick<Extract<SignInDecision, { admitted: true }>, 'acr' | 'amr'> {
  tenant: Tenant | undefined
}

interface SignInKind {
  /**
   * The user's answer on the page of the session limit: the sessions to end, and when Microsoft
   * identified the user. Undefined if the user was not asked yet.
   */
  limit?: { end: readonly string[]; identified: Identified }
  now: number
}

/**
 * Opens the session of an admitted user. Sends another user to Microsoft again or explains the
 * rejection.
 */
export async function signIn(
  deps: Deps,
  browser: BrowserContext,
  result: CallbackResult,
  tenant: Tenant | undefined,
  how: SignInKind,
): Promise<Answer> {
  const outcome = await judgeAndOpen(deps, browser, result, tenant, how)
  return 'admitted' in outcome ? notAdmitted(deps, browser, result, outcome, how) : outcome
}

/**
 * Judges the user by the current rules. Opens or renews the session and issues its code in one
 * transaction.
 */
async function judgeAndOpen(
  deps: Deps,
  browser: BrowserContext,
  result: CallbackResult,
  tenant: Tenant | undefined,
  { limit, now }: SignInKind,
): Promise<Answer | NotAdmitted> {
  const { visit, identity } = result
  const { purpose } = visit
  const judgement = await decideSignIn(deps, visit, identity, tenant, now)
  if (!judgement.admitted) return judgement
  const session = newSession(
    deps,
    browser,
    { ...result, tenant, acr: judgement.acr, amr: judgement.amr },
    now,
  )
  const { user } = session
  const proven = { seq: provenBy(visit, identity), context: visit.earlier?.context }
  const request = purpose.kind === 'instance' ? purpose.request : undefined
  const asks =
    request !== undefined &&
    (clientOf(deps, request).metadata.consentRequired || request.prompt.includes('consent'))
  const made = request === undefined || asks ? undefined : newCode(deps, request, now)
  const cookie = newSessionCookie(deps.random)
  const { most, whenFull } = deps.config.sessionRules
  const opened = await deps.store.signIn({
    session: { ...session, cookieHash: cookie.hash, browserHash: browser.hash() },
    code: made?.row,
    browserCookieHash: browser.sessionHash,
    from: signInFrom(browser, result),
    newDevice: !isKnownDevice(browser, user),
    ...freshProof(
      provenOf(browser, user, proven),
      freshContextOf(deps.config.freshContext, user.tid),
    ),
    limit: most === undefined ? undefined : { most, whenFull, end: limit?.end },
    ids: { sub: newSub(deps.random), sid: newSid(deps.random) },
    identified: limit?.identified,
    now,
  })
  const removed = (await deps.store.findTenant(user.tid))?.removedAt !== undefined
  if (opened.outcome === 'rejected')
    return removed
      ? { admitted: false, guidance: 'tenant_not_connected' }
      : notOpened(deps, result, opened)
  return afterOpening(
    deps,
    browser,
    { visit, proven, made, cookie: cookie.value, removed },
    opened,
    now,
  )
}

/**
 * Returns the answer for a session that was not opened: the choice of sessions to end, another
 * visit to Microsoft, or a rejection.
 */
function notOpened(
  deps: Deps,
  result: CallbackResult,
  opened: SignInRejection,
): Answer | NotAdmitted {
  if (opened.why === 'not_fresh')
    return notFresh(deps, result.visit, result.identity, opened.demand)
  if (opened.why !== 'session_limit') return { admitted: false, guidance: opened.why }
  deps.metrics.signIns.inc({ outcome: 'session_limit' })
  // Each form is used once, so it needs a new id.
  return {
    kind: 'session_limit',
    id: newId(deps.random),
    result,
    choose: opened.choose,
    among: opened.among,
    identified: opened.identified,
  }
}

/**
 * Returns the answer after the session opened: the page, the instance, or first the consent page.
 */
async function afterOpening(
  deps: Deps,
  browser: BrowserContext,
  {
    visit,
    proven,
    made,
    cookie,
    removed,
  }: {
    visit: UpstreamLogin
    proven: Proven
    made: { code: string } | undefined
    cookie: string
    removed: boolean
  },
  opened: SignedIn,
  now: number,
): Promise<Answer> {
  const { purpose } = visit
  const { user } = opened.session
  const { sub, sid } = opened.session
  if (removed) {
    // The tenant was removed after the judgement. Its revocation is older than this session and
    // does not cover it.
    await requestRevocation(deps, {
      selector: { kind: 'session', sid },
      reason: 'tenant_removed',
      actor: { kind: 'broker', id: 'signin' },
      now,
    })
    return { kind: 'guidance', about: { key: 'tenant_not_connected', purpose, attempt: visit.id } }
  }
  deps.signInWatch.succeeded(user.tid)
  const outcome = opened.renewed ? 'renewed' : 'opened'
  deps.metrics.signIns.inc({ outcome })
  deps.log.info('signed_in', {
    outcome,
    sub,
    sid,
    tid: user.tid,
    client_id: clientIdOf(purpose),
    from: browser.remote,
  })
  const signedIn = { cookie, session: opened.session, proven, shared: visit.shared === true }
  if (purpose.kind === 'own') return { kind: 'page_of_ours', to: purpose.returnTo, signedIn }
  const { request } = purpose
  if (made !== undefined)
    return { kind: 'instance', reply: request.reply, content: { code: made.code }, signedIn }
  const next = async (): Promise<Answer> => {
    // Consent is stored, so the user is asked again only if the instance demands it.
    if (await consentMissing(deps, clientOf(deps, request), request, sub))
      return { kind: 'consent', request, sid }
    return (
      (await codeForSession(deps, request, sid, now))?.answer ?? used(deps, browser, visit, now)
    )
  }
  return { kind: 'go_on', next, signedIn }
}

function newSession(
  deps: Deps,
  { device }: BrowserContext,
  { visit, identity, tenant, acr, amr }: Proved,
  now: number,
): Omit<NewSession, 'cookieHash'> {
  const { user } = identity
  const staySignedIn = visit.shared ? false : identity.staySignedIn
  const limits = sessionLimits(
    deps.config,
    tenant,
    staySignedIn,
    visit.shared ? deps.config.sessionRules.sharedIdleSeconds : undefined,
  )
  return {
    user,
    // 0: Microsoft sent no auth_time. The token's `iat` is not the time of a sign-in.
    authTime: identity.authTime ?? 0,
    visitStartedAt: visit.startedAt,
    idleSeconds: limits.idleSeconds,
    absoluteAt: Math.min(
      now + limits.absoluteSeconds,
      (identity.authTime ?? now) + (maxAuthenticationSeconds(deps.config, tenant) ?? Infinity),
    ),
    acr,
    amr,
    roles: sessionRoles(identity, tenant?.administrators),
    staySignedIn: staySignedIn === true,
    shared: visit.shared === true,
    microsoftSid: identity.sid,
    loginHintSealed:
      identity.loginHint === undefined
        ? undefined
        : sealForSession(deps.sealer, 'login_hint', user, identity.loginHint),
    microsoftCacheSealed: sealForSession(deps.sealer, 'microsoft_cache', user, identity.cache),
    device,
  }
}

/**
 * Returns the answer for a user who is not admitted: another visit, a page, or an error to the
 * instance.
 */
async function notAdmitted(
  deps: Deps,
  browser: BrowserContext,
  result: CallbackResult,
  judgement: NotAdmitted,
  { limit, now }: SignInKind,
): Promise<Answer> {
  const { visit, identity } = result
  const { purpose } = visit
  if ('demand' in judgement) {
    // The CSP of a form does not allow a redirect to Microsoft, so the user starts again.
    if (limit !== undefined) return { kind: 'again', purpose }
    const loginHint = identity.loginHint ?? identity.user.username
    const next = await visitAgain(
      deps,
      browser,
      visit,
      judgement.demand,
      { ...judgement.ask, loginHint },
      now,
    )
    const enters = judgement.demand === 'fresh' || judgement.demand === 'fresh_context'
    return next.kind === 'microsoft' && enters
      ? { kind: 'once_more', url: next.url, ended: await remoteEnd(deps, browser, identity.user) }
      : next
  }
  const why = 'guidance' in judgement ? judgement.guidance : 'mfa_not_proved'
  deps.signInWatch.failed(identity.user, why)
  const about = { key: why, purpose, attempt: visit.id, user: identity.user }
  if ('error' in judgement && purpose.kind === 'instance') {
    await recordRejection(deps, browser, about, now)
    deps.metrics.signIns.inc({ outcome: judgement.error.code })
    return { kind: 'instance', reply: purpose.request.reply, content: judgement.error }
  }
  const lock = await lockOfOperator(deps, result, why)
  if (lock === undefined || purpose.kind !== 'instance') return rejection(deps, about)
  await recordRejection(deps, browser, about, now)
  deps.metrics.signIns.inc({ outcome: why })
  const content = new OAuthError('access_denied', lock)
  return { kind: 'instance', reply: purpose.request.reply, content }
}

const OPERATORS: readonly string[] = [ROLE.auditor, ROLE.operator, ROLE.administrator]

/**
 * Returns the id of the lock of an operator, or of their tenant, who signs in to the console, which
 * then says who locked them. Undefined for other users, who learn only that they are locked.
 */
async function lockOfOperator(
  { store, clients, connection }: Pick<Deps, 'store' | 'clients' | 'connection'>,
  { identity: { user, roles }, visit: { purpose } }: CallbackResult,
  why: string,
): Promise<string | undefined> {
  const isConsole =
    purpose.kind === 'instance' && clients.find(purpose.request.clientId)?.source === 'broker'
  const isOperator =
    user.tid === connection.current().operatorTenant &&
    roles.some((role) => OPERATORS.includes(role))
  const kind = why === 'user_locked' ? 'user' : 'tenant'
  if (!isConsole || !isOperator || why !== `${kind}_locked`) return undefined
  const which = lockKey({ kind, tid: user.tid, oid: user.oid })
  return (await store.listLocks({ state: 'open', ...which, limit: 1 }))[0]?.id
}

/** Returns the latest end of a session of the user for which this browser has no fresh sign-in. */
async function remoteEnd({ store }: Pick<Deps, 'store'>, browser: BrowserContext, user: UserKey) {
  const proven = provenOf(browser, user).seq
  const subject = await store.findSubjectByUser(user.tid, user.oid)
  const events =
    subject === undefined ? [] : await store.securityHistory({ sub: subject.sub, limit: 20 })
  return events
    .filter(
      ({ kind, seq = 0, why }) =>
        kind === 'ended' && seq > proven && RAISES_FLOOR[why as Reason] !== false,
    )
    .toSorted((a, b) => (b.seq ?? 0) - (a.seq ?? 0))[0]
}

/** Returns where a sign-in came from, for the security history. */
const signInFrom = (
  { address }: BrowserContext,
  { visit: { purpose } }: CallbackResult,
): SignInFrom => ({
  address,
  clientId: clientIdOf(purpose),
})
