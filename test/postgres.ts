import { Client } from 'pg'
import { createMigrated, startPostgres, type PostgresServer } from '../bench/servers/postgres.ts'

/**
 * Databases of a real Postgres (bench/servers/postgres.ts). The first test that needs one starts the
 * server, which ends with this process.
 */

export {
  BIN,
  createMigrated,
  HAS_POSTGRES,
  HAS_STANDBY,
  sql,
  startPostgres,
  type PostgresServer,
} from '../bench/servers/postgres.ts'

let shared: Promise<Shared> | undefined
let count = 0

interface Shared {
  server: PostgresServer
  /** Runs a statement on one kept connection, because a new one costs the server a process. */
  run(statement: string): Promise<void>
  /** The way to copy a database with the least CPU time. */
  strategy: string
}

/** Starts the server of this worker, with a database that has the broker's tables. */
async function startShared(): Promise<Shared> {
  const server = await startPostgres()
  await createMigrated(server, 'migrated')
  const client = new Client({ connectionString: server.url('postgres') })
  // The connection ends with the server, at the end of this worker.
  client.on('error', () => undefined)
  await client.connect()
  const { rows } = await client.query<{ version: string }>(
    `SELECT current_setting('server_version_num') AS version`,
  )
  // Copies files instead of also writing each page to the log: 36 ms of CPU time instead of 93.
  // Before Postgres 15 it was the only way.
  const strategy = Number(rows[0]?.version) >= 150_000 ? 'STRATEGY FILE_COPY' : ''
  return { server, strategy, run: async (statement) => void (await client.query(statement)) }
}

export interface Database {
  url: string
  drop(): Promise<void>
}

/** Creates a database with the broker's tables. */
export const createDatabase = (): Promise<Database> => createFrom('migrated')

/** Creates a database without tables. */
export const createBareDatabase = (): Promise<Database> => createFrom('template0')

async function createFrom(template: string): Promise<Database> {
  const { server, strategy, run } = await (shared ??= startShared())
  const name = `test_${process.pid}_${++count}`
  await run(`CREATE DATABASE ${name} TEMPLATE ${template} ${strategy}`)
  return { url: server.url(name), drop: () => run(`DROP DATABASE ${name} WITH (FORCE)`) }
}
