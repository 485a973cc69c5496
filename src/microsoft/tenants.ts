import type { Store } from '../../db/store.ts'
import type { Tenant } from '../../db/types.ts'
import { isGuid } from '../protocol/guid.ts'
import { parseMfaProof } from '../protocol/mfa-proof.ts'
import { PERSONAL_TENANT } from '../protocol/names.ts'
import type { Actor } from '../protocol/revocation.ts'
import type { Log } from '../runtime/log.ts'
import type { Connection, EntraConnection } from './connection.ts'

/**
 * Connecting a tenant and removing it: at /setup, by `cmb`, by the admin API, all through here.
 * Refuses what is not a tenant's id, and Microsoft's tenant of personal accounts.
 */

interface TenantDeps {
  store: Store
  connection: EntraConnection
}

/**
 * A tenant whose proof of MFA is not chosen yet: its users are refused, because nothing proves MFA
 * for them.
 */
export const UNDECIDED = 'undecided'
export const isDecided = (row: Pick<Tenant, 'mfaProof'>): boolean =>
  parseMfaProof(row.mfaProof) !== undefined

/** For the audit log, as an act found it. */
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

/** Seconds, in the bounds of BROKER_MAX_AUTHENTICATION_AGE. */
export const MAX_AUTHENTICATION = { least: 300, most: 7_776_000 }

/**
 * For the audit log, before and after: the limit on the age of an authentication, and who
 * administers the tenant.
 */
export const tenantSettings = (
  row: Pick<Tenant, 'maxAuthenticationSeconds' | 'administrators'> | undefined,
): Record<string, unknown> => ({
  max_authentication_age: row?.maxAuthenticationSeconds ?? null,
  administrators: row?.administrators ?? null,
})

/** For the audit log: what of a tenant connecting it changes. */
export const tenantState = (row: Tenant | undefined): Record<string, unknown> => ({
  connected: row !== undefined && row.removedAt === undefined,
  name: row?.name ?? null,
  mfa_proof: row?.mfaProof ?? null,
})

/** In lower case, or what is wrong with it. */
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
 * What /setup has seen of a tenant: that consent came back for it, and the latest trial sign-in.
 */
export const consentSetting = (tid: string): string => `setup/consent/${tid}`
export const trialSetting = (tid: string): string => `setup/trial/${tid}`
/** The latest trial sign-in, and which optional claims its ID token had. */
export async function trialOf(
  { store }: { store: Pick<Store, 'setting'> },
  tid: string,
): Promise<{ at: number; claims: Record<string, boolean> } | undefined> {
  const kept = await store.setting(trialSetting(tid))
  return kept === undefined
    ? undefined
    : (JSON.parse(kept) as { at: number; claims: Record<string, boolean> })
}
/** When Entra first asked for a sign-in because a policy's sign-in frequency was reached. */
export const signInFrequencySetting = (tid: string): string => `microsoft/sign_in_frequency/${tid}`
/**
 * The proof of MFA that operators propose for another tenant, until an administrator of it asserts
 * it.
 */
export const proposedProofSetting = (tid: string): string => `setup/proposed_proof/${tid}`
/** The `proofAssertedAt` of an assertion that an administrator of the tenant itself made. */
export const assertedByTenantSetting = (tid: string): string => `setup/asserted_by_tenant/${tid}`

/** Not the operators' own tenant: they do not see its policies. */
export const isAnothers = (
  { operatorTenant }: Pick<Connection, 'operatorTenant'>,
  { tid }: Pick<Tenant, 'tid'>,
): boolean => operatorTenant !== undefined && operatorTenant !== tid

/** Connected again, it begins without what was asserted and confirmed before. */
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

/** Its users' sessions end everywhere with the same commit. */
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
