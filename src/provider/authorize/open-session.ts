import type { Context } from 'hono'
import type { NewSession, SignedIn } from '../../../db/store.ts'
import type { Session, Tenant } from '../../../db/types.ts'
import { remoteOf } from '../../runtime/remote-address.ts'
import type { Deps } from '../deps.ts'
import { freshContextOf } from '../../protocol/fresh-context.ts'
import { newId, newSid, newSub } from '../../runtime/ids.ts'
import { sessionRoles } from '../../protocol/tenant-administrators.ts'
import { revoke } from '../../revocation/revoke.ts'
import { accountChosen } from '../../clients/session/chooser.ts'
import { newSessionCookie, sessionCookieHash, setSessionCookie } from '../../clients/session/cookie.ts'
import { deviceName } from '../../clients/session/device.ts'
import { freshProof, keepProof, latest, type Proven, provenBefore } from '../../clients/session/fresh-proof.ts'
import { isKnownDevice, rememberUser } from '../../clients/session/known-user.ts'
import { maxAuthenticationSeconds, sessionLimits } from '../../clients/session/lifetimes.ts'
import { sealForSession } from '../../clients/session/sealed.ts'
import { keepSharedComputer } from '../../clients/session/shared-computer.ts'
import { codeForSession, newCode } from './code.ts'
import { consentMissing, toConsent } from './consent.tsx'
import { provenBy } from './fresh.ts'
import { judge, type NotAdmitted, notFresh } from './judge.ts'
import { signInFrom } from './not-admitted.ts'
import { guidancePage } from './pages.tsx'
import { answerInstance } from './reply.tsx'
import { clientOf, type SignInRequest } from './request.ts'
import { browserHash, type Came, type Visit } from './sealed.ts'
import { limitPage } from './session-limit-page.tsx'
import { usedPage } from './stale.tsx'

/** Opens or renews the session of a user who is admitted, with its code, in one transaction. What the store rejects is handed back. */

/** What Microsoft has proved, and what tokens may say of it. */
interface Proved extends Came {
  tenant: Tenant | undefined
  acr: string | undefined
  amr: string[] | undefined
}

interface How {
  /** Sessions that the user chose to end, where they have too many. */
  end?: readonly string[]
  now: number
  rejected: (why: NotAdmitted) => Response | Promise<Response>
}

/** Judges the user by the rules of now, and opens the session of one who is admitted. */
export async function signIn(deps: Deps, c: Context, came: Came & { tenant: Tenant | undefined }, how: How): Promise<Response> {
  const judgement = await judge(deps, came.visit, came.identity, came.tenant, how.now)
  if (!judgement.admitted) return how.rejected(judgement)
  return openSession(deps, c, { ...came, acr: judgement.acr, amr: judgement.amr }, how)
}

async function openSession(deps: Deps, c: Context, proved: Proved, { end, now, rejected }: How): Promise<Response> {
  const { visit, identity } = proved
  const { errand } = visit
  const session = newSession(deps, c, proved, now)
  const proven = { seq: provenBy(visit, identity), context: visit.earlier?.context }
  const request = errand.kind === 'instance' ? errand.request : undefined
  const asks = request !== undefined && (clientOf(deps, request).metadata.consentRequired || request.prompt.includes('consent'))
  const made = request === undefined || asks ? undefined : newCode(deps, request, now)
  const cookie = newSessionCookie(deps.random)
  const { most, whenFull } = deps.config.sessionRules
  const answer = await deps.store.signIn({
    session: { ...session, cookieHash: cookie.hash, browserHash: browserHash(deps, c) },
    code: made?.row,
    browserCookieHash: sessionCookieHash(c),
    ...where(deps, c, proved, now),
    ...freshProof(latest(provenBefore(deps, c, session.user), proven), freshContextOf(deps.config.freshContext, session.user.tid)),
    limit: most === undefined ? undefined : { most, whenFull, end },
    ids: { sub: newSub(deps.random), sid: newSid(deps.random) },
    now,
  })
  const removed = (await deps.store.findTenant(session.user.tid))?.removedAt !== undefined
  if (answer.outcome === 'rejected') {
    if (removed) return rejected({ admitted: false, guidance: 'tenant_not_connected' })
    if (answer.why === 'session_limit') return tooMany(deps, c, proved, answer, now)
    // A floor that was found on return leads on to Microsoft by itself.
    return rejected(answer.why === 'not_fresh' ? notFresh(deps, visit, identity, answer.demand) : { admitted: false, guidance: answer.why })
  }
  // Removed since it was judged: the revocation came before this session and does not cover it.
  if (removed) return tooLate(deps, c, answer.session, errand, now)
  setSessionCookie(c, cookie.value, answer.session.staySignedIn ? { staySignedInUntil: answer.session.absoluteAt } : {})
  keepInBrowser(deps, c, proved, proven, now)
  recordSignIn(deps, c, answer, request?.clientId)
  if (errand.kind === 'own') return c.redirect(errand.returnTo, 303)
  if (made !== undefined) return answerInstance(deps, c, errand.request.reply, { code: made.code })
  return afterConsent(deps, c, errand.request, answer.session, now)
}

