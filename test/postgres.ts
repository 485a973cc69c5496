import { createMigrated, sql, startPostgres, type PostgresServer } from '../bench/postgres.ts'

/** Databases of a real Postgres (bench/postgres.ts), which is started by the first test that asks for one and ends with this process. */

export { BIN, createMigrated, HAS_POSTGRES, HAS_STANDBY, sql, startPostgres, type PostgresServer } from '../bench/postgres.ts'

let shared: Promise<PostgresServer> | undefined
let count = 0

/** The server of this process, with a database that has the broker's tables. */
const sharedServer = (): Promise<PostgresServer> => (shared ??= startShared())

async function startShared(): Promise<PostgresServer> {
  const server = await startPostgres()
  await createMigrated(server, 'migrated')
  return server
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
  const server = await sharedServer()
  const name = `test_${process.pid}_${++count}`
  await sql(server.url('postgres'), `CREATE DATABASE ${name} TEMPLATE ${template}`)
  return { url: server.url(name), drop: () => sql(server.url('postgres'), `DROP DATABASE ${name} WITH (FORCE)`) }
}
