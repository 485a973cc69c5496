import { setImmediate as turn } from 'node:timers/promises'
import { dropWorkOfTenant } from '../microsoft/work.ts'
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

/** Rows of work deleted in one act: a tenant may have as many as it has users. */
const DROPPED = 500

export function tenantActs({ db, write, read, run }: Core, log: RevocationLog): TenantActs {
  const all = db.prepare<[], Row>('SELECT * FROM tenants ORDER BY connected_at, tid')
  const find = db.prepare<[string], Row>('SELECT * FROM tenants WHERE tid = ?')
  const put = db.prepare(`INSERT OR REPLACE INTO tenants
      (tid, name, mfa_proof, idle_seconds, absolute_seconds, stay_signed_in_seconds, proof_asserted_by, proof_asserted_at,
       consent_confirmed_by, consent_confirmed_at, connected_at, removed_at)
    VALUES (@tid, @name, @mfaProof, @idleSeconds, @absoluteSeconds, @staySignedInSeconds, @proofAssertedBy, @proofAssertedAt,
       @consentConfirmedBy, @consentConfirmedAt, @connectedAt, @removedAt)`)
  const remove = db.prepare<[number, string]>('UPDATE tenants SET removed_at = ? WHERE tid = ?')
  const dropWork = (tid: string): number => run(dropWorkOfTenant(tid, DROPPED))
  /** @returns whether the tenant was removed and still has work of that time: nothing old may be done once it is connected anew */
  const dropOldWork = (tid: string): boolean => (find.get(tid)?.removed_at ?? null) !== null && dropWork(tid) === DROPPED
  return {
    listTenants: () => read(() => all.all().map(tenantOf)),
    findTenant: (tid) =>
      read(() => {
        const row = find.get(tid)
        return row && tenantOf(row)
      }),
    async putTenant(tenant) {
      const wasPut = (): boolean => !dropOldWork(tenant.tid) && put.run({ ...NOTHING, ...given(tenant) }).changes > 0
      while (!(await write(wasPut))) await turn()
    },
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
        // Microsoft is not asked about a removed tenant. What is more than this goes with the purge, or before the tenant is connected anew.
        dropWork(tid)
        return { outcome: 'removed', committed: log.append({ selector: { kind: 'tenant', tid }, reason: 'tenant_removed', actor, now }) } as const
      }),
  }
}
