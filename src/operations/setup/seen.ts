import type { Store } from '../../../db/store.ts'
import type { Tenant } from '../../../db/types.ts'
import {
  assertedByTenantSetting,
  consentSetting,
  isDecided,
  proposedProofSetting,
} from '../../microsoft/tenants.ts'

/**
 * The setup state of a tenant, stored beside its row: steps so far, and nothing that decides who
 * may sign in.
 */

export interface Seen {
  row: Tenant
  /**
   * Time at which a browser returned from Entra with consent, in epoch seconds. It is unproved
   * until an administrator of the tenant has signed in.
   */
  consentReturnedAt: number | undefined
  decided: boolean
  /** The proof of MFA that operators propose. */
  proposedProof: string | undefined
  /** True if an administrator of the tenant itself asserted the current proof. */
  assertedByTenant: boolean
}

/**
 * Returns the proof of MFA that an administrator of the tenant should assert: the proposed one, or
 * the chosen one if the tenant has not asserted it. Undefined if there is none.
 */
export const proofToAssert = ({
  row,
  decided,
  proposedProof,
  assertedByTenant,
}: Seen): string | undefined =>
  proposedProof ?? (decided && !assertedByTenant ? row.mfaProof : undefined)

/** Reads a tenant's setup state. Undefined if it is not connected. */
export async function seenOf(store: Store, tid: string): Promise<Seen | undefined> {
  const [row, consent, proposedProof, asserted] = await Promise.all([
    store.findTenant(tid),
    store.setting(consentSetting(tid)),
    store.setting(proposedProofSetting(tid)),
    store.setting(assertedByTenantSetting(tid)),
  ])
  if (row === undefined || row.removedAt !== undefined) return undefined
  return {
    row,
    consentReturnedAt: consent === undefined ? undefined : Number(consent),
    decided: isDecided(row),
    proposedProof,
    assertedByTenant: asserted !== undefined && asserted === String(row.proofAssertedAt),
  }
}

export async function allSeen(store: Store): Promise<Seen[]> {
  const rows = (await store.listTenants()).filter((row) => row.removedAt === undefined)
  return (await Promise.all(rows.map((row) => seenOf(store, row.tid)))).filter(
    (evidence) => evidence !== undefined,
  )
}
