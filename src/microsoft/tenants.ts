import type { Store } from '../../db/store.ts'
import type { Tenant } from '../../db/types.ts'
import { isGuid } from '../protocol/guid.ts'
import { parseMfaProof } from '../protocol/mfa-proof.ts'
import { PERSONAL_TENANT } from '../protocol/names.ts'
import type { Actor } from '../protocol/revocation.ts'
import type { Log } from '../runtime/log.ts'
import type { Connection, EntraConnection } from './connection.ts'

/**
 * Connects and removes tenants, for /setup, `cmb` and the admin API. Rejects anything but a tenant
 * id, and Microsoft's tenant of personal accounts.
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

/** Returns the removed tenant for the audit log, as it was before the act. */
export function tenantBefore(row: Tenant | undefined): Record<string, unknown> {
  if (row === undefined || row.removedAt !== undefined) return {}
  return {
    removed: {
      tid: row.tid,
      name: row.name ?? null,
      mfa_proof: row.mfaProof,
      connected_at: row.connectedAt,
    },
  }
}

/**
 * The bounds of a tenant's limit in seconds, the same as those of BROKER_MAX_AUTHENTICATION_AGE.
 */
export const MAX_AUTHENTICATION = { least: 300, most: 7_776_000 }

/**
 * Returns a tenant's settings for the audit log, before and after a change: the limit on the age of
 * an authentication, and its administrators' role.
 */
export const tenantSettings = (
  row: Pick<Tenant, 'name' | 'maxAuthenticationSeconds' | 'administrators'> | undefined,
): Record<string, unknown> => ({
  name: row?.name ?? null,
  max_authentication_age: row?.maxAuthenticationSeconds ?? null,
  administrators: row?.administrators ?? null,
})

/** Returns the part of a tenant that connecting it changes, for the audit log. */
export const tenantState = (row: Tenant | undefined): Record<string, unknown> => ({
  connected: row !== undefined && row.removedAt === undefined,
  name: row?.name ?? null,
  mfa_proof: row?.mfaProof ?? null,
})

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

/**
 * Connects a tenant. A tenant that is connected again starts without its earlier assertions and
 * confirmations.
 */
export async function connectTenant(
  deps: TenantDeps & { log: Log },
  {
    tid,
    name,
    proof,
    actor,
    now,
  }: {
    tid: string
    name?: string | undefined
    proof?: string | undefined
    actor: Actor
    now: number
  },
): Promise<'connected' | 'already'> {
  const known = await deps.store.findTenant(tid)
  if (known !== undefined && known.removedAt === undefined) return 'already'
  for (const setting of [
    consentSetting,
    trialSetting,
    proposedProofSetting,
    assertedByTenantSetting,
  ])
    await deps.store.setSetting(setting(tid), undefined)
  await deps.store.putTenant({
    tid,
    name: name ?? known?.name,
    mfaProof: proof ?? UNDECIDED,
    connectedAt: now,
  })
  await deps.connection.reload()
  deps.log.info('tenant_connected', {
    tid,
    mfaProof: proof ?? UNDECIDED,
    actorKind: actor.kind,
    actor: actor.id,
  })
  return 'connected'
}

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
