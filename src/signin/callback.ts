import type { Context } from 'hono'
import type { NewSession, SignInFrom } from '../../db/store.ts'
import type { Session, Tenant } from '../../db/types.ts'
import type { Deps } from '../deps.ts'
import { answerOfCallback, refusalOf } from '../microsoft/aadsts.ts'
import { type MicrosoftIdentity, MicrosoftRefusal } from '../microsoft/interface.ts'
import { CLOCK_RETRY_SECONDS } from '../protocol/clock-watch.ts'
import { sha256 } from '../protocol/compare.ts'
import { newSid, newSub } from '../protocol/ids.ts'
import { type Params, tryParams } from '../protocol/params.ts'
import { revoke } from '../revocation/revoke.ts'
import { accountChosen } from '../session/chooser.ts'
import { addressOf } from '../session/address.ts'
import { newSessionCookie, sessionCookieHash, setSessionCookie } from '../session/cookie.ts'
import { deviceName } from '../session/device.ts'
import { knownUser, rememberUser } from '../session/known-user.ts'
import { maxAuthenticationSeconds, sessionLimits } from '../session/limits.ts'
import { remoteOf } from '../client/remote.ts'
import { sealForSession } from '../session/sealed.ts'
import { codeForSession, newCode } from './code.ts'
import { consentMissing, toConsent } from './consent.tsx'
import { type Judgement, judge } from './judge.ts'
import { guidancePage, stalePage } from './pages.tsx'
import { answerInstance } from './reply.tsx'
import { clientOf, type SignInRequest } from './request.ts'
import { open, type Visit } from './sealed.ts'
import { visitAgain } from './to-microsoft.ts'

/** Back from Microsoft: the visit is ours, of this browser, and used once; what it brought is judged; a session opens and its code is issued in one transaction. */
export async function callback(deps: Deps, c: Context, now: number): Promise<Response> {
  const params = tryParams(new URL(c.req.url).searchParams)
  const opened = open(deps, c, 'visit', params?.get('state'), now)
  if ((opened.how === 'good' || opened.how === 'late') && deps.clockWatch.disagrees()) return clockIsWrong(deps, c, opened.value.errand, now)
  if (opened.how !== 'good') return stalePage(deps, c, opened.how, opened.how === 'foreign' ? undefined : opened.value.errand, now)
  const visit = opened.value
  // Consumed before the code is redeemed: of two callbacks at once one goes on.
  const first = await deps.store.consumeOnce({ purpose: 'microsoft-visit', idHash: sha256(visit.id), expiresAt: opened.until + 60, now })
  if (!first || params === undefined) return stalePage(deps, c, 'used', visit.errand, now)
  try {
    const identity = await identify(deps, visit, params, now)
    const tenant = await deps.store.findTenant(identity.user.tid)
    return await follow(deps, c, visit, identity, tenant, await judge(deps, visit, identity, tenant, now), now)
  } catch (error) {
    // What it would do to sessions is not done: who was refused at Microsoft's pages is nobody we know.
    if (error instanceof MicrosoftRefusal) return rejected(deps, c, visit, error, { now, brought: bringsError(params) })
    throw error
  }
}

/** A session would get wrong times, and a fresh sign-in might look old. Nothing is consumed: the same address works once the clocks agree. */
function clockIsWrong(deps: Deps, c: Context, errand: Visit['errand'], now: number): Response {
  deps.metrics.signIns.inc({ outcome: 'clock_wrong' })
  return guidancePage(deps, c, { key: 'clock_wrong', errand, now, retryAfterSeconds: CLOCK_RETRY_SECONDS })
}

/** The answer is in the query itself, which Microsoft does not sign. */
const bringsError = (params: Params): boolean => params.has('error') || !params.has('code')

/** @throws MicrosoftRefusal */
async function identify(deps: Deps, visit: Visit, params: Params, now: number): Promise<MicrosoftIdentity> {
  const code = params.get('code')
  if (bringsError(params) || code === undefined) throw refusalOf(answerOfCallback(params))
  return deps.microsoft.redeemCode({ code, codeVerifier: visit.verifier, nonce: visit.nonce, tid: visit.tid, now })
}

function rejected(
  deps: Deps,
  c: Context,
  visit: Visit,
  error: MicrosoftRefusal,
  { now, brought }: { now: number; brought: boolean },
): Response | Promise<Response> {
  // Microsoft says itself what it wants; asked for it once, not for ever.
  if (error.claims !== undefined && !visit.again) return visitAgain(deps, c, visit, { claims: error.claims }, now)
  const who = knownUser(deps, c, now)
  if (who !== undefined) deps.signInWatch.failed(who, error.guidance)
  // What a browser brings is not Microsoft's word: operators are not paged by it.
  const counter = brought ? deps.metrics.callbackErrors : deps.metrics.signIns
  counter.inc({ outcome: error.guidance })
  return guidancePage(deps, c, {
    key: error.guidance,
    errand: visit.errand,
    now,
    code: error.code,
    cause: error.cause ?? error,
    retryAfterSeconds: error.retryAfterSeconds,
  })
}

