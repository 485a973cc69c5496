import type { Session } from '../../../db/types.ts'
import type { Deps } from '../deps.ts'
import type { ClientMetadata } from '../../protocol/client-metadata.ts'
import { GRANT } from '../../protocol/names.ts'

/**
 * Returns the instances of the user's tenant: those that the user may open, and those for which the
 * user lacks a role.
 */
export function appsOf(
  deps: Pick<Deps, 'clients'>,
  { user, roles }: Session,
): { open: ClientMetadata[]; closed: ClientMetadata[] } {
  const instances = deps.clients
    .list()
    .filter((client) => client.source !== 'broker')
    .map((client) => client.metadata)
    .filter(
      (client) =>
        client.grants.includes(GRANT.authorizationCode) &&
        (client.tenants?.includes(user.tid) ?? true),
    )
  const opens = ({ appRole }: ClientMetadata): boolean =>
    appRole === undefined || roles.includes(appRole)
  return { open: instances.filter(opens), closed: instances.filter((client) => !opens(client)) }
}
