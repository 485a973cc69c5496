import { setImmediate as turn } from 'node:timers/promises'
import { sql } from 'drizzle-orm'
import type { Actor } from '../../src/protocol/revocation.ts'
import type { WebhookEvent } from '../../src/protocol/webhook-event.ts'
import type { Act, Engine } from '../engine/act.ts'
import { forUpdate } from '../engine/dialect.ts'
import {
  assign,
  columnsOf,
  command,
  excluded,
  insertInto,
  keysOf,
  names,
  pick,
  query,
  type RowOf,
  type Takes,
} from '../engine/statement.ts'
import { optionals } from '../engine/values.ts'
import { dropWorkOfTenant } from '../outbox/microsoft-work.ts'
import { appendRevocation } from '../revocation/revoke.ts'
import { tenants } from '../schema.ts'
import type { Committed, HelpContact, Tenant } from '../types.ts'
import { emit } from '../webhook/emit.ts'
import { registryChanged } from '../rows/registry-version.ts'

/** Microsoft tenants that are connected, or were. */

const tenantFields = {
  ...columnsOf(
    tenants,
    'tid',
    'name',
    'mfaProof',
    'idleSeconds',
    'absoluteSeconds',
    'staySignedInSeconds',
    'connectedAt',
    'removedAt',
  ),
  ...columnsOf(
    tenants,
    'maxAuthenticationSeconds',
    'proofAssertedBy',
    'proofAssertedAt',
    'consentConfirmedBy',
    'consentConfirmedAt',
    'administrators',
    'helpContact',
  ),
}
type TenantRow = RowOf<typeof tenantFields>

const all = query(
  tenantFields,
  (_, f) => sql`SELECT ${f} FROM ${tenants} ORDER BY ${tenants.connectedAt}, ${tenants.tid}`,
)
const find = query(
  tenantFields,
  (p: Takes<{ tid: string }>, f) =>
    sql`SELECT ${f} FROM ${tenants} WHERE ${tenants.tid} = ${p.tid}`,
)
const findLocked = query(
  tenantFields,
  (p: Takes<{ tid: string }>, f) =>
    sql`SELECT ${f} FROM ${tenants} WHERE ${tenants.tid} = ${p.tid}${forUpdate(tenants)}`,
)
const changed = Object.fromEntries(
  Object.entries(tenantFields)
    .filter(([name]) => name !== 'tid')
    .map(([name, column]) => [name, excluded(column)]),
)
const put = command(
  (p: Takes<{ [K in keyof Tenant]: K extends 'helpContact' ? string | undefined : Tenant[K] }>) =>
    sql`${insertInto(tenants, pick(p, ...keysOf(tenantFields)))} ON CONFLICT (${names(tenants.tid)}) DO UPDATE SET ${assign(tenants, changed)}`,
)
const remove = command(
  (p: Takes<{ tid: string; now: number }>) =>
    sql`UPDATE ${tenants} SET ${assign(tenants, { removedAt: p.now })} WHERE ${tenants.tid} = ${p.tid}`,
)

const tenantOf = ({ helpContact, ...row }: TenantRow): Tenant => ({
  ...optionals(row),
  helpContact: helpContact === null ? undefined : (JSON.parse(helpContact) as HelpContact),
})

/** The settings of a tenant whose changes are sent to webhooks. */
const TENANT = {
  mfaProof: 'tenant.mfa_proof',
  idleSeconds: 'tenant.idle_seconds',
  absoluteSeconds: 'tenant.absolute_seconds',
  staySignedInSeconds: 'tenant.stay_signed_in_seconds',
  maxAuthenticationSeconds: 'tenant.max_authentication_seconds',
  administrators: 'tenant.administrators',
} as const satisfies Partial<Record<keyof Tenant, string>>
type Field = keyof typeof TENANT

/**
 * Returns the webhook events of a change of a tenant.
 * @param before undefined if the tenant was not connected
 */
function eventsOf(before: Tenant | undefined, after: Tenant): WebhookEvent[] {
  const { tid } = after
  if (before === undefined)
    return [{ type: 'setting.changed', data: { setting: 'tenant.connected', tid } }]
  return (Object.keys(TENANT) as Field[])
    .filter((field) => before[field] !== after[field])
    .map((field) => ({
      type: 'setting.changed',
      data: { setting: TENANT[field], tid, value: after[field]?.toString() },
    }))
}

/**
 * Stores a tenant, with the webhook events of the change.
 * @param before undefined if the tenant was not connected
 */
function* write(before: Tenant | undefined, tenant: Tenant): Act<void> {
  const { helpContact } = tenant
  yield* put.run({ ...tenant, helpContact: helpContact && JSON.stringify(helpContact) })
  for (const event of eventsOf(before, tenant)) yield* emit(event)
  yield* registryChanged()
}

/** The number of rows of work that one act deletes: a tenant may have as many as it has users. */
const DROPPED = 500

function* dropWork(tid: string): Act<{ more: boolean }> {
  return { more: (yield* dropWorkOfTenant(tid, DROPPED)) === DROPPED }
}

/**
 * Writes the tenant, unless work from before its removal is left, which must not be done at
 * Microsoft once the tenant is connected again.
 * @returns false where there is more of that work to delete
 */
function* putUnlessWorkIsLeft(tenant: Tenant): Act<boolean> {
  const row = yield* findLocked.get({ tid: tenant.tid })
  if (typeof row?.removedAt === 'number' && (yield* dropWork(tenant.tid)).more) return false
  yield* write(row?.removedAt === null ? tenantOf(row) : undefined, tenant)
  return true
}

/**
 * Changes some fields of a tenant.
 * @returns false where it is not connected, so that a concurrent removal is not undone
 */
export function* changeTenant({
  tid,
  change,
}: {
  tid: string
  change: Partial<Omit<Tenant, 'tid' | 'connectedAt' | 'removedAt'>>
}): Act<boolean> {
  const row = yield* findLocked.get({ tid })
  if (row?.removedAt !== null) return false
  const before = tenantOf(row)
  yield* write(before, { ...before, ...change })
  return true
}

type Removal = { tid: string; actor: Actor; now: number }

/**
 * Disconnects a tenant and revokes every session of its users, in one transaction. Its Microsoft
 * work is deleted, at the latest before the tenant is connected again. `unknown`: the tenant is not
 * connected.
 */
export function* removeTenant({
  tid,
  actor,
  now,
}: Removal): Act<{ outcome: 'removed'; committed: Committed } | { outcome: 'unknown' }> {
  const row = yield* findLocked.get({ tid })
  if (row?.removedAt !== null) return { outcome: 'unknown' }
  const committed = yield* appendRevocation({
    selector: { kind: 'tenant', tid },
    reason: 'tenant_removed',
    actor,
    now,
  })
  yield* remove.run({ tid, now })
  // Deletes the first part of the tenant's Microsoft work. The purge deletes the rest, or
  // `putTenant` does before the tenant is connected again.
  yield* dropWork(tid)
  yield* registryChanged()
  return { outcome: 'removed', committed }
}

export function* listTenants(): Act<Tenant[]> {
  return (yield* all.all({})).map(tenantOf)
}

export function* findTenant(tid: string): Act<Tenant | undefined> {
  const row = yield* find.get({ tid })
  return row && tenantOf(row)
}

/** Connects a tenant, or replaces it. Work from before its removal is deleted first, in batches. */
export async function putTenant({ write: commit }: Engine, tenant: Tenant): Promise<void> {
  while (!(await commit(() => putUnlessWorkIsLeft(tenant)))) await turn()
}
