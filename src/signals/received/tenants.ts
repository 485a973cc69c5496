import type { Tenants } from '../../config/config.ts'
import type { Deps } from '../deps.ts'

/** The connected tenants among those that a setting names. */
export function chosen(which: Tenants, { connection }: Pick<Deps, 'connection'>): readonly string[] {
  const { tenants } = connection.current()
  return which === 'all' ? tenants : tenants.filter((tid) => which.includes(tid))
}

export const graphTenants = (deps: Pick<Deps, 'config' | 'connection'>): readonly string[] => chosen(deps.config.signals.graph.tenants, deps)
