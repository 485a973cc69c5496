import { createHash } from 'node:crypto'
import { isDeepStrictEqual } from 'node:util'
import type { Client, ClientMetadata, ClientSource, FormerTenant, SecretHash } from '../../src/protocol/client-metadata.ts'
import type { ClientActs } from '../store.ts'
import type { Core } from './core.ts'
import type { RevocationLog } from './log.ts'

/** Registrations, their secrets and their logout addresses. It refuses a change by anybody but the registration's own source. */

/** Good at the same time, at most: enough to change one without an outage. */
const GOOD_SECRETS = 2

interface ClientRow {
  client_id: string
  source: ClientSource
  metadata: string
  former_tenants: string
  created_at: number
  updated_at: number
  removed_at: number | null
}

interface SecretRow {
  id: string
  hash: string
  created_at: number
  expires_at: number | null
}

const secretOf = (row: SecretRow): SecretHash => ({
  id: row.id,
  hash: row.hash,
  createdAt: row.created_at,
  ...(row.expires_at === null ? {} : { expiresAt: row.expires_at }),
})

/** Past it no access token of a former tenant's users can live (an hour at most). */
const FORMER_SECONDS = 7200

/** The tenants that this change, or one before it, took out of a registration: each once, by its latest removal. */
function formerTenants(before: Client | undefined, metadata: ClientMetadata, now: number): readonly FormerTenant[] {
  if (before === undefined) return []
  const taken = takenOut(before.metadata.tenants, metadata.tenants).map((tid): FormerTenant => ({ ...(tid && { tid }), removedAt: now }))
  const kept = before.formerTenants.filter(({ tid, removedAt }) => now - removedAt <= FORMER_SECONDS && !taken.some((one) => one.tid === tid))
  return [...kept, ...taken]
}

/** Undefined is every tenant. */
function takenOut(before: readonly string[] | undefined, after: readonly string[] | undefined): (string | undefined)[] {
  if (after === undefined) return []
  return before === undefined ? [undefined] : before.filter((tid) => !after.includes(tid))
}

/** As JSON keeps it: what is undefined is not there. */
const asKept = <T>(value: T): T => JSON.parse(JSON.stringify(value)) as T

/** The same address of the same client is the same target for ever, also when it was removed in between. */
const targetId = (clientId: string, uri: string): string =>
  `t_${createHash('sha256')
    .update(JSON.stringify([clientId, uri]))
    .digest('base64url')
    .slice(0, 22)}`

function secrets({ db }: Core) {
  const all = db.prepare<[string], SecretRow>('SELECT * FROM client_secrets WHERE client_id = ? ORDER BY created_at, id')
  const add =
    db.prepare(`INSERT INTO client_secrets (client_id, id, hash, created_at, expires_at) VALUES (@clientId, @id, @hash, @createdAt, @expiresAt)
    ON CONFLICT DO UPDATE SET hash = excluded.hash, created_at = excluded.created_at, expires_at = excluded.expires_at`)
  const drop = db.prepare<[string, string]>('DELETE FROM client_secrets WHERE client_id = ? AND id = ?')
  const dropAll = db.prepare<[string]>('DELETE FROM client_secrets WHERE client_id = ?')

  const insert = (clientId: string, secret: SecretHash): void => void add.run({ clientId, ...secret, expiresAt: secret.expiresAt ?? null })
  return {
    of: (clientId: string): SecretHash[] => all.all(clientId).map(secretOf),
    remove: (clientId: string, id: string): boolean => drop.run(clientId, id).changes === 1,
    removeAll: (clientId: string): void => void dropAll.run(clientId),
    replace(clientId: string, list: SecretHash[]): void {
      dropAll.run(clientId)
      for (const secret of list) insert(clientId, secret)
    },
    add(clientId: string, secret: SecretHash, now: number): void {
      insert(clientId, secret)
      const others = all.all(clientId).filter(({ id }) => id !== secret.id)
      const good = others.filter(({ expires_at: expiresAt }) => expiresAt === null || expiresAt > now)
      const kept = good.slice(Math.max(0, good.length - GOOD_SECRETS + 1))
      for (const { id } of others) if (!kept.some((one) => one.id === id)) drop.run(clientId, id)
    },
  }
}

function targets({ db }: Core, log: RevocationLog) {
  const live = db.prepare<[string], { target_id: string; uri: string }>(
    'SELECT target_id, uri FROM targets WHERE client_id = ? AND removed_seq IS NULL',
  )
  const add = db.prepare<[string, string, string]>(
    'INSERT INTO targets (target_id, client_id, uri) VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET removed_seq = NULL',
  )
  const remove = db.prepare<[number, string]>('UPDATE targets SET removed_seq = ? WHERE target_id = ?')
  return {
    /** One that goes is still owed what was revoked until now, its owing pending or not. */
    replace(clientId: string, uris: string[]): void {
      for (const row of live.all(clientId)) if (!uris.includes(row.uri)) remove.run(log.head(), row.target_id)
      for (const uri of uris) add.run(targetId(clientId, uri), clientId, uri)
    },
  }
}

