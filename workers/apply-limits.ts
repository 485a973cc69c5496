import { pacing } from '../db/engine/pace.ts'
import type { Deps } from './deps.ts'
import { maxAuthenticationSeconds } from '../src/clients/session/lifetimes.ts'

/**
 * Applies the limits on the age of an authentication to what was open when they were set: those of tenants to sessions, those of clients to
 * grants. It compares what is set with what is applied, so a change counts however it was made, and after a restart.
 */

const LIMITS = { most: 250 }

type LimitDeps = Pick<Deps, 'config' | 'store' | 'clients' | 'connection'>
type Limit = Omit<Parameters<Deps['store']['applyAuthenticationAge']>[0], 'rows'>

async function limits({ config, store, clients, connection }: LimitDeps): Promise<Limit[]> {
  const rows = await store.listTenants()
  const ofTenant = (tid: string): Limit => {
    const seconds = maxAuthenticationSeconds(
      config,
      rows.find((row) => row.tid === tid),
    )
    return { kind: 'tenant', key: tid, seconds }
  }
  const ofClients = clients
    .list()
    .map(({ clientId, metadata }): Limit => ({ kind: 'client', key: clientId, seconds: metadata.maxAuthenticationSeconds }))
  return [...connection.current().tenants.map(ofTenant), ...ofClients]
}

export async function applyLimits(deps: LimitDeps, going: () => boolean = () => true): Promise<void> {
  const pace = pacing(LIMITS)
  for (const limit of await limits(deps))
    while (going() && (await deps.store.applyAuthenticationAge({ ...limit, rows: pace.rows }))) await pace.rest()
}
