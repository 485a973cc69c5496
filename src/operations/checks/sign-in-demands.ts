import type { Tenant } from '../../../db/types.ts'
import { maxAuthenticationSeconds } from '../../clients/session/lifetimes.ts'
import { type FederatedDomain, GraphProblem } from '../../microsoft/interface.ts'
import { signInFrequencySetting, trialOf } from '../../microsoft/tenants.ts'
import type { Looking } from './check.ts'
import { at, failed, type Found, ok, unknown, warning } from './finding.ts'
import { REMEDY } from './texts/fixes.ts'

/**
 * Checks of what makes a tenant's users authenticate again: after a revocation, and periodically.
 */

const PERMISSION = 'Domain.Read.All'

/**
 * Checks whether the identity providers of a tenant's federated domains ignore the broker's demand
 * for a password.
 */
export async function federatedDomains(
  { deps, examine }: Looking,
  { tid }: Tenant,
): Promise<Found> {
  const tried = (await examine(tid)).credential
  if (!tried?.ok) return unknown('Not known: Entra gives no token at the moment.')
  if (!tried.graphRoles.includes(PERMISSION))
    return unknown(
      `The application does not hold ${PERMISSION}.`,
      `If domains of the tenant are federated, add ${PERMISSION} as an application permission and grant consent again.`,
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
  if (domains.length === 0)
    return ok('No domain of the tenant is federated: Microsoft asks for the password itself.')
  const [ignored, unknown] = [listed(domains, 'ignored'), listed(domains, 'unknown')]
  if (ignored !== '')
    return warning(
      `${ignored}: Entra does not pass the demand for a fresh sign-in on (promptLoginBehavior is disabled). Users of the domain may come back without their password.`,
      REMEDY.federated_domains,
    )
  if (unknown !== '')
    return warning(
      `${unknown}: Graph does not say whether the identity provider asks for the password (promptLoginBehavior).`,
      REMEDY.federated_domains,
    )
  return ok(`${listed(domains, 'asked')}: the identity provider is asked for a fresh sign-in.`)
}

/**
 * Checks whether a revocation makes the tenant's users enter their password again. The broker
 * demands it only after the tenant's first `auth_time`.
 */
export async function freshSignIn({ deps, now }: Looking, { tid }: Tenant): Promise<Found> {
  if ((await deps.store.tenantsWithAuthTime()).includes(tid))
    return ok(
      'Sign-ins of this tenant had auth_time. If Microsoft stops sending it, users cannot sign in after a revocation.',
    )
  const lacking = (await trialOf(deps, tid))?.claims.auth_time === false
  if (lacking || (await deps.store.searchSessions({ tid, now, limit: 1 })).length > 0)
    return warning(
      'No sign-in of this tenant has ever had auth_time: after a revocation its users sign in again without their password, also on a stolen device.',
      REMEDY.fresh_sign_in,
    )
  return unknown(
    'No user of this tenant has signed in yet: whether auth_time arrives is not known, and no fresh sign-in is demanded.',
    REMEDY.fresh_sign_in,
  )
}

/** Checks what makes users authenticate periodically: the broker, Entra's policy, or neither. */
export async function reEntry({ deps }: Looking, row: Tenant): Promise<Found> {
  const seconds = maxAuthenticationSeconds(deps.config, row)
  if (seconds !== undefined) return await byBroker(deps, row, seconds)
  const seen = await deps.store.setting(signInFrequencySetting(row.tid))
  if (seen !== undefined)
    return ok(
      `Entra’s policy: it asked a user of this tenant to sign in again at ${at(Number(seen))} (sign-in frequency, AADSTS70043).`,
    )
  return unknown(
    'The broker does not enforce periodic re-entry, and has not seen Entra’s policy do it.',
    REMEDY.re_entry,
  )
}

async function byBroker(deps: Looking['deps'], { tid }: Tenant, seconds: number): Promise<Found> {
  if ((await trialOf(deps, tid))?.claims.auth_time === false)
    return failed(
      `The broker accepts an authentication for ${seconds} s, and the ID tokens of this tenant do not say when the user authenticated: its users cannot sign in.`,
      REMEDY.no_auth_time,
    )
  return ok(
    `The broker: a session ends when the user’s authentication is ${seconds} s old, and the next sign-in needs a newer one.`,
  )
}
