import { isDeepStrictEqual } from 'node:util'
import { sql } from 'drizzle-orm'
import {
  sessionsEndedBy,
  type Client,
  type ClientMetadata,
  type ClientSource,
  type FormerTenant,
  type SecretHash,
} from '../../src/protocol/client-metadata.ts'
import { LONGEST_SESSION_SECONDS, type Actor } from '../../src/protocol/revocation.ts'
import { logoSetting } from '../../src/protocol/names.ts'
import type { Act } from '../engine/act.ts'
import { forUpdate } from '../engine/dialect.ts'
import {
  assign,
  columnsOf,
  command,
  insertInto,
  names,
  pick,
  query,
  type RowOf,
  type Takes,
} from '../engine/statement.ts'
import { followAudience } from '../locks/lock-account.ts'
import { setTerms, type Terms } from '../log/guard-leases.ts'
import { appendRevocation } from '../revocation/revoke.ts'
import { clients } from '../schema.ts'
import type { Committed } from '../types.ts'
import {
  addSecret,
  dropSecret,
  replaceSecrets,
  secretsByClient,
  secretsOf,
} from './client-secrets.ts'
import { replaceTargets } from './client-targets.ts'
import { dropSetting } from './settings.ts'
import { registryChanged } from '../rows/registry-version.ts'

/** Registrations of clients. Only the source that owns a registration may change it. */

const clientFields = columnsOf(
  clients,
  'clientId',
  'source',
  'metadata',
  'formerTenants',
  'createdAt',
  'updatedAt',
  'removedAt',
)
type ClientRow = RowOf<typeof clientFields>

const find = query(
  clientFields,
  (p: Takes<{ clientId: string }>, f) =>
    sql`SELECT ${f} FROM ${clients} WHERE ${clients.clientId} = ${p.clientId}`,
)
const findLocked = query(
  clientFields,
  (p: Takes<{ clientId: string }>, f) =>
    sql`SELECT ${f} FROM ${clients} WHERE ${clients.clientId} = ${p.clientId}${forUpdate(clients)}`,
)
const registered = query(
  clientFields,
  (_, f) =>
    sql`SELECT ${f} FROM ${clients} WHERE ${clients.removedAt} IS NULL ORDER BY ${clients.clientId}`,
)
// Inserts a placeholder for a client that is not registered, so that two concurrent additions of
// one id lock the same row and the later one sees the other.
const claim = command(
  (p: Takes<{ clientId: string; source: string; now: number }>) =>
    sql`${insertInto(clients, {
      clientId: p.clientId,
      source: p.source,
      metadata: '{}',
      logoutBy: 'sid',
      createdAt: p.now,
      updatedAt: p.now,
      removedAt: p.now,
    })} ON CONFLICT (${names(clients.clientId)}) DO NOTHING`,
)
type Written = Omit<ClientRow, 'removedAt'> & { logoutBy: string }
const write = command(
  (p: Takes<Written>) =>
    sql`UPDATE ${clients} SET ${assign(clients, {
      ...pick(p, 'source', 'metadata', 'formerTenants', 'logoutBy'),
      createdAt: p.createdAt,
      updatedAt: p.updatedAt,
      removedAt: null,
    })} WHERE ${clients.clientId} = ${p.clientId}`,
)
const touch = command(
  (p: Takes<{ clientId: string; now: number }>) =>
    sql`UPDATE ${clients} SET ${assign(clients, { updatedAt: p.now })} WHERE ${clients.clientId} = ${p.clientId}`,
)
const remove = command(
  (p: Takes<{ clientId: string; now: number }>) =>
    sql`UPDATE ${clients} SET ${assign(clients, { removedAt: p.now })} WHERE ${clients.clientId} = ${p.clientId}`,
)

const clientOf = ({ removedAt, ...row }: ClientRow, secrets: SecretHash[]): Client => ({
  ...row,
  metadata: JSON.parse(row.metadata) as ClientMetadata,
  formerTenants: JSON.parse(row.formerTenants) as FormerTenant[],
  secrets,
  ...(removedAt === null ? {} : { removedAt }),
})

/** How long former tenants are kept: longer than a session of their users, and its tokens. */
const FORMER_SECONDS = LONGEST_SESSION_SECONDS + 7200

/**
 * Returns the tenants that this change, or an earlier one, removed from a registration, each once
 * with its latest removal.
 * @param before the latest registration, even where the client was removed since, because other
 * clients' tokens for its audience are still valid
 */
function formerTenants(
  before: Client | undefined,
  metadata: ClientMetadata,
  now: number,
): readonly FormerTenant[] {
  if (before === undefined) return []
  const taken = takenOut(before.metadata.tenants, metadata.tenants).map((tid): FormerTenant => ({
    ...(tid && { tid }),
    removedAt: now,
  }))
  const kept = before.formerTenants.filter(
    ({ tid, removedAt }) =>
      now - removedAt <= FORMER_SECONDS && !taken.some((tenant) => tenant.tid === tid),
  )
  return [...kept, ...taken]
}

/** Returns the tenants that a change removes. Undefined means every tenant. */
function takenOut(
  before: readonly string[] | undefined,
  after: readonly string[] | undefined,
): (string | undefined)[] {
  if (after === undefined) return []
  return before === undefined ? [undefined] : before.filter((tid) => !after.includes(tid))
}

