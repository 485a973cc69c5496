import type { FreshDemand, RejectedFor, Tenant } from '../../../db/types.ts'
import { admits } from '../../clients/admission.ts'
import { lowest, maxAuthenticationSeconds } from '../../session/lifetimes.ts'
import type { Deps } from '../deps.ts'
import { enteredSince } from '../../microsoft/auth-time.ts'
import type { MicrosoftIdentity } from '../../microsoft/interface.ts'
import { contextFor, freshContextOf } from '../../protocol/mfa-proof.ts'
import { ACR_PHISHING_RESISTANT, meets, type Strength } from '../../protocol/strength.ts'
import { OAuthError } from '../../protocol/error.ts'
import { isAsserted, evaluateMfa, mfaPolicy } from './mfa.ts'
import { clientOf, type SignInRequest } from './request.ts'
import type { Demand, SignInPurpose, UpstreamLogin } from './sealed.ts'

/** Decides whether a user whom Microsoft has identified may sign in for this request. */

export type SignInDecision =
  | { admitted: true; acr: Strength | undefined; amr: string[] | undefined }
  | { admitted: false; guidance: RejectedFor }
  /** Another visit to Microsoft may bring the missing proof. */
  | { admitted: false; demand: Demand; ask: { tid: string; authContext?: string | undefined } }
  | { admitted: false; error: OAuthError }

export type NotAdmitted = Exclude<SignInDecision, { admitted: true }>

export async function decideSignIn(
  deps: Deps,
  visit: UpstreamLogin,
  identity: MicrosoftIdentity,
  tenant: Tenant | undefined,
  now: number,
): Promise<SignInDecision> {
  if (tenant?.removedAt !== undefined) return { admitted: false, guidance: 'tenant_not_connected' }
  const policy = mfaPolicy(deps.config, tenant)
  const mfa = evaluateMfa(policy, identity, isAsserted(deps.config, tenant), visit.authContext)
  const demanded = visit.purpose.kind === 'instance' ? visit.purpose.request.acr : undefined
  if (!mfa.proved || !meets(mfa.acr, demanded)) {
    // The visit asked for another authentication context, because the user's tenant was not known
    // yet.
    const authContext = contextFor(policy, demanded)
    if (
      authContext !== undefined &&
      authContext !== visit.authContext &&
      !visit.asked?.includes('context')
    )
      return { admitted: false, demand: 'context', ask: { tid: identity.user.tid, authContext } }
    if (!mfa.proved) return { admitted: false, guidance: 'mfa_not_proved' }
  }
  const fresh =
    isFresh(visit, identity, now) && (!visit.shared || (await isFreshHere(deps, visit, identity)))
  if (!fresh || isTooOld(identity, authenticationLimit(deps, visit.purpose, tenant), now))
    return notFresh(deps, visit, identity, 'fresh')
  const rejected =
    visit.purpose.kind === 'instance'
      ? await requestRejection(deps, visit.purpose.request, identity)
      : undefined
  if (rejected !== undefined) return { admitted: false, guidance: rejected }
  if (!meets(mfa.acr, demanded)) return { admitted: false, error: unmet(demanded) }
  return { admitted: true, acr: mfa.acr, amr: mfa.amr }
}

/** OpenID Connect Core 1.0 §5.5.1.1: an essential acr that cannot be met is an error. */
export const unmet = (demanded: Strength | undefined): OAuthError =>
  new OAuthError(
    'unmet_authentication_requirements',
    demanded === ACR_PHISHING_RESISTANT
      ? 'Phishing-resistant sign-in is not set up for the tenant of this user, or Microsoft did not prove it.'
      : 'Microsoft does not prove MFA for the tenant of this user.',
  )

async function requestRejection(
  deps: Deps,
  request: SignInRequest,
  identity: MicrosoftIdentity,
): Promise<RejectedFor | undefined> {
  if (request.sub !== undefined) {
    const { tid, oid } = identity.user
    if ((await deps.store.findSubjectByUser(tid, oid))?.sub !== request.sub) return 'other_user'
  }
  return admits(clientOf(deps, request), identity) ? undefined : 'not_assigned_here'
}

/**
 * Returns whether the authentication is as fresh as the request demands. The transaction that opens
 * the session checks the demands of revocations.
 */
function isFresh(
  { purpose, fresh, login, startedAt }: UpstreamLogin,
  identity: MicrosoftIdentity,
  now: number,
): boolean {
  if (!fresh) return true
  const departedAt = login?.at ?? startedAt
  if (purpose.kind === 'own') return enteredSince(identity, departedAt)
  const { prompt, maxAgeSeconds } = purpose.request
  const oldest =
    prompt.includes('login') || maxAgeSeconds === undefined
      ? departedAt
      : Math.min(departedAt, now - maxAgeSeconds)
  return enteredSince(identity, oldest)
}

/**
 * Returns whether the user authenticated on a shared computer now, and not the user before them.
 * `prompt=login` can be removed from the URL, so `auth_time` must prove it. Tenants that never send
 * it are exempt.
 */
async function isFreshHere(
  deps: Deps,
  visit: UpstreamLogin,
  identity: MicrosoftIdentity,
): Promise<boolean> {
  if (enteredSince(identity, visit.login?.at ?? visit.startedAt)) return true
  return (
    identity.authTime === undefined &&
    !(await deps.store.tenantsWithAuthTime()).includes(identity.user.tid)
  )
}

/**
 * Returns the demand for another visit if it may prove a fresh sign-in; otherwise the page that
 * explains.
 */
export function notFresh(
  deps: Pick<Deps, 'config'>,
  visit: UpstreamLogin,
  identity: MicrosoftIdentity,
  demand: FreshDemand,
): NotAdmitted {
  if (!mayAskAgain(visit, identity, demand))
    return { admitted: false, guidance: 'freshness_not_proved' }
  const { tid } = identity.user
  if (demand === 'fresh') return { admitted: false, demand, ask: { tid } }
  return {
    admitted: false,
    demand,
    ask: { tid, authContext: freshContextOf(deps.config.freshContext, tid) },
  }
}

/**
 * Returns whether another visit may prove a fresh sign-in. If Microsoft ignored the demand once, it
 * would ignore it again.
 */
function mayAskAgain(
  { asked, login }: UpstreamLogin,
  identity: MicrosoftIdentity,
  demand: FreshDemand,
): boolean {
  if (asked?.includes(demand)) return false
  return (
    login === undefined ||
    identity.clockOffsetSeconds === undefined ||
    enteredSince(identity, login.at)
  )
}

/**
 * Returns the maximum age of the user's authentication: the lowest limit of broker, tenant and
 * client.
 */
export function authenticationLimit(
  deps: Pick<Deps, 'config' | 'clients'>,
  purpose: SignInPurpose,
  tenant: Tenant | undefined,
): number | undefined {
  const client = purpose.kind === 'instance' ? clientOf(deps, purpose.request) : undefined
  return lowest(
    maxAuthenticationSeconds(deps.config, tenant),
    client?.metadata.maxAuthenticationSeconds,
  )
}

/**
 * Returns whether the authentication is older than allowed. Without `auth_time` it counts as too
 * old, because nothing else shows that Microsoft honored `max_age`. A session that would be in its
 * last minute gets no code.
 */
const isTooOld = (
  { authTime }: MicrosoftIdentity,
  most: number | undefined,
  now: number,
): boolean => most !== undefined && (authTime === undefined || now - authTime >= most - 60)