/** Where the sign-in comes from, and whether the user has not used this browser yet. */
function where(deps: Deps, c: Context, { visit, identity }: Came, now: number) {
  const from = signInFrom(deps, c, visit.errand)
  if (isKnownDevice(deps, c, identity.user, now)) return { from }
  return { from, newDevice: true }
}

/** The sign-in waits for the user's choice, under a new id: each form is used once. */
function tooMany(deps: Deps, c: Context, { visit, identity }: Came, full: { choose: number; among: Session[] }, now: number): Response {
  deps.metrics.signIns.inc({ outcome: 'session_limit' })
  return limitPage(deps, c, { id: newId(deps.random), visit, identity }, full, now)
}

/** A shared computer keeps nothing of its users. */
function keepInBrowser(deps: Deps, c: Context, { visit: { shared }, identity: { user } }: Came, proven: Proven, now: number): void {
  keepSharedComputer(c, shared === true)
  if (shared) return
  keepProof(deps, c, user, proven)
  rememberUser(deps, c, user, now)
}

/** What the log and the metrics keep of it. */
function recordSignIn(deps: Deps, c: Context, { session, renewed }: SignedIn, clientId: string | undefined): void {
  const { sub, sid, user } = session
  deps.signInWatch.succeeded(user.tid)
  accountChosen(c)
  const outcome = renewed ? 'renewed' : 'opened'
  deps.metrics.signIns.inc({ outcome })
  deps.log.info('signed_in', { outcome, sub, sid, tid: user.tid, client_id: clientId, from: remoteOf(c, deps.config) })
}

async function tooLate(deps: Deps, c: Context, { sid }: Session, errand: Visit['errand'], now: number): Promise<Response> {
  await revoke(deps, { selector: { kind: 'session', sid }, reason: 'tenant_removed', actor: { kind: 'broker', id: 'signin' }, now })
  return guidancePage(deps, c, { key: 'tenant_not_connected', errand, now })
}

function newSession(deps: Deps, c: Context, { visit, identity, tenant, acr, amr }: Proved, now: number): Omit<NewSession, 'cookieHash'> {
  const { user } = identity
  const staySignedIn = visit.shared ? false : identity.staySignedIn
  const limits = sessionLimits(deps.config, tenant, staySignedIn, visit.shared ? deps.config.sessionRules.sharedIdleSeconds : undefined)
  return {
    user,
    // 0: Microsoft did not say. The time of the token is not a time of a sign-in.
    authTime: identity.authTime ?? 0,
    visitStartedAt: visit.startedAt,
    idleSeconds: limits.idleSeconds,
    absoluteAt: Math.min(now + limits.absoluteSeconds, (identity.authTime ?? now) + (maxAuthenticationSeconds(deps.config, tenant) ?? Infinity)),
    acr,
    amr,
    roles: sessionRoles(identity, tenant?.administrators),
    staySignedIn: staySignedIn === true,
    microsoftSid: identity.sid,
    loginHintSealed: identity.loginHint === undefined ? undefined : sealForSession(deps.sealer, 'login_hint', user, identity.loginHint),
    microsoftCacheSealed: sealForSession(deps.sealer, 'microsoft_cache', user, identity.cache),
    device: deviceName(c.req.header('user-agent')),
  }
}

/** Who agreed before is not asked again, unless the instance wants it. */
async function afterConsent(
  deps: Deps,
  c: Context,
  request: SignInRequest,
  { sub, sid }: { sub: string; sid: string },
  now: number,
): Promise<Response> {
  if (await consentMissing(deps, clientOf(deps, request), request, sub)) return toConsent(deps, c, request, sid, now)
  return (await codeForSession(deps, c, request, sid, now))?.response ?? usedPage(deps, c, { kind: 'instance', request }, now)
}
