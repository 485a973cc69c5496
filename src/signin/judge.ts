import type { Tenant } from '../../db/types.ts'
import { admits } from '../client/admission.ts'
import type { Deps } from '../deps.ts'
import type { MicrosoftIdentity } from '../microsoft/interface.ts'
import type { GuidanceKey } from '../microsoft/guidance.ts'
import { OAuthError } from '../protocol/error.ts'
import { isAsserted, judgeMfa, mfaPolicy } from './mfa.ts'
import { clientOf, type SignInRequest } from './request.ts'
import type { Visit } from './sealed.ts'

/** Whether somebody whom Microsoft has identified is let in: here, for this request, now. */

export type Judgement =
  | { admitted: true; acr: string | undefined; amr: string[] | undefined }
  | { admitted: false; guidance: GuidanceKey }
  /** The tenant wants another authentication context than was asked for, when its name was not known yet. */
  | { admitted: false; askAgain: { tid: string; authContext: string } }
  | { admitted: false; tell: OAuthError }

export async function judge(deps: Deps, visit: Visit, identity: MicrosoftIdentity, tenant: Tenant | undefined, now: number): Promise<Judgement> {
  if (tenant?.removedAt !== undefined) return { admitted: false, guidance: 'tenant_not_connected' }
  const policy = mfaPolicy(deps.config, tenant)
  const mfa = judgeMfa(policy, identity, isAsserted(deps.config, tenant))
  if (!mfa.proved) {
    const askAgain = policy?.kind === 'auth_context' && policy.id !== visit.authContext && !visit.again
    return askAgain
      ? { admitted: false, askAgain: { tid: identity.user.tid, authContext: policy.id } }
      : { admitted: false, guidance: 'mfa_not_proved' }
  }
  const rejected = visit.errand.kind === 'instance' ? await judgeRequest(deps, visit, visit.errand.request, identity, now) : undefined
  if (rejected !== undefined) return { admitted: false, guidance: rejected }
  // OpenID Connect Core 1.0 §5.5.1.1: an essential acr that cannot be had is an error, not a lesser sign-in.
  if (visit.errand.kind === 'instance' && visit.errand.request.acr && mfa.acr === undefined) {
    return {
      admitted: false,
      tell: new OAuthError('unmet_authentication_requirements', 'Microsoft does not prove MFA for the tenant of this user.'),
    }
  }
  return { admitted: true, acr: mfa.acr, amr: mfa.amr }
}

async function judgeRequest(
  deps: Deps,
  visit: Visit,
  request: SignInRequest,
  identity: MicrosoftIdentity,
  now: number,
): Promise<GuidanceKey | undefined> {
  if (!isFresh(visit, request, identity.authTime, now)) return 'freshness_not_proved'
  if (request.sub !== undefined) {
    const { tid, oid } = identity.user
    if ((await deps.store.findSubjectByUser(tid, oid))?.sub !== request.sub) return 'other_user'
  }
  return admits(clientOf(deps, request), identity) ? undefined : 'not_assigned_here'
}

const SKEW_SECONDS = 60

/**
 * A fresh sign-in is proved by Microsoft's `auth_time` and by nothing else. `iat` says when the token was made, which a user can have for an
 * old sign-in by taking `prompt=login` out of the address on its way through their browser: without `auth_time` we refuse.
 */
function isFresh(visit: Visit, request: SignInRequest, authTime: number | undefined, now: number): boolean {
  if (!visit.fresh) return true
  if (authTime === undefined) return false
  const oldest =
    request.prompt.includes('login') || request.maxAgeSeconds === undefined ? visit.startedAt : Math.min(visit.startedAt, now - request.maxAgeSeconds)
  return authTime >= oldest - SKEW_SECONDS
}
