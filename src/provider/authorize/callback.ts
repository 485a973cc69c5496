import type { Deps } from '../deps.ts'
import { answerOfCallback, rejectionOf } from '../../microsoft/aadsts.ts'
import { type MicrosoftIdentity, MicrosoftRejection } from '../../microsoft/interface.ts'
import { type Params, tryParams } from '../../protocol/params.ts'
import { sha256 } from '../../runtime/compare.ts'
import { type Answer, clockIsWrong, stale, used } from './answer.tsx'
import { answeredConsent } from './granting-consent.tsx'
import { signIn } from './open-session.ts'
import { withEarlier } from './proven.ts'
import { open, type UpstreamLogin } from './sealed.ts'
import { visitAgain } from './to-microsoft.ts'
import type { BrowserContext } from './browser-context.ts'

/**
 * Handles the return from Microsoft: checks that the visit belongs to this browser, consumes it,
 * and judges its result. One transaction opens the session and issues the code.
 */
export async function callback(
  deps: Deps,
  browser: BrowserContext,
  query: URLSearchParams,
  now: number,
): Promise<Answer> {
  const params = tryParams(query)
  // An administrator returns from Microsoft's page of consent, which the page for them links to.
  if (params?.has('admin_consent') && !params.has('code'))
    return { kind: 'page_of_ours', to: answeredConsent(deps, browser, params, now) }
  const opened = open(deps, browser, 'visit', params?.get('state'), now)
  if ((opened.how === 'good' || opened.how === 'late') && deps.clockWatch.disagrees())
    return clockIsWrong(deps, opened.value)
  if (opened.how !== 'good') return stale(opened, opened.value?.purpose)
  const visit = opened.value
  if (params === undefined || (await isUsed(deps, visit, params, opened.until)))
    return used(deps, browser, visit, now)
  let identity: MicrosoftIdentity
  try {
    identity = await identify(deps, visit, params, now)
  } catch (error) {
    // The user is not authenticated yet, so the rejection changes no session.
    if (error instanceof MicrosoftRejection)
      return rejected(deps, browser, visit, error, { now, inQuery: bringsError(params) })
    throw error
  }
  const tenant = await deps.store.findTenant(identity.user.tid)
  return signIn(deps, browser, withEarlier(deps.config, visit, identity, tenant), tenant, { now })
}

/**
 * Returns whether the visit was used, and consumes it before its code is redeemed, so that only one
 * of two callbacks goes on. Without a code no session can open, so nothing is consumed.
 */
async function isUsed(
  { store }: Deps,
  { id }: UpstreamLogin,
  params: Params,
  until: number,
): Promise<boolean> {
  const once = { purpose: 'microsoft-visit', idHash: sha256(id) }
  return bringsError(params)
    ? store.wasConsumed(once)
    : !(await store.consumeOnce({ ...once, expiresAt: until + 60 }))
}

/** Returns whether the query itself has the result. Microsoft does not sign the query. */
const bringsError = (params: Params): boolean => params.has('error') || !params.has('code')

/** Redeems Microsoft's code for an identity. @throws MicrosoftRejection */
async function identify(
  deps: Deps,
  visit: UpstreamLogin,
  params: Params,
  now: number,
): Promise<MicrosoftIdentity> {
  const code = params.get('code')
  if (bringsError(params) || code === undefined) throw rejectionOf(answerOfCallback(params))
  return deps.microsoft.redeemCode({
    code,
    codeVerifier: visit.verifier,
    nonce: visit.nonce,
    tid: visit.tid,
    now,
  })
}

function rejected(
  deps: Deps,
  browser: BrowserContext,
  visit: UpstreamLogin,
  error: MicrosoftRejection,
  { now, inQuery }: { now: number; inQuery: boolean },
): Answer | Promise<Answer> {
  // Microsoft demands these claims. The broker repeats the visit for them once.
  if (error.claims !== undefined && !visit.asked?.includes('challenge'))
    return visitAgain(deps, browser, visit, 'challenge', { claims: error.claims }, now)
  const [user] = browser.users
  if (user !== undefined) deps.signInWatch.failed(user, error.guidance)
  // Anyone can forge an error in the query, so it has its own counter and pages no operator.
  const counter = inQuery ? deps.metrics.callbackErrors : deps.metrics.signIns
  counter.inc({ outcome: error.guidance })
  const { code, guidance: key, cause = error, retryAfterSeconds } = error
  return {
    kind: 'guidance',
    about: { key, purpose: visit.purpose, attempt: visit.id, code, cause, retryAfterSeconds },
  }
}
