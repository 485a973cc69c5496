import type { Store } from '../../db/store.ts'
import type { Tenant } from '../../db/types.ts'
import { consentSetting, isDecided, trialSetting } from '../microsoft/tenants.ts'
import type { Trial } from './errand.ts'

/** What /setup has seen of a tenant so far, kept beside its row: steps towards it, and nothing that decides who signs in. */

export interface Seen {
  row: Tenant
  /** Entra sent somebody back who had consented for this tenant: a stranger's word, until an administrator of it has signed in. Epoch seconds. */
  consentReturnedAt: number | undefined
  trial: Trial | undefined
  decided: boolean
}

export async function seenOf(store: Store, tid: string): Promise<Seen | undefined> {
  const [row, consent, trial] = await Promise.all([store.findTenant(tid), store.setting(consentSetting(tid)), store.setting(trialSetting(tid))])
  if (row === undefined || row.removedAt !== undefined) return undefined
  return {
    row,
    consentReturnedAt: consent === undefined ? undefined : Number(consent),
    trial: trial === undefined ? undefined : (JSON.parse(trial) as Trial),
    decided: isDecided(row),
  }
}

export async function allSeen(store: Store): Promise<Seen[]> {
  const rows = (await store.listTenants()).filter((row) => row.removedAt === undefined)
  return (await Promise.all(rows.map((row) => seenOf(store, row.tid)))).filter((one) => one !== undefined)
}

export const keepConsent = (store: Store, tid: string, now: number): Promise<void> => store.setSetting(consentSetting(tid), String(now))
export const keepTrial = (store: Store, tid: string, trial: Trial): Promise<void> => store.setSetting(trialSetting(tid), JSON.stringify(trial))
