import type { Session, Tenant } from '../../db/types.ts'
import type { Store } from '../../db/store.ts'
import type { EntraConnection } from '../microsoft/connection.ts'
import type { Actor } from '../protocol/revocation.ts'
import { administratorRole } from '../protocol/tenant-administrators.ts'

/** An administrator of a customer's tenant, as found at each request from the store's rows only. */

export interface TenantAdministrator {
  session: Session
  tenant: Tenant
  /** The actor of the administrator's acts. The store limits them to this `tid`. */
  actor: Actor & { tid: string }
}

/**
 * Returns the user as administrator of their own tenant, or undefined. The tenant must be connected
 * and not be the operator tenant, its setting must name a role, and the session must have that
 * role.
 */
export async function administratorOf(
  { store, connection }: { store: Store; connection: EntraConnection },
  session: Session,
): Promise<TenantAdministrator | undefined> {
  const { tid } = session.user
  const { operatorTenant } = connection.current()
  if (operatorTenant === undefined || tid === operatorTenant) return undefined
  const tenant = await store.findTenant(tid)
  if (tenant === undefined || tenant.removedAt !== undefined) return undefined
  const role = administratorRole(tenant.administrators)
  return role !== undefined && session.roles.includes(role)
    ? { session, tenant, actor: { kind: 'operator', id: session.sub, tid } }
    : undefined
}
