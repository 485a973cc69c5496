import type { Tenant } from '../../../db/types.ts'
import { type FederatedDomain, GraphProblem } from '../../microsoft/interface.ts'
import type { Looking } from './check.ts'
import { type Found, ok, unknown, warning } from './finding.ts'

/** Whether the identity providers of a tenant's federated domains let a user back in without their password, although the broker demands it. */

const PERMISSION = 'Domain.Read.All'
const FIX =
  'Set promptLoginBehavior of the domain to nativeSupport or translateToFreshPasswordAuthentication (Update-MgDomainFederationConfiguration; docs/fresh-sign-in.md).'

export async function federatedDomains({ deps, examine }: Looking, { tid }: Tenant): Promise<Found[]> {
  const tried = (await examine(tid)).credential
  if (!tried?.ok) return [unknown('Unknown while Entra does not accept the credential.')]
  if (!tried.graphRoles.includes(PERMISSION))
    return [
      unknown(
        `The application does not hold ${PERMISSION}.`,
        `If domains of the tenant are federated, add ${PERMISSION} as an application permission and grant consent again.`,
      ),
    ]
  try {
    return [judged(await deps.microsoft.graph.federatedDomains(tid))]
  } catch (error) {
    if (!(error instanceof GraphProblem)) throw error
    return [unknown(`Not known: ${error.message}`)]
  }
}

const listed = (domains: FederatedDomain[], of: FederatedDomain['promptLogin']): string =>
  domains.flatMap(({ domain, promptLogin }) => (promptLogin === of ? [domain] : [])).join(', ')

function judged(domains: FederatedDomain[]): Found {
  if (domains.length === 0) return ok('No domain of the tenant is federated: Microsoft asks for the password itself.')
  const [ignored, notSaid] = [listed(domains, 'ignored'), listed(domains, 'unknown')]
  if (ignored !== '')
    return warning(
      `${ignored}: Entra does not pass the demand for a fresh sign-in on (promptLoginBehavior is disabled). Users of the domain may come back without their password.`,
      FIX,
    )
  if (notSaid !== '') return warning(`${notSaid}: Graph does not say whether the identity provider asks for the password (promptLoginBehavior).`, FIX)
  return ok(`${listed(domains, 'asked')}: the identity provider is asked for a fresh sign-in.`)
}
