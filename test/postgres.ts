import { Client } from 'pg'
import { createMigrated, startPostgres, type PostgresServer } from '../bench/postgres.ts'

/**
 * Databases of a real Postgres (bench/postgres.ts), which is started by the first test that asks
 * for one and ends with this process.
 */

export {
  BIN,
  createMigrated,
  HAS_POSTGRES,
  HAS_STANDBY,
  sql,
  startPostgres,
  type PostgresServer,
} from '../bench/postgres.ts'

let shared: Promise<Shared> | undefined
let count = 0

interface Shared {
  server: PostgresServer
  /** On one connection, kept: opening it costs the server a process each time. */
  run(statement: string): Promise<void>
  /** How a copy of a database is made with the least CPU time. */
  strategy: string
}

/** The server of this worker, with a database that has the broker's tables. */
async function startShared(): Promise<Shared> {
  const server = await startPostgres()
  await createMigrated(server, 'migrated')
  const client = new Client({ connectionString: server.url('postgres') })
  // It ends with the server, at the end of this worker.
  client.on('error', () => undefined)
  await client.connect()
  const { rows } = await client.query<{ version: string }>(
    `SELECT current_setting('server_version_num') AS version`,
  )
  // Copies files instead of writing each page to the log as well: 36 ms of CPU time instead of 93.
  // Until Postgres 14 it was the only one.
  const strategy = Number(rows[0]?.version) >= 150_000 ? 'STRATEGY FILE_COPY' : ''
  return { server, strategy, run: async (statement) => void (await client.query(statement)) }
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
  const { server, strategy, run } = await (shared ??= startShared())
  const name = `test_${process.pid}_${++count}`
  await run(`CREATE DATABASE ${name} TEMPLATE ${template} ${strategy}`)
  return { url: server.url(name), drop: () => run(`DROP DATABASE ${name} WITH (FORCE)`) }
}