async function follow(
  deps: Deps,
  c: Context,
  visit: Visit,
  identity: MicrosoftIdentity,
  tenant: Tenant | undefined,
  judgement: Judgement,
  now: number,
): Promise<Response> {
  const { errand } = visit
  if (judgement.admitted) return openSession(deps, c, visit, { identity, tenant, acr: judgement.acr, amr: judgement.amr }, now)
  if ('askAgain' in judgement)
    return visitAgain(deps, c, visit, { ...judgement.askAgain, loginHint: identity.loginHint ?? identity.user.username }, now)
  const why = 'guidance' in judgement ? judgement.guidance : 'mfa_not_proved'
  deps.signInWatch.failed(identity.user, why)
  const device = deviceName(c.req.header('user-agent'))
  await deps.store.recordRejectedSignIn({ user: identity.user, why, device, from: signInFrom(deps, c, errand), now })
  if ('tell' in judgement && errand.kind === 'instance') {
    deps.metrics.signIns.inc({ outcome: judgement.tell.code })
    return answerInstance(deps, c, errand.request.reply, judgement.tell)
  }
  deps.metrics.signIns.inc({ outcome: why })
  return guidancePage(deps, c, { key: why, errand, now })
}

/** What the security history says of where a sign-in came from. */
const signInFrom = (deps: Pick<Deps, 'config'>, c: Context, errand: Visit['errand']): SignInFrom => ({
  address: addressOf(deps, c),
  clientId: errand.kind === 'instance' ? errand.request.clientId : undefined,
})

interface Proved {
  identity: MicrosoftIdentity
  tenant: Tenant | undefined
  acr: string | undefined
  amr: string[] | undefined
}

async function openSession(deps: Deps, c: Context, { errand }: Visit, proved: Proved, now: number): Promise<Response> {
  const request = errand.kind === 'instance' ? errand.request : undefined
  const asks = request !== undefined && (clientOf(deps, request).metadata.consentRequired || request.prompt.includes('consent'))
  const made = request === undefined || asks ? undefined : newCode(deps.random, request, now)
  const cookie = newSessionCookie(deps.random)
  const { session, renewed } = await deps.store.signIn({
    session: newSession(deps, c, proved, cookie.hash, now),
    code: made?.row,
    browserCookieHash: sessionCookieHash(c),
    from: signInFrom(deps, c, errand),
    ids: { sub: newSub(deps.random), sid: newSid(deps.random) },
    now,
  })
  // Removed since it was judged: the revocation came before this session and does not cover it.
  if ((await deps.store.findTenant(session.user.tid))?.removedAt !== undefined) return tooLate(deps, c, session, errand, now)
  deps.signInWatch.succeeded(session.user.tid)
  rememberUser(deps, c, session.user, now)
  setSessionCookie(c, cookie.value, session.staySignedIn ? { staySignedInUntil: session.absoluteAt } : {})
  accountChosen(c)
  const outcome = renewed ? 'renewed' : 'opened'
  deps.metrics.signIns.inc({ outcome })
  deps.log.info('signed_in', {
    outcome,
    sub: session.sub,
    sid: session.sid,
    tid: session.user.tid,
    client_id: request?.clientId,
    from: remoteOf(c, deps.config),
  })
  if (errand.kind === 'own') return c.redirect(errand.returnTo, 303)
  if (made !== undefined) return answerInstance(deps, c, errand.request.reply, { code: made.code })
  return afterConsent(deps, c, errand.request, session, now)
}

async function tooLate(deps: Deps, c: Context, { sid }: Session, errand: Visit['errand'], now: number): Promise<Response> {
  await revoke(deps, { selector: { kind: 'session', sid }, reason: 'tenant_removed', actor: { kind: 'broker', id: 'signin' }, now })
  return guidancePage(deps, c, { key: 'tenant_not_connected', errand, now })
}

function newSession(deps: Deps, c: Context, { identity, tenant, acr, amr }: Proved, cookieHash: string, now: number): NewSession {
  const { user } = identity
  const limits = sessionLimits(deps.config, tenant, identity.staySignedIn)
  return {
    user,
    // 0: Microsoft did not say. The time of the token is no time of a sign-in.
    authTime: identity.authTime ?? 0,
    idleSeconds: limits.idleSeconds,
    absoluteAt: Math.min(now + limits.absoluteSeconds, (identity.authTime ?? now) + (maxAuthenticationSeconds(deps.config, tenant) ?? Infinity)),
    acr,
    amr,
    roles: identity.roles,
    staySignedIn: identity.staySignedIn === true,
    microsoftSid: identity.sid,
    loginHintSealed: identity.loginHint === undefined ? undefined : sealForSession(deps.sealer, 'login_hint', user, identity.loginHint),
    microsoftCacheSealed: sealForSession(deps.sealer, 'microsoft_cache', user, identity.cache),
    device: deviceName(c.req.header('user-agent')),
    cookieHash,
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
  return (await codeForSession(deps, c, request, sid, now)) ?? stalePage(deps, c, 'used', { kind: 'instance', request }, now)
}
