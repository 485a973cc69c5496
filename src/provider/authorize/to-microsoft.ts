import type { Session, User } from '../../../db/types.ts'
import type { Deps } from '../deps.ts'
import { MicrosoftRejection, type StartSignIn } from '../../microsoft/interface.ts'
import { contextFor, freshContextOf } from '../../protocol/mfa-proof.ts'
import { sha256 } from '../../runtime/compare.ts'
import { newId, newSecret } from '../../runtime/ids.ts'
import { currentStatus, liveSession, endedElsewhere } from '../../session/current.ts'
import { freshProof, isKnownDevice, provenOf } from '../../session/browser.ts'
import { lowest } from '../../session/lifetimes.ts'
import { openFromSession } from '../../session/sealed.ts'
import { type Answer, rejection } from './answer.tsx'
import { authenticationLimit } from './sign-in-decision.ts'
import { mfaPolicy } from './mfa.ts'
import { clientOf } from './request.ts'
import { type Demand, seal, type SignInPurpose, type UpstreamLogin } from './sealed.ts'
import { wantsFresh } from './session-serves.ts'
import type { BrowserContext } from './browser-context.ts'

/** Sends the browser to Microsoft. `state` holds, sealed, what the callback is checked against. */

type Ask = Pick<
  StartSignIn,
  'prompt' | 'loginHint' | 'maxAgeSeconds' | 'authContext' | 'claims' | 'tid'
>

interface Start {
  /** True if the user asked for the account chooser. */
  another: boolean
  /** True on a shared computer, where the user before may still be signed in at Microsoft. */
  shared: boolean
  /** The value of which the reference is made where the browser cannot be sent to Microsoft. */
  attempt: string
  now: number
}

/** Starts the first visit of a sign-in. */
export async function visitMicrosoft(
  deps: Deps,
  browser: BrowserContext,
  purpose: SignInPurpose,
  { another, shared, attempt, now }: Start,
): Promise<Answer> {
  const fresh = purpose.kind === 'instance' ? wantsFresh(purpose.request) : purpose.fresh === true
  // Asks at once for proof without which the sign-in would be rejected.
  const demanded = await demandedOf(deps, browser, purpose, now)
  // Another account may belong to another tenant.
  const context = another ? undefined : demanded.context
  const ask = await whatToAsk(deps, browser, purpose, now, {
    login: fresh || demanded.login || shared,
    another,
    context,
  })
  return leave(
    deps,
    browser,
    newVisit(deps, {
      purpose,
      startedAt: now,
      fresh,
      tid: ask.tid,
      authContext: ask.authContext,
      shared: shared || undefined,
    }),
    ask,
    { attempt, now },
  )
}

/**
 * Returns the proof that the user whom the request names, or else this browser's last user, must
 * bring. It only saves a visit: the store judges the user who returns.
 */
async function demandedOf(
  deps: Deps,
  browser: BrowserContext,
  purpose: SignInPurpose,
  now: number,
): Promise<{ login: boolean; context?: string | undefined }> {
  const sub = purpose.kind === 'instance' ? purpose.request.sub : undefined
  const named = sub === undefined ? undefined : await knownUser(deps, browser, sub, now)
  const user = named ?? browser.users[0]
  if (user !== undefined) {
    const context = freshContextOf(deps.config.freshContext, user.tid)
    const demand = await deps.store.needsFreshSignIn({
      user,
      ...freshProof(provenOf(browser, user), context),
      now,
    })
    if (demand !== undefined)
      return { login: true, context: demand === 'fresh_context' ? context : undefined }
  }
  return { login: endedElsewhere(await currentStatus(deps, browser.sessionHash, now)) }
}

/** Starts another visit, for missing proof. It skips the account chooser. */
export async function visitAgain(
  deps: Deps,
  browser: BrowserContext,
  visit: UpstreamLogin,
  demand: Demand,
  more: Ask,
  now: number,
): Promise<Answer> {
  const mustEnter = demand === 'fresh' || demand === 'fresh_context'
  const ask: Ask = {
    tid: visit.tid,
    authContext: visit.authContext,
    ...more,
    ...(mustEnter && { prompt: 'login' }),
  }
  const asked = [...(visit.asked ?? []), demand]
  const { tid, authContext } = ask
  return leave(deps, browser, newVisit(deps, { ...visit, tid, authContext, asked }), ask, {
    attempt: visit.id,
    now,
  })
}

const newVisit = (
  deps: Pick<Deps, 'random'>,
  about: Omit<UpstreamLogin, 'id' | 'nonce' | 'verifier'>,
): UpstreamLogin => ({
  ...about,
  id: newId(deps.random),
  nonce: newSecret(deps.random),
  verifier: newSecret(deps.random),
})

