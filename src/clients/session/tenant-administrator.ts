import type { Session, Tenant } from '../../../db/types.ts'
import type { Deps } from '../deps.ts'
import type { Actor } from '../../protocol/revocation.ts'
import { administratorRole } from '../../protocol/tenant-administrators.ts'

/** Who administers a customer's tenant: decided here at each request, by the store's rows alone. */

export interface TenantAdministrator {
  session: Session
  tenant: Tenant
  /** The store does nothing of theirs outside of this `tid`. */
  actor: Actor & { tid: string }
}

/**
 * The user as administrator of their own tenant: the tenant is connected and is not the operators'
 * own, its setting names a role, and the session has that role. Undefined: they administer none.
 */
export async function administratorOf(
  { store, connection }: Pick<Deps, 'store' | 'connection'>,
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
