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
 * What /setup has seen of a tenant so far, kept beside its row: steps towards it, and nothing that
 * decides who signs in.
 */

export interface Seen {
  row: Tenant
  /**
   * A browser came back from Entra with consent for this tenant: unproved until an administrator of
   * the tenant has signed in. Epoch seconds.
   */
  consentReturnedAt: number | undefined
  trial: Trial | undefined
  decided: boolean
  /** The proof of MFA that operators propose for another tenant. */
  proposedProof: string | undefined
  /** An administrator of the tenant itself asserted the proof that is in force. */
  assertedByTenant: boolean
}

/** What an administrator of the tenant is asked to assert. */
export const proofToAssert = ({
  row,
  decided,
  proposedProof,
  assertedByTenant,
}: Seen): string | undefined =>
  proposedProof ?? (decided && !assertedByTenant ? row.mfaProof : undefined)

/**
 * @param by the actor whose own trial counts: another administrator's, tried meanwhile, does not
 * take its place
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

/** Connected again, a tenant begins without what was tried before. */
function ownTrial({ connectedAt }: Tenant, kept: string | undefined): Trial | undefined {
  const trial = kept === undefined ? undefined : (JSON.parse(kept) as Trial)
  return trial !== undefined && trial.at >= connectedAt ? trial : undefined
}

/** Kept for the visitor who tried it, and as the latest of all. */
export async function keepTrial(
  store: Store,
  tid: string,
  trial: Trial,
  by: string,
): Promise<void> {
  for (const name of [trialSetting(tid), ownTrialSetting(tid, by)])
    await store.setSetting(name, JSON.stringify(trial))
}
