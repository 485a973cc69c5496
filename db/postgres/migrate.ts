import { existsSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { drizzle } from 'drizzle-orm/node-postgres'
import { migrate } from 'drizzle-orm/node-postgres/migrator'
import type { Client } from 'pg'
import { StoreUnavailable } from '../types.ts'
import { connectPrimary } from './connect.ts'
import { buildIndexes, indexesIn } from './indexes.ts'
import { NAMESPACE } from './schema.ts'
import { codeOf } from './transact.ts'

/**
 * Brings the tables of Postgres up to date, one process at a time, while brokers of the older
 * version write them. A schema that a newer version has written is rejected.
 */

/**
 * The key of the advisory lock that lets one process at a time change tables and rights. The number
 * is arbitrary.
 */
const LOCK = 7_400_001
const TABLE = 'migrations'

/**
 * Returns `db/postgres/migrations` of the package that this file belongs to, whether it runs from
 * its source or from `dist`.
 */
export function findMigrations(): string {
  for (let folder = import.meta.dirname; ; folder = dirname(folder)) {
    const candidate = join(folder, 'db', 'postgres', 'migrations')
    if (
      existsSync(join(folder, 'package.json')) &&
      existsSync(join(candidate, 'meta', '_journal.json'))
    )
      return candidate
    if (dirname(folder) === folder)
      throw new StoreUnavailable(
        'The folder db/postgres/migrations is missing. It belongs beside package.json: install the broker again, with all its files.',
      )
  }
}

const knownVersions = (folder: string): number[] => {
  const journal = JSON.parse(readFileSync(join(folder, 'meta', '_journal.json'), 'utf8')) as {
    entries: { when: number }[]
  }
  return journal.entries.map(({ when }) => when)
}

interface SchemaState {
  /** The number of this version's migrations that the database does not have yet. */
  pending: number
  /** A newer version has written the database. */
  newer: boolean
}

/**
 * Returns which migrations the database has.
 * @param client connected, with a role that may read the namespace
 */
export async function schemaState(client: Pick<Client, 'query'>): Promise<SchemaState> {
  const known = knownVersions(findMigrations())
  const { rows: there } = await client.query<{ there: boolean }>(
    `SELECT to_regclass('${NAMESPACE}.${TABLE}') IS NOT NULL AS there`,
  )
  if (there[0]?.there !== true) return { pending: known.length, newer: false }
  const { rows } = await client.query<{ at: number | string }>(
    `SELECT coalesce(max(created_at), 0) AS at FROM ${NAMESPACE}.${TABLE}`,
  )
  const applied = Number(rows[0]?.at ?? 0)
  return {
    pending: known.filter((when) => when > applied).length,
    newer: applied > Math.max(...known),
  }
}

/** A step of a migration: it waits for another process, tries again, or builds an index. */
export type MigrationStep =
  | { step: 'waits' }
  | { step: 'again'; attempt: number; of: number }
  | { step: 'builds'; index: string }

const LOOK_MS = 200

/**
 * Takes the lock for as long as the connection lasts. Another process waits, and then finds nothing
 * left to do. It asks again and again: a statement that waits would stop an index of the other from
 * being finished.
 */
async function lock(client: Client, onStep: (step: MigrationStep) => void): Promise<void> {
  for (let looks = 0; ; looks++) {
    const { rows } = await client.query<{ has: boolean }>(
      'SELECT pg_try_advisory_lock($1) AS has',
      [LOCK],
    )
    if (rows[0]?.has === true) return
    if (looks === 0) onStep({ step: 'waits' })
    await sleep(LOOK_MS)
  }
}

/**
 * The longest time that changed tables wait for a transaction that holds one of them, because every
 * later statement on that table waits behind them.
 */
const LOCK_TIMEOUT = '1s'
const ATTEMPTS = 60

/** Changes the tables in one transaction. Where another holds one for too long, it lets go first. */
async function changeTables(client: Client, onStep: (step: MigrationStep) => void): Promise<void> {
  await client.query(`SET lock_timeout = '${LOCK_TIMEOUT}'`)
  for (let attempt = 1; ; attempt++)
    try {
      return await migrate(drizzle(client), {
        migrationsFolder: findMigrations(),
        migrationsSchema: NAMESPACE,
        migrationsTable: TABLE,
      })
    } catch (error) {
      if (!isLockTimeout(error)) throw error
      if (attempt === ATTEMPTS)
        throw new StoreUnavailable(
          `A transaction has held a table of the broker at each of ${ATTEMPTS} attempts. Find it in pg_stat_activity (the oldest xact_start), let it end, and run this command again.`,
          { cause: error },
        )
      onStep({ step: 'again', attempt, of: ATTEMPTS })
      await sleep(1000)
    }
}

const isLockTimeout = (error: unknown): boolean =>
  codeOf(error) === '55P03' || codeOf((error as { cause?: unknown }).cause) === '55P03'

/**
 * Applies the missing migrations, and builds the indexes that they leave.
 * @param url with a role that owns the namespace
 * @returns how many migrations were applied
 */
export async function migratePostgres(
  url: string,
  onStep: (step: MigrationStep) => void = () => undefined,
): Promise<number> {
  const client = await connectPrimary(url)
  try {
    await lock(client, onStep)
    const { pending, newer } = await schemaState(client)
    if (newer)
      throw new StoreUnavailable(
        'A newer version of the broker has written this database. Start that version again.',
      )
    if (pending > 0) await changeTables(client, onStep)
    await buildIndexes(client, indexesIn(findMigrations()), (index) =>
      onStep({ step: 'builds', index }),
    )
    return pending
  } finally {
    await client.end()
  }
}

/**
 * Grants a role the least rights that it needs to run the broker.
 * @param role a role's name, as Postgres has it
 * @returns the statement that only a superuser can run, which lets the role see whether a standby
 * confirms commits; undefined where it already can
 */
export async function grantRole(url: string, role: string): Promise<string | undefined> {
  const client = await connectPrimary(url)
  try {
    await lock(client, () => undefined)
    const name = client.escapeIdentifier(role)
    await client.query(`GRANT USAGE ON SCHEMA ${NAMESPACE} TO ${name}`)
    await client.query(
      `GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA ${NAMESPACE} TO ${name}`,
    )
    await client.query(`REVOKE INSERT, UPDATE, DELETE ON ${NAMESPACE}.${TABLE} FROM ${name}`)
    await client.query(`GRANT USAGE ON ALL SEQUENCES IN SCHEMA ${NAMESPACE} TO ${name}`)
    await client.query(`ALTER ROLE ${name} SET search_path = ${NAMESPACE}`).catch(() => undefined)
    const grant = `GRANT pg_read_all_stats TO ${name}`
    await client.query(grant).catch(() => undefined)
    const { rows } = await client.query<{ sees: boolean }>(
      `SELECT pg_has_role($1, 'pg_read_all_stats', 'USAGE') AS sees`,
      [role],
    )
    return rows[0]?.sees === true ? undefined : grant
  } finally {
    await client.end()
  }
}
