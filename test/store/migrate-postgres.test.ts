import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { drizzle } from 'drizzle-orm/node-postgres'
import { migrate } from 'drizzle-orm/node-postgres/migrator'
import { Client } from 'pg'
import { describe, expect, onTestFinished, test } from 'vitest'
import { indexesIn, unbuilt } from '../../db/postgres/indexes.ts'
import { findMigrations, type MigrationStep, migratePostgres } from '../../db/postgres/migrate.ts'
import { createBareDatabase, HAS_POSTGRES } from '../postgres.ts'
import { until } from '../process/broker-process.ts'

/** Upgrades of Postgres while brokers of the older version write: none of their requests waits. */

const { db: _, ...released } = JSON.parse(
  readFileSync(new URL('../../db/released.json', import.meta.url), 'utf8'),
) as Record<string, { tag: string }[]>
const INDEXES = indexesIn(findMigrations())

/** Creates a database with the tables of the latest release. */
async function openReleased() {
  const folder = mkdtempSync(join(tmpdir(), 'cmb-released-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  cpSync(findMigrations(), folder, { recursive: true })
  const journal = join(folder, 'meta/_journal.json')
  const { entries, ...rest } = JSON.parse(readFileSync(journal, 'utf8')) as { entries: unknown[] }
  const count = released['db/postgres']?.length
  writeFileSync(journal, JSON.stringify({ ...rest, entries: entries.slice(0, count) }))

  const { url, drop } = await createBareDatabase()
  const clients: Client[] = []
  onTestFinished(async () => {
    await Promise.all(clients.map((client) => client.end()))
    await drop()
  })
  const connect = async (): Promise<Client> => {
    const client = new Client({ connectionString: url })
    clients.push(client)
    await client.connect()
    return client
  }
  await migrate(drizzle(await connect()), {
    migrationsFolder: folder,
    migrationsSchema: 'broker',
    migrationsTable: 'migrations',
  })
  return { url, connect }
}

const WRITE = 'UPDATE broker.sessions SET last_active_at = last_active_at'

describe.skipIf(!HAS_POSTGRES)('a migration of Postgres', () => {
  test('lets go of a table that a transaction holds, so that no later statement waits behind it, and tries again', async () => {
    const { url, connect } = await openReleased()
    const [holder, broker] = [await connect(), await connect()]
    await holder.query('BEGIN; SELECT count(*) FROM broker.sessions')
    const steps: MigrationStep[] = []
    const migrated = migratePostgres(url, (step) => steps.push(step))
    await until('it waits for the holder', async () => {
      const { rows } = await broker.query(
        "SELECT 1 FROM pg_locks WHERE NOT granted AND mode = 'AccessExclusiveLock'",
      )
      return rows.length > 0
    })
    // While the holder goes on, a statement behind the migration gets through.
    await broker.query(WRITE)
    await until('it tries again', async () => steps.some(({ step }) => step === 'again'))
    await holder.query('COMMIT')
    expect(await migrated).toBe(1)
  })

  test('builds an index of a filled table while its writes go on, and says meanwhile that it is missing', async () => {
    const { url, connect } = await openReleased()
    const [writer, broker] = [await connect(), await connect()]
    let building: () => void
    const begun = new Promise<void>((done) => (building = done))
    const migrated = migratePostgres(url, ({ step }) => {
      if (step === 'builds') building()
    })
    await begun
    // The build waits for this transaction, if it began before the build.
    await writer.query(`BEGIN; ${WRITE}`)
    await broker.query(WRITE)
    await writer.query('COMMIT')
    expect(await migrated).toBe(1)
    expect(await unbuilt(broker, INDEXES)).toEqual([])
  })

  test('builds an index again whose build was killed, one process at a time', async () => {
    const { url, connect } = await openReleased()
    expect(await migratePostgres(url)).toBe(1)
    const client = await connect()
    const [first, second] = INDEXES.map(({ name }) => name)
    await client.query(
      `UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'broker.${first}'::regclass; DROP INDEX broker.${second}`,
    )
    expect(await unbuilt(client, INDEXES)).toEqual([
      { name: first, isInvalid: true },
      { name: second, isInvalid: false },
    ])
    const built: string[] = []
    const again = () =>
      migratePostgres(url, (step) => {
        if (step.step === 'builds') built.push(step.index)
      })
    expect(await Promise.all([again(), again(), again()])).toEqual([0, 0, 0])
    expect(built).toEqual([first, second])
    expect(await unbuilt(client, INDEXES)).toEqual([])
  })
})
