import { Client } from 'pg'
import { NAMESPACE } from '../db/postgres/schema.ts'
import { createDatabase, type Database } from './postgres.ts'

/**
 * Databases of Postgres that are emptied and used again: to make and drop one takes 24 ms of CPU
 * time, to empty it 3 ms. They are for tests that change only rows, through a store. Other tests
 * use `createDatabase`.
 */

interface Reused {
  database: Database
  client: Client
  uses: number
}

/** Limits of reuse, because deleted rows stay in the files of their tables. */
const MOST_USES = 40
const MOST_BYTES = 2_000_000

/**
 * The unused databases, longest unused first. Connections to a database that was just returned are
 * still being closed, so a few stay unused.
 */
const unused: Reused[] = []
const LEAST_UNUSED = 3

/**
 * Tests whether a database can be reused. A store that was not closed still writes there, and a
 * large one is made again faster than emptied.
 */
const IS_REUSABLE = `SELECT NOT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid())
  AND (SELECT sum(pg_relation_size(oid)) FROM pg_class WHERE relnamespace = '${NAMESPACE}'::regnamespace AND relkind = 'r') < ${MOST_BYTES} AS so`

/**
 * Empties the database. A superuser may skip the triggers that protect the audit log. The list of
 * migrations is kept, as in a new database.
 */
const EMPTY = `DO $$
  DECLARE
    one regclass;
  BEGIN
    SET LOCAL session_replication_role = replica;
    FOR one IN SELECT oid FROM pg_class
      WHERE relnamespace = '${NAMESPACE}'::regnamespace AND relkind = 'r' AND relname <> 'migrations' AND pg_relation_size(oid) > 0
    LOOP EXECUTE 'DELETE FROM ' || one; END LOOP;
    FOR one IN SELECT oid FROM pg_class WHERE relnamespace = '${NAMESPACE}'::regnamespace AND relkind = 'S' AND relname <> 'migrations_id_seq'
    LOOP PERFORM setval(one, 1, false); END LOOP;
  END $$`

/**
 * Returns a database with the broker's tables and no rows. `drop` returns it for a later test of
 * this worker.
 */
export async function borrowDatabase(): Promise<Database> {
  const { database, ...rest } = (await emptied()) ?? (await make())
  let isBorrowed = true
  const giveBack = async (): Promise<void> => {
    if (isBorrowed) unused.push({ database, ...rest })
    isBorrowed = false
  }
  return { url: database.url, drop: giveBack }
}

async function emptied(): Promise<Reused | undefined> {
  const reused = unused.length < LEAST_UNUSED ? undefined : unused.shift()
  if (reused === undefined) return undefined
  const { client, database, uses } = reused
  const { rows } = await client.query<{ so: boolean }>(IS_REUSABLE)
  if (rows[0]?.so === true && uses < MOST_USES) {
    await client.query(EMPTY)
    return { ...reused, uses: uses + 1 }
  }
  await client.end()
  await database.drop()
  return undefined
}

async function make(): Promise<Reused> {
  const database = await createDatabase()
  const client = new Client({ connectionString: database.url })
  // The connection ends with the server, at the end of this worker.
  client.on('error', () => undefined)
  await client.connect()
  return { database, client, uses: 1 }
}
