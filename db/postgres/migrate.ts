import { existsSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { drizzle } from 'drizzle-orm/node-postgres'
import { migrate } from 'drizzle-orm/node-postgres/migrator'
import type { Client } from 'pg'
import { StoreUnavailable } from '../types.ts'
import { connectPrimary } from './connect.ts'
import { NAMESPACE } from './schema.ts'

/**
 * Brings the tables of Postgres up to date, one process at a time. A schema that a newer version
 * has written is rejected.
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
function findMigrations(): string {
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

/**
 * Applies the missing migrations.
 * @param url with a role that owns the namespace
 * @returns how many migrations were applied
 */
export async function migratePostgres(url: string): Promise<number> {
  const client = await connectPrimary(url)
  try {
    // The connection holds the lock. Another process that migrates waits here, and then finds
    // nothing left to do.
    await client.query('SELECT pg_advisory_lock($1)', [LOCK])
    const { pending, newer } = await schemaState(client)
    if (newer)
      throw new StoreUnavailable(
        'A newer version of the broker has written this database. Start that version again.',
      )
    if (pending > 0)
      await migrate(drizzle(client), {
        migrationsFolder: findMigrations(),
        migrationsSchema: NAMESPACE,
        migrationsTable: TABLE,
      })
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
    await client.query('SELECT pg_advisory_lock($1)', [LOCK])
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
