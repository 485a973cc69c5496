import type { Store } from '../../../db/store.ts'
import type { Tenant } from '../../../db/types.ts'
import {
  assertedByTenantSetting,
  consentSetting,
  isDecided,
  proposedProofSetting,
  trialSetting,
} from '../../microsoft/tenants.ts'
import type { Trial } from './sign-in-purpose.ts'

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
  trial: Trial | undefined
  decided: boolean
  /** A proof of MFA that operators propose for another tenant. */
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

/**
 * Reads a tenant's setup state. Undefined if it is not connected.
 * @param by the actor whose own trial counts, even if another administrator has tried since
 */
export async function seenOf(store: Store, tid: string, by?: string): Promise<Seen | undefined> {
  const [row, consent, latest, own, proposedProof, asserted] = await Promise.all([
    store.findTenant(tid),
    store.setting(consentSetting(tid)),
    store.setting(trialSetting(tid)),
    by === undefined ? undefined : store.setting(ownTrialSetting(tid, by)),
    store.setting(proposedProofSetting(tid)),
    store.setting(assertedByTenantSetting(tid)),
  ])
  if (row === undefined || row.removedAt !== undefined) return undefined
  return {
    row,
    consentReturnedAt: consent === undefined ? undefined : Number(consent),
    trial: ownTrial(row, own) ?? (latest === undefined ? undefined : (JSON.parse(latest) as Trial)),
    decided: isDecided(row),
    proposedProof,
    assertedByTenant: asserted !== undefined && asserted === String(row.proofAssertedAt),
  }
}

export async function allSeen(store: Store): Promise<Seen[]> {
  const rows = (await store.listTenants()).filter((row) => row.removedAt === undefined)
  return (await Promise.all(rows.map((row) => seenOf(store, row.tid)))).filter(
    (one) => one !== undefined,
  )
}

export const keepConsent = (store: Store, tid: string, now: number): Promise<void> =>
  store.setSetting(consentSetting(tid), String(now))

const ownTrialSetting = (tid: string, by: string): string => `${trialSetting(tid)}/${by}`

/** Returns a stored trial, unless the tenant was connected again since. */
function ownTrial({ connectedAt }: Tenant, kept: string | undefined): Trial | undefined {
  const trial = kept === undefined ? undefined : (JSON.parse(kept) as Trial)
  return trial !== undefined && trial.at >= connectedAt ? trial : undefined
}

/** Stores a trial as the visitor's own and as the latest. */
export async function keepTrial(
  store: Store,
  tid: string,
  trial: Trial,
  by: string,
): Promise<void> {
  for (const name of [trialSetting(tid), ownTrialSetting(tid, by)])
    await store.setSetting(name, JSON.stringify(trial))
}
