import type { Tenant } from '../../../db/types.ts'
import { maxAuthenticationSeconds } from '../../session/lifetimes.ts'
import { type FederatedDomain, GraphProblem } from '../../microsoft/interface.ts'
import { signInFrequencySetting, trialOf } from '../../microsoft/tenants.ts'
import type { CheckContext } from './check.ts'
import { at, failed, type Found, ok, unknown, warning } from './finding.ts'
import { REMEDY } from './texts/fixes.ts'
import { FOUND } from './texts/found.ts'

/**
 * Checks of what makes a tenant's users authenticate again: after a revocation, and periodically.
 */

const PERMISSION = 'Domain.Read.All'

/**
 * Checks whether the identity providers of a tenant's federated domains ignore the broker's demand
 * for a password.
 */
export async function federatedDomains(
  { deps, examine }: CheckContext,
  { tid }: Tenant,
): Promise<Found> {
  const tried = (await examine(tid)).credential
  if (!tried?.ok) return unknown(FOUND.no_token)
  if (!tried.graphRoles.includes(PERMISSION))
    return unknown(
      `The application does not hold ${PERMISSION}.`,
      REMEDY.domain_permission(PERMISSION),
    )
  try {
    return judged(await deps.microsoft.graph.federatedDomains(tid))
  } catch (error) {
    if (!(error instanceof GraphProblem)) throw error
    return unknown(`Not known: ${error.message}`)
  }
}

const listed = (domains: FederatedDomain[], of: FederatedDomain['promptLogin']): string =>
  domains.flatMap(({ domain, promptLogin }) => (promptLogin === of ? [domain] : [])).join(', ')

function judged(domains: FederatedDomain[]): Found {
  if (domains.length === 0) return ok(FOUND.none_federated)
  const [ignored, unknown] = [listed(domains, 'ignored'), listed(domains, 'unknown')]
  if (ignored !== '') return warning(FOUND.prompt_ignored(ignored), REMEDY.federated_domains)
  if (unknown !== '') return warning(FOUND.prompt_unknown(unknown), REMEDY.federated_domains)
  return ok(`${listed(domains, 'asked')}: the identity provider is asked for a fresh sign-in.`)
}

/**
 * Checks whether a revocation makes the tenant's users enter their password again. The broker
 * demands it only after the tenant's first `auth_time`.
 */
export async function freshSignIn({ deps, now }: CheckContext, { tid }: Tenant): Promise<Found> {
  if ((await deps.store.tenantsWithAuthTime()).includes(tid)) return ok(FOUND.auth_time_came)
  const lacking = (await trialOf(deps, tid))?.claims.auth_time === false
  if (lacking || (await deps.store.searchSessions({ tid, now, limit: 1 })).length > 0)
    return warning(FOUND.auth_time_never, REMEDY.fresh_sign_in)
  return unknown(FOUND.auth_time_unknown, REMEDY.fresh_sign_in)
}

/** Checks what makes users authenticate periodically: the broker, Entra's policy, or neither. */
export async function reEntry({ deps }: CheckContext, row: Tenant): Promise<Found> {
  const seconds = maxAuthenticationSeconds(deps.config, row)
  if (seconds !== undefined) return await byBroker(deps, row, seconds)
  const seen = await deps.store.setting(signInFrequencySetting(row.tid))
  if (seen !== undefined) return ok(FOUND.policy_asked(at(Number(seen))))
  return unknown(FOUND.no_re_entry, REMEDY.re_entry)
}

async function byBroker(
  deps: CheckContext['deps'],
  { tid }: Tenant,
  seconds: number,
): Promise<Found> {
  if ((await trialOf(deps, tid))?.claims.auth_time === false)
    return failed(FOUND.age_unprovable(seconds), REMEDY.no_auth_time)
  return ok(FOUND.age_enforced(seconds))
}