export function clientActs(core: Core, log: RevocationLog): ClientActs {
  const { db, write, read } = core
  const secret = secrets(core)
  const target = targets(core, log)
  const find = db.prepare<[string], ClientRow>('SELECT * FROM clients WHERE client_id = ?')
  const registered = db.prepare<[], ClientRow>('SELECT * FROM clients WHERE removed_at IS NULL ORDER BY client_id')
  const put = db.prepare(`INSERT INTO clients (client_id, source, metadata, former_tenants, logout_by, created_at, updated_at)
      VALUES (@clientId, @source, @metadata, @former, @logoutBy, @now, @now)
    ON CONFLICT DO UPDATE SET source = excluded.source, metadata = excluded.metadata, former_tenants = excluded.former_tenants, logout_by = excluded.logout_by,
      updated_at = excluded.updated_at, created_at = iif(removed_at IS NULL, created_at, excluded.created_at), removed_at = NULL`)
  const addresses = db.prepare<[], { targetId: string; clientId: string; uri: string }>(
    'SELECT target_id AS targetId, client_id AS clientId, uri FROM targets WHERE removed_seq IS NULL ORDER BY client_id, uri',
  )
  const touch = db.prepare<[number, string]>('UPDATE clients SET updated_at = ? WHERE client_id = ?')
  const remove = db.prepare<[number, string]>('UPDATE clients SET removed_at = ? WHERE client_id = ?')

  const clientOf = (row: ClientRow): Client => ({
    clientId: row.client_id,
    source: row.source,
    metadata: JSON.parse(row.metadata) as ClientMetadata,
    formerTenants: JSON.parse(row.former_tenants) as FormerTenant[],
    secrets: secret.of(row.client_id),
    createdAt: row.created_at,
    updatedAt: row.updated_at,
    ...(row.removed_at === null ? {} : { removedAt: row.removed_at }),
  })
  const current = (clientId: string): Client | undefined => {
    const row = find.get(clientId)
    return row && clientOf(row)
  }
  const isRegistered = (clientId: string): boolean => find.get(clientId)?.removed_at === null

  return {
    findClient: (clientId) => read(() => current(clientId)),
    listClients: () => read(() => registered.all().map(clientOf)),
    listTargets: () => read(() => addresses.all()),

    putClient: ({ clientId, source, metadata, secrets: given, now }) =>
      write(() => {
        const known = current(clientId)
        const before = known?.removedAt === undefined ? known : undefined
        if (before !== undefined && before.source !== source) return { outcome: 'foreign', source: before.source } as const
        const sameSecrets = given === undefined || isDeepStrictEqual(asKept(given), before?.secrets)
        if (before !== undefined && sameSecrets && isDeepStrictEqual(asKept(metadata), before.metadata))
          return { outcome: 'unchanged', client: before } as const
        put.run({
          clientId,
          source,
          metadata: JSON.stringify(metadata),
          former: JSON.stringify(formerTenants(before, metadata, now)),
          logoutBy: metadata.logoutBy,
          now,
        })
        target.replace(clientId, metadata.logoutUris)
        if (given !== undefined) secret.replace(clientId, given)
        const client = current(clientId)
        if (client === undefined) throw new Error('The registration that was just written is not there.')
        return { outcome: before === undefined ? 'added' : 'changed', client } as const
      }),

    addClientSecret: ({ clientId, secret: added, now }) =>
      write(() => {
        if (!isRegistered(clientId)) return false
        secret.add(clientId, added, now)
        touch.run(now, clientId)
        return true
      }),
    removeClientSecret: ({ clientId, secretId }) => write(() => isRegistered(clientId) && secret.remove(clientId, secretId)),

    removeClient: ({ clientId, source, actor, now }) =>
      write(() => {
        const row = find.get(clientId)
        if (row === undefined || row.removed_at !== null) return { outcome: 'unknown' } as const
        if (source !== 'any' && row.source !== source) return { outcome: 'foreign', source: row.source } as const
        // Before its targets go: what this very revocation owes is still for them.
        const committed = log.append({ selector: { kind: 'client', clientId }, reason: 'client_removed', actor, now })
        target.replace(clientId, [])
        secret.removeAll(clientId)
        remove.run(now, clientId)
        return { outcome: 'removed', committed } as const
      }),
  }
}
