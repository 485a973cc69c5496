import type { TenantActs } from '../store.ts'
import type { Tenant } from '../types.ts'
import { optional } from './core.ts'
import type { Core } from './core.ts'
import type { RevocationLog } from './log.ts'

/** Microsoft tenants that are or were connected. */

interface Row {
  tid: string
  name: string | null
  mfa_proof: string
  idle_seconds: number | null
  absolute_seconds: number | null
  stay_signed_in_seconds: number | null
  proof_asserted_by: string | null
  proof_asserted_at: number | null
  consent_confirmed_by: string | null
  consent_confirmed_at: number | null
  connected_at: number
  removed_at: number | null
}

const tenantOf = (row: Row): Tenant => ({
  tid: row.tid,
  name: optional(row.name),
  mfaProof: row.mfa_proof,
  idleSeconds: optional(row.idle_seconds),
  absoluteSeconds: optional(row.absolute_seconds),
  staySignedInSeconds: optional(row.stay_signed_in_seconds),
  proofAssertedBy: optional(row.proof_asserted_by),
  proofAssertedAt: optional(row.proof_asserted_at),
  consentConfirmedBy: optional(row.consent_confirmed_by),
  consentConfirmedAt: optional(row.consent_confirmed_at),
  connectedAt: row.connected_at,
  removedAt: optional(row.removed_at),
})

/** What a row holds besides `tid`, `mfaProof` and `connectedAt`. */
const NOTHING = {
  name: null,
  idleSeconds: null,
  absoluteSeconds: null,
  staySignedInSeconds: null,
  proofAssertedBy: null,
  proofAssertedAt: null,
  consentConfirmedBy: null,
  consentConfirmedAt: null,
  removedAt: null,
}

const given = (tenant: Tenant): Record<string, unknown> => Object.fromEntries(Object.entries(tenant).filter(([, value]) => value !== undefined))

export function tenantActs({ db, write, read }: Core, log: RevocationLog): TenantActs {
  const all = db.prepare<[], Row>('SELECT * FROM tenants ORDER BY connected_at, tid')
  const find = db.prepare<[string], Row>('SELECT * FROM tenants WHERE tid = ?')
  const put = db.prepare(`INSERT OR REPLACE INTO tenants
      (tid, name, mfa_proof, idle_seconds, absolute_seconds, stay_signed_in_seconds, proof_asserted_by, proof_asserted_at,
       consent_confirmed_by, consent_confirmed_at, connected_at, removed_at)
    VALUES (@tid, @name, @mfaProof, @idleSeconds, @absoluteSeconds, @staySignedInSeconds, @proofAssertedBy, @proofAssertedAt,
       @consentConfirmedBy, @consentConfirmedAt, @connectedAt, @removedAt)`)
  const remove = db.prepare<[number, string]>('UPDATE tenants SET removed_at = ? WHERE tid = ?')
  const dropWork = db.prepare<[string]>('DELETE FROM microsoft_work WHERE tid = ?')
  return {
    listTenants: () => read(() => all.all().map(tenantOf)),
    findTenant: (tid) =>
      read(() => {
        const row = find.get(tid)
        return row && tenantOf(row)
      }),
    putTenant: (tenant) => write(() => void put.run({ ...NOTHING, ...given(tenant) })),
    changeTenant: ({ tid, change }) =>
      write(() => {
        const row = find.get(tid)
        if (row === undefined || row.removed_at !== null) return false
        put.run({ ...NOTHING, ...given({ ...tenantOf(row), ...change }) })
        return true
      }),
    removeTenant: ({ tid, actor, now }) =>
      write(() => {
        const row = find.get(tid)
        if (row === undefined || row.removed_at !== null) return { outcome: 'unknown' } as const
        remove.run(now, tid)
        // Nobody asks Microsoft about it any more; connected anew, nothing old may be done there.
        dropWork.run(tid)
        return { outcome: 'removed', committed: log.append({ selector: { kind: 'tenant', tid }, reason: 'tenant_removed', actor, now }) } as const
      }),
  }
}
