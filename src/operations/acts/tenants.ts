import type { Tenant } from '../../../db/types.ts'
import { Problem } from '../../clients/problem.ts'
import type { Recording } from '../../clients/with-audit.ts'
import {
  consentSetting,
  disconnectTenant,
  isDecided,
  TENANT_SETTINGS,
  UNDECIDED,
} from '../../microsoft/tenants.ts'
import { changes } from '../../protocol/changes.ts'
import type { Actor } from '../../protocol/revocation.ts'
import type { Deps } from '../deps.ts'
import { existing, noSuch } from './no-such.ts'
import { REJECTED } from './texts/rejected.ts'

/** Connects, changes and removes tenants, for the admin API and for /setup. */

interface Acting {
  record: Recording
  actor: Actor
  now: number
}

/** Returns the part of a tenant that connecting it changes, for the audit log. */
const stateOf = (row: Tenant | undefined) => ({
  connected: row !== undefined && row.removedAt === undefined,
  name: row?.name ?? null,
  mfa_proof: row?.mfaProof ?? null,
})

/**
 * Connects a tenant. One that is connected again starts without its earlier assertions and
 * confirmations.
 * @throws Problem 409 if it is connected
 */
export async function connectAs(
  { store, connection }: Deps,
  { record, now }: Acting,
  { tid, name, proof = UNDECIDED }: Pick<Tenant, 'tid' | 'name'> & { proof?: string | undefined },
): Promise<Tenant> {
  const before = await store.findTenant(tid)
  const connect = async (): Promise<Tenant> => {
    if (before !== undefined && before.removedAt === undefined)
      throw new Problem(409, 'Already connected', REJECTED.connected(tid))
    for (const setting of TENANT_SETTINGS) await store.setSetting(setting(tid), undefined)
    const row = { tid, name: name ?? before?.name, mfaProof: proof, connectedAt: now }
    await store.putTenant(row)
    await connection.reload()
    return existing('tenant', await store.findTenant(tid))
  }
  return record(`tenant ${tid}`, { name, mfa_proof: proof }, connect, (after) => ({
    changed: changes(stateOf(before), stateOf(after)),
  }))
}

type Change = Partial<Pick<Tenant, 'name' | 'maxAuthenticationSeconds' | 'administrators'>>

const settingsOf = ({ name, maxAuthenticationSeconds: age, administrators }: Change) => ({
  name: name ?? null,
  max_authentication_age: age ?? null,
  administrators: administrators ?? null,
})

/** Changes the settings of a tenant. @throws Problem 404, 409 */
export async function changeAs(
  deps: Deps,
  record: Recording,
  tid: string,
  change: Change,
): Promise<Tenant> {
  const before = await deps.store.findTenant(tid)
  const changed = changes(settingsOf(before ?? {}), settingsOf({ ...before, ...change }))
  return record(`tenant ${tid}`, { changed }, async () => {
    mayHaveAdministrators(deps, tid, change)
    const isThere = await deps.store.changeTenant({ tid, change })
    return existing('tenant', isThere ? await deps.store.findTenant(tid) : undefined)
  })
}

/**
 * Rejects administrators for the operator tenant, where only operators' app roles count.
 * @throws Problem 409
 */
export function mayHaveAdministrators(
  { connection }: Pick<Deps, 'connection'>,
  tid: string,
  { administrators }: Change,
): void {
  if (administrators !== undefined && tid === connection.current().operatorTenant)
    throw new Problem(409, 'This is the operator tenant', REJECTED.operators_tenant)
}

/**
 * Returns whether the tenant may be removed. Removing the operator tenant would lock the operators
 * out, unless it is only connected and unused, for example by a mistyped id.
 */
export const mayRemove = async (
  { connection, store }: Pick<Deps, 'connection' | 'store'>,
  row: Tenant,
): Promise<boolean> =>
  connection.current().operatorTenant !== row.tid ||
  (!isDecided(row) &&
    row.consentConfirmedAt === undefined &&
    (await store.setting(consentSetting(row.tid))) === undefined)

/** Removes a tenant and signs its users out. @returns the revocation. @throws Problem 404, 409 */
export async function removeAs(
  deps: Deps,
  { record, actor, now }: Acting,
  tid: string,
): Promise<{ seq: number }> {
  const row = await deps.store.findTenant(tid)
  const details =
    row === undefined || row.removedAt !== undefined
      ? {}
      : {
          removed: {
            tid,
            name: row.name ?? null,
            mfa_proof: row.mfaProof,
            connected_at: row.connectedAt,
          },
        }
  const disconnect = async () => {
    if (row !== undefined && !(await mayRemove(deps, row)))
      throw new Problem(
        409,
        'The operator tenant cannot be removed',
        REJECTED.only_operator_tenant(deps.config.opsOrigin),
      )
    const answer = await disconnectTenant(deps, { tid, actor, now })
    if (answer.outcome === 'unknown') throw noSuch('tenant')
    return { seq: answer.seq }
  }
  return record(`tenant ${tid}`, details, disconnect, (answer) => answer)
}
