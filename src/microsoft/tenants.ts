import type { Store } from '../../db/store.ts'
import type { Tenant } from '../../db/types.ts'
import { isGuid } from '../protocol/guid.ts'
import { parseMfaProof } from '../protocol/mfa-proof.ts'
import { PERSONAL_TENANT } from '../protocol/names.ts'
import type { Actor } from '../protocol/revocation.ts'
import type { Connection, EntraConnection } from './connection.ts'

/**
 * The ids of tenants, what is stored of each beside its row, and their removal. A tenant id is
 * rejected if it is that of Microsoft's tenant of personal accounts.
 */

interface TenantDeps {
  store: Store
  connection: EntraConnection
}

/**
 * The value for a tenant whose proof of MFA is not chosen yet. Its users are rejected, because
 * nothing proves MFA for them.
 */
export const UNDECIDED = 'undecided'
export const isDecided = (row: Pick<Tenant, 'mfaProof'>): boolean =>
  parseMfaProof(row.mfaProof) !== undefined

/**
 * The bounds of a tenant's limit in seconds, the same as those of BROKER_MAX_AUTHENTICATION_AGE.
 */
export const MAX_AUTHENTICATION = { least: 300, most: 7_776_000 }

/** Returns the tenant id in lower case, or what is wrong with it. */
export function readTenantId(value: string): { tid: string } | { problem: string } {
  const tid = value.trim().toLowerCase()
  if (!isGuid(tid))
    return { problem: 'The tenant id is a GUID: Entra admin center, Overview, Tenant ID.' }
  if (tid === PERSONAL_TENANT)
    return {
      problem: 'That is Microsoft’s tenant of personal accounts, whose users may never sign in.',
    }
  return { tid }
}

/**
 * The names of settings in which /setup keeps what it knows of a tenant: that consent was granted,
 * and the latest sign-in of its administrator at the tenant's page.
 */
export const consentSetting = (tid: string): string => `setup/consent/${tid}`
export const trialSetting = (tid: string): string => `setup/trial/${tid}`

/** The contents of the ID token of an administrator's sign-in at the tenant's page. */
export interface Trial {
  at: number
  /** The optional claims, each true if present. */
  claims: Record<string, boolean>
  roles: string[]
}

/** Returns the latest sign-in of an administrator at the tenant's page. */
export async function trialOf(
  { store }: { store: Pick<Store, 'setting'> },
  tid: string,
): Promise<Trial | undefined> {
  const kept = await store.setting(trialSetting(tid))
  return kept === undefined ? undefined : (JSON.parse(kept) as Trial)
}

export const keepTrial = (
  store: Pick<Store, 'setSetting'>,
  tid: string,
  trial: Trial,
): Promise<void> => store.setSetting(trialSetting(tid), JSON.stringify(trial))
/**
 * The name of the setting with the time at which Entra first required a sign-in because of a
 * policy's sign-in frequency.
 */
export const signInFrequencySetting = (tid: string): string => `microsoft/sign_in_frequency/${tid}`
/**
 * The name of the setting with the proof of MFA that operators propose, until an administrator of
 * the tenant asserts it.
 */
export const proposedProofSetting = (tid: string): string => `setup/proposed_proof/${tid}`
/**
 * The name of the setting with the `proofAssertedAt` of an assertion by the tenant's own
 * administrator.
 */
export const assertedByTenantSetting = (tid: string): string => `setup/asserted_by_tenant/${tid}`

/**
 * Returns whether the tenant is not the operator tenant. Operators cannot see the policies of
 * another tenant, and its own administrators may administer its users.
 */
export const isAnothers = (
  { operatorTenant }: Pick<Connection, 'operatorTenant'>,
  { tid }: Pick<Tenant, 'tid'>,
): boolean => operatorTenant !== undefined && operatorTenant !== tid

/** The settings that a tenant starts without when it is connected again. */
export const TENANT_SETTINGS = [
  consentSetting,
  trialSetting,
  proposedProofSetting,
  assertedByTenantSetting,
]

/** Removes a tenant. The same commit revokes all sessions of its users. */
export async function disconnectTenant(
  deps: TenantDeps,
  { tid, actor, now }: { tid: string; actor: Actor; now: number },
): Promise<{ outcome: 'removed'; seq: number } | { outcome: 'unknown' }> {
  const answer = await deps.store.removeTenant({ tid, actor, now })
  await deps.connection.reload()
  return answer.outcome === 'removed'
    ? { outcome: 'removed', seq: answer.committed.revocation.seq }
    : answer
}
