import { Client } from 'pg'
import { createMigrated, sql, startPostgres, type PostgresServer } from '../bench/postgres.ts'

/** Databases of a real Postgres (bench/postgres.ts), which is started by the first test that asks for one and ends with this process. */

export { BIN, createMigrated, HAS_POSTGRES, HAS_STANDBY, sql, startPostgres, type PostgresServer } from '../bench/postgres.ts'

let shared: Promise<{ server: PostgresServer; strategy: string }> | undefined
let count = 0

/** The server of this worker, with a database that has the broker's tables, and how a copy of it is made with the least CPU time. */
async function startShared() {
  const server = await startPostgres()
  await createMigrated(server, 'migrated')
  // Copies files instead of writing each page to the log as well: 36 ms of CPU time instead of 93. Until Postgres 14 it was the only one.
  return { server, strategy: (await majorVersion(server)) >= 15 ? 'STRATEGY FILE_COPY' : '' }
}

async function majorVersion(server: PostgresServer): Promise<number> {
  const client = new Client({ connectionString: server.url('postgres') })
  await client.connect()
  try {
    const { rows } = await client.query<{ version: string }>(`SELECT current_setting('server_version_num') AS version`)
    return Math.floor(Number(rows[0]?.version) / 10_000)
  } finally {
    await client.end()
  }
}

export interface Database {
  url: string
  drop(): Promise<void>
}

/** A database of its own, with the broker's tables. */
export const createDatabase = (): Promise<Database> => createFrom('migrated')

/** The same without tables. */
export const createBareDatabase = (): Promise<Database> => createFrom('template0')

async function createFrom(template: string): Promise<Database> {
  const { server, strategy } = await (shared ??= startShared())
  const name = `test_${process.pid}_${++count}`
  await sql(server.url('postgres'), `CREATE DATABASE ${name} TEMPLATE ${template} ${strategy}`)
  return { url: server.url(name), drop: () => sql(server.url('postgres'), `DROP DATABASE ${name} WITH (FORCE)`) }
}
