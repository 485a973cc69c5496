import { Client } from 'pg'
import { NAMESPACE } from '../db/postgres/schema.ts'
import { createDatabase, type Database } from './postgres.ts'

/**
 * Databases of Postgres that are emptied and used again: making one and dropping it takes 24 ms of
 * CPU time, emptying it 3 ms. They are for tests that change nothing but rows, and that through a
 * store. The others use `createDatabase`.
 */

interface Reused {
  database: Database
  client: Client
  uses: number
}

/** Rows that were deleted stay in the files of their tables. */
const MOST_USES = 40
const MOST_BYTES = 2_000_000

/**
 * Longest unused first. Connections to a database that was given back just now are still being
 * closed.
 */
const unused: Reused[] = []
const LEAST_UNUSED = 3

/**
 * A store that was not closed writes there again; and what takes long to empty is quicker made
 * again.
 */
const IS_REUSABLE = `SELECT NOT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid())
  AND (SELECT sum(pg_relation_size(oid)) FROM pg_class WHERE relnamespace = '${NAMESPACE}'::regnamespace AND relkind = 'r') < ${MOST_BYTES} AS so`

/**
 * As a superuser it may skip the triggers that keep the audit log. The list of migrations stays:
 * nothing else is in a new database.
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
 * A database with the broker's tables and nothing in them. `drop` gives it back, for a later test
 * of this worker.
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
  // It ends with the server, at the end of this worker.
  client.on('error', () => undefined)
  await client.connect()
  return { database, client, uses: 1 }
}
