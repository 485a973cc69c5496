import type { TenantActs } from '../store.ts'
import type { TenantRow } from '../types.ts'
import { optional } from './core.ts'
import type { Core } from './core.ts'

/** Microsoft tenants that are or were connected. */

interface Row {
  tid: string
  name: string | null
  mfa_proof: string
  idle_seconds: number | null
  absolute_seconds: number | null
  stay_signed_in_seconds: number | null
  connected_at: number
  removed_at: number | null
}

const tenantOf = (row: Row): TenantRow => ({
  tid: row.tid,
  name: optional(row.name),
  mfaProof: row.mfa_proof,
  idleSeconds: optional(row.idle_seconds),
  absoluteSeconds: optional(row.absolute_seconds),
  staySignedInSeconds: optional(row.stay_signed_in_seconds),
  connectedAt: row.connected_at,
  removedAt: optional(row.removed_at),
})

export function tenantActs({ db, write, read }: Core): TenantActs {
  const all = db.prepare<[], Row>('SELECT * FROM tenants ORDER BY connected_at, tid')
  const find = db.prepare<[string], Row>('SELECT * FROM tenants WHERE tid = ?')
  const put = db.prepare(`INSERT OR REPLACE INTO tenants
      (tid, name, mfa_proof, idle_seconds, absolute_seconds, stay_signed_in_seconds, connected_at, removed_at)
    VALUES (@tid, @name, @mfaProof, @idleSeconds, @absoluteSeconds, @staySignedInSeconds, @connectedAt, @removedAt)`)
  return {
    listTenants: () => read(() => all.all().map(tenantOf)),
    findTenant: (tid) =>
      read(() => {
        const row = find.get(tid)
        return row && tenantOf(row)
      }),
    putTenant: (tenant) =>
      write(() => {
        const { name = null, idleSeconds = null, absoluteSeconds = null, staySignedInSeconds = null, removedAt = null } = tenant
        put.run({ ...tenant, name, idleSeconds, absoluteSeconds, staySignedInSeconds, removedAt })
      }),
  }
}
