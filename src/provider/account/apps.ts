import type { Session } from '../../../db/types.ts'
import { admits } from '../../clients/admission.ts'
import type { Deps } from '../deps.ts'
import type { Client } from '../../protocol/client-metadata.ts'
import { GRANT } from '../../protocol/names.ts'

/**
 * Returns the instances of the user's tenant: those that the user may open, and those for which the
 * user lacks a role.
 */
export function appsOf(
  deps: Pick<Deps, 'clients'>,
  { user, roles }: Session,
): { open: Client[]; closed: Client[] } {
  const instances = deps.clients
    .list()
    .filter(
      ({ source, metadata: { grants, tenants } }) =>
        source !== 'broker' &&
        grants.includes(GRANT.authorizationCode) &&
        (tenants?.includes(user.tid) ?? true),
    )
  const opens = (client: Client): boolean => admits(client, { user, roles })
  return { open: instances.filter(opens), closed: instances.filter((instance) => !opens(instance)) }
}
