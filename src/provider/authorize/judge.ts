import type { FreshDemand, Tenant } from '../../../db/types.ts'
import { admits } from '../../clients/admission.ts'
import { lowest, maxAuthenticationSeconds } from '../../clients/session/lifetimes.ts'
import type { Deps } from '../deps.ts'
import { enteredSince } from '../../microsoft/auth-time.ts'
import type { MicrosoftIdentity } from '../../microsoft/interface.ts'
import type { GuidanceKey } from '../../microsoft/guidance.ts'
import { freshContextOf } from '../../protocol/mfa-proof.ts'
import { OAuthError } from '../../protocol/error.ts'
import { isAsserted, judgeMfa, mfaPolicy } from './mfa.ts'
import { clientOf, type SignInRequest } from './request.ts'
import type { Demand, SignInPurpose, Visit } from './sealed.ts'

/** Whether a user whom Microsoft has identified may sign in: here, for this request, now. */

export type Judgement =
  | { admitted: true; acr: string | undefined; amr: string[] | undefined }
  | { admitted: false; guidance: GuidanceKey }
  /** One further visit may bring what is missing. */
  | { admitted: false; demand: Demand; ask: { tid: string; authContext?: string | undefined } }
  | { admitted: false; tell: OAuthError }

export type NotAdmitted = Exclude<Judgement, { admitted: true }>

export async function judge(
  deps: Deps,
  visit: Visit,
  identity: MicrosoftIdentity,
  tenant: Tenant | undefined,
  now: number,
): Promise<Judgement> {
  if (tenant?.removedAt !== undefined) return { admitted: false, guidance: 'tenant_not_connected' }
  const policy = mfaPolicy(deps.config, tenant)
  const mfa = judgeMfa(policy, identity, isAsserted(deps.config, tenant))
  if (!mfa.proved) {
    // The tenant wants another authentication context than was asked for, when its name was not
    // known yet.
    const askAgain =
      policy?.kind === 'auth_context' &&
      policy.id !== visit.authContext &&
      !visit.asked?.includes('context')
    return askAgain
      ? {
          admitted: false,
          demand: 'context',
          ask: { tid: identity.user.tid, authContext: policy.id },
        }
      : { admitted: false, guidance: 'mfa_not_proved' }
  }
  const fresh =
    isFresh(visit, identity, now) && (!visit.shared || (await isFreshHere(deps, visit, identity)))
  if (!fresh || isTooOld(identity, authenticationLimit(deps, visit.purpose, tenant), now))
    return notFresh(deps, visit, identity, 'fresh')
  const rejected =
    visit.purpose.kind === 'instance'
      ? await judgeRequest(deps, visit.purpose.request, identity)
      : undefined
  if (rejected !== undefined) return { admitted: false, guidance: rejected }
  // OpenID Connect Core 1.0 §5.5.1.1: an essential acr that cannot be had is an error, not a lesser
  // sign-in.
  if (visit.purpose.kind === 'instance' && visit.purpose.request.acr && mfa.acr === undefined) {
    return {
      admitted: false,
      tell: new OAuthError(
        'unmet_authentication_requirements',
        'Microsoft does not prove MFA for the tenant of this user.',
      ),
    }
  }
  return { admitted: true, acr: mfa.acr, amr: mfa.amr }
}

async function judgeRequest(
  deps: Deps,
  request: SignInRequest,
  identity: MicrosoftIdentity,
): Promise<GuidanceKey | undefined> {
  if (request.sub !== undefined) {
    const { tid, oid } = identity.user
    if ((await deps.store.findSubjectByUser(tid, oid))?.sub !== request.sub) return 'other_user'
  }
  return admits(clientOf(deps, request), identity) ? undefined : 'not_assigned_here'
}

/** As the request demands it. What a revocation demands is decided where the session opens. */
function isFresh(
  { purpose, fresh, login, startedAt }: Visit,
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
 * On a shared computer the user before may still be signed in at Microsoft, and `prompt=login` can
 * be taken out of the address. A tenant that never sends `auth_time` cannot prove that the password
 * was entered.
 */
async function isFreshHere(
  deps: Deps,
  visit: Visit,
  identity: MicrosoftIdentity,
): Promise<boolean> {
  if (enteredSince(identity, visit.login?.at ?? visit.startedAt)) return true
  return (
    identity.authTime === undefined &&
    !(await deps.store.tenantsWithAuthTime()).includes(identity.user.tid)
  )
}

/** One further visit for a fresh sign-in, if it may help; else the page that says so. */
export function notFresh(
  deps: Pick<Deps, 'config'>,
  visit: Visit,
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
 * Whether another visit may prove it. Where Microsoft was asked, and answered without asking the
 * user, it would do so again.
 */
function mayAskAgain(
  { asked, login }: Visit,
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
 * How old the user's authentication at Microsoft may be for a sign-in: the limits of the broker,
 * the tenant and the client.
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
 * Also where Microsoft does not say when the user authenticated. Whether it honors `max_age` shows
 * here, and nowhere else.
 */
const isTooOld = (
  { authTime }: MicrosoftIdentity,
  most: number | undefined,
  now: number,
): boolean => most !== undefined && (authTime === undefined || now - authTime >= most)
