import type { Tenant } from '../../../db/types.ts'
import type { Deps } from '../deps.ts'
import type { MicrosoftIdentity } from '../../microsoft/interface.ts'
import { lowest, maxAuthenticationSeconds } from '../../clients/session/lifetimes.ts'
import { clientOf } from './request.ts'
import type { Errand } from './sealed.ts'

/** How old the user's authentication at Microsoft may be for a sign-in: the limits of the broker, the tenant and the client. */

export function authenticationLimit(deps: Pick<Deps, 'config' | 'clients'>, errand: Errand, tenant: Tenant | undefined): number | undefined {
  const client = errand.kind === 'instance' ? clientOf(deps, errand.request) : undefined
  return lowest(maxAuthenticationSeconds(deps.config, tenant), client?.metadata.maxAuthenticationSeconds)
}

/** Also where Microsoft does not say when the user authenticated. Whether it honors `max_age` shows here, and nowhere else. */
export const isTooOld = ({ authTime }: Pick<MicrosoftIdentity, 'authTime'>, most: number | undefined, now: number): boolean =>
  most !== undefined && (authTime === undefined || now - authTime >= most)