/** Returns the value as JSON keeps it: undefined members are missing. */
const asKept = <T>(value: T): T => JSON.parse(JSON.stringify(value)) as T

export function* findClient(clientId: string): Act<Client | undefined> {
  const row = yield* find.get({ clientId })
  return row && clientOf(row, yield* secretsOf(clientId))
}

/** Returns the clients that are registered and not removed. */
export function* listClients(): Act<Client[]> {
  const rows = yield* registered.all({})
  const secrets = yield* secretsByClient()
  return rows.map((row) => clientOf(row, secrets.get(row.clientId) ?? []))
}

/**
 * Locks and returns the row of a registered client, so that changes of a client or its secrets
 * happen one after another.
 */
function* lockRegistered(clientId: string): Act<ClientRow | undefined> {
  const row = yield* findLocked.get({ clientId })
  return row?.removedAt === null ? row : undefined
}

/**
 * Adds or replaces a registration with its targets. `foreign`: another source owns it. Pending
 * deliveries to a target that is removed stay pending.
 */
export function* putClient({
  clientId,
  source,
  metadata,
  secrets,
  now,
}: {
  clientId: string
  source: ClientSource
  metadata: ClientMetadata
  secrets?: SecretHash[] | undefined
  now: number
}): Act<
  | { outcome: 'added' | 'changed' | 'unchanged'; client: Client }
  | { outcome: 'foreign'; source: ClientSource }
> {
  const isNew = (yield* claim.run({ clientId, source, now })) === 1
  const row = isNew ? undefined : yield* findLocked.get({ clientId })
  const latest = row && clientOf(row, yield* secretsOf(clientId))
  const before = latest?.removedAt === undefined ? latest : undefined
  if (before !== undefined && before.source !== source)
    return { outcome: 'foreign', source: before.source }
  const sameSecrets = secrets === undefined || isDeepStrictEqual(asKept(secrets), before?.secrets)
  if (before !== undefined && sameSecrets && isDeepStrictEqual(asKept(metadata), before.metadata))
    return { outcome: 'unchanged', client: before }
  yield* write.run({
    clientId,
    source,
    metadata: JSON.stringify(metadata),
    formerTenants: JSON.stringify(formerTenants(latest, metadata, now)),
    // A new registration starts after the former one's removal, so that consents to the former one
    // do not count.
    logoutBy: metadata.logoutBy,
    createdAt: before?.createdAt ?? Math.max(now, (latest?.removedAt ?? 0) + 1),
    updatedAt: now,
  })
  const terms = termsOf(metadata)
  if (before === undefined || !isDeepStrictEqual(termsOf(before.metadata), terms))
    yield* setTerms(clientId, now, terms)
  yield* replaceTargets(clientId, metadata.logoutUris)
  yield* followAudience(clientId, metadata.audience)
  if (secrets !== undefined) yield* replaceSecrets(clientId, secrets)
  yield* registryChanged()
  const client = yield* findClient(clientId)
  if (client === undefined) throw new Error('The registration that was just written is not there.')
  return { outcome: before === undefined ? 'added' : 'changed', client }
}

const termsOf = (metadata: ClientMetadata): Terms => ({
  seconds: metadata.guardLeaseSeconds,
  tokenSeconds: metadata.accessTokenSeconds,
  ownSessions: sessionsEndedBy(metadata),
})

/** Adds a secret. If that makes more than two valid ones, the oldest is removed. */
export function* addClientSecret({
  clientId,
  secret,
  now,
}: {
  clientId: string
  secret: SecretHash
  now: number
}): Act<boolean> {
  if ((yield* lockRegistered(clientId)) === undefined) return false
  yield* addSecret(clientId, secret, now)
  yield* touch.run({ clientId, now })
  yield* registryChanged()
  return true
}

export function* removeClientSecret({
  clientId,
  secretId,
}: {
  clientId: string
  secretId: string
}): Act<boolean> {
  if ((yield* lockRegistered(clientId)) === undefined || !(yield* dropSecret(clientId, secretId)))
    return false
  yield* registryChanged()
  return true
}

/** Removes a registration and revokes what it holds, in one transaction. */
export function* removeClient({
  clientId,
  source,
  actor,
  now,
}: {
  clientId: string
  source: ClientSource | 'any'
  actor: Actor
  now: number
}): Act<
  | { outcome: 'removed'; committed: Committed }
  | { outcome: 'unknown' }
  | { outcome: 'foreign'; source: ClientSource }
> {
  const row = yield* lockRegistered(clientId)
  if (row === undefined) return { outcome: 'unknown' }
  if (source !== 'any' && row.source !== source) return { outcome: 'foreign', source: row.source }
  // Revoked before the targets are removed, so that they still get this revocation.
  const committed = yield* appendRevocation({
    selector: { kind: 'client', clientId },
    reason: 'client_removed',
    actor,
    now,
  })
  yield* setTerms(clientId, now, undefined)
  yield* replaceTargets(clientId, [])
  yield* replaceSecrets(clientId, [])
  yield* remove.run({ clientId, now })
  yield* dropSetting(logoSetting(clientId))
  yield* registryChanged()
  return { outcome: 'removed', committed }
}