async function leave(
  deps: Deps,
  browser: BrowserContext,
  began: UpstreamLogin,
  ask: Ask,
  { attempt, now }: Pick<Start, 'attempt' | 'now'>,
): Promise<Answer> {
  // Read before the browser leaves, so that every later revocation has a higher seq.
  const visit =
    ask.prompt === 'login'
      ? { ...began, login: { at: now, seq: (await deps.store.head()).seq } }
      : began
  try {
    const codeChallenge = sha256(visit.verifier)
    const url = await deps.microsoft.authorizeUrl({
      ...ask,
      state: seal(deps, browser, 'visit', visit, now),
      nonce: visit.nonce,
      codeChallenge,
    })
    const [user] = browser.users
    if (user !== undefined) deps.signInWatch.began(user)
    return { kind: 'microsoft', url }
  } catch (error) {
    if (!(error instanceof MicrosoftRejection)) throw error
    return rejection(deps, {
      key: error.guidance,
      purpose: visit.purpose,
      attempt,
      code: error.code,
      cause: error.cause,
    })
  }
}

async function whatToAsk(
  deps: Deps,
  browser: BrowserContext,
  purpose: SignInPurpose,
  now: number,
  { login, another, context }: { login: boolean; another: boolean; context: string | undefined },
): Promise<Ask> {
  const tid = onlyTenant(deps, purpose)
  const request = purpose.kind === 'instance' ? purpose.request : undefined
  const expected = tid ?? (request?.acr && (await expectedTenant(deps, browser, now)))
  const tenant = expected === undefined ? undefined : await deps.store.findTenant(expected)
  const policy = mfaPolicy(deps.config, tenant)
  const authContext = context ?? contextFor(policy, request?.acr)
  // The user wants another account or has signed out, or the instance asks for the chooser. A hint
  // would suppress the chooser.
  const chooses =
    another || browser.choosesAccount || request?.prompt.includes('select_account') === true
  const loginHint = chooses ? undefined : await hintFor(deps, browser, purpose, now)
  const maxAgeSeconds = lowest(request?.maxAgeSeconds, authenticationLimit(deps, purpose, tenant))
  // Without an authentication context, only a new entry of credentials makes Entra ask for a second
  // factor.
  if (login || (request?.acr && authContext === undefined))
    return { prompt: 'login', loginHint, maxAgeSeconds, authContext, tid }
  return {
    ...(loginHint === undefined ? { prompt: 'select_account' } : { loginHint }),
    maxAgeSeconds,
    authContext,
    tid,
  }
}

/**
 * Returns the tenant whose authentication context a step-up asks for. It only saves a visit: the
 * user may have an account of another tenant.
 */
async function expectedTenant(
  deps: Deps,
  browser: BrowserContext,
  now: number,
): Promise<string | undefined> {
  const { tenants } = deps.connection.current()
  if (tenants.length === 1) return tenants[0]
  return liveSession(await currentStatus(deps, browser.sessionHash, now))?.user.tid
}

/** Returns the client's only tenant: its users get that tenant's sign-in page. */
function onlyTenant(deps: Pick<Deps, 'clients'>, purpose: SignInPurpose): string | undefined {
  const tenants =
    purpose.kind === 'instance' ? clientOf(deps, purpose.request).metadata.tenants : undefined
  return tenants?.length === 1 ? tenants[0] : undefined
}

/**
 * Returns the login hint: the instance's own, else the user that the request names, else for a
 * step-up the signed-in user.
 */
async function hintFor(
  deps: Deps,
  browser: BrowserContext,
  purpose: SignInPurpose,
  now: number,
): Promise<string | undefined> {
  if (purpose.kind === 'own')
    return purpose.fresh === true ? whoIsHere(deps, browser, now) : undefined
  const { request } = purpose
  if (request.loginHint !== undefined) return request.loginHint
  if (request.sub !== undefined) return (await knownUser(deps, browser, request.sub, now))?.username
  if (!wantsFresh(request) && !request.acr) return undefined
  return whoIsHere(deps, browser, now)
}

/**
 * Returns the user `sub` if they have signed in in this browser before. What is asked of Microsoft
 * shows in a URL and any site can forge a request, so other browsers must learn nothing of them.
 */
async function knownUser(
  deps: Deps,
  browser: BrowserContext,
  sub: string,
  now: number,
): Promise<User | undefined> {
  const status = await currentStatus(deps, browser.sessionHash, now)
  if (status.state !== 'unknown' && status.session.sub === sub) return status.session.user
  const user = await deps.store.findSubject(sub)
  return user !== undefined && isKnownDevice(browser, user) ? user : undefined
}

async function whoIsHere(
  deps: Deps,
  browser: BrowserContext,
  now: number,
): Promise<string | undefined> {
  const session = liveSession(await currentStatus(deps, browser.sessionHash, now))
  return session && hintOf(deps, session)
}

const hintOf = (
  deps: Pick<Deps, 'sealer'>,
  { user, loginHintSealed }: Session,
): string | undefined =>
  openFromSession(deps.sealer, 'login_hint', user, loginHintSealed) ?? user.username
