import { readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import type { Connections } from './connections.ts'
import { NAMESPACE } from './schema.ts'

/**
 * Indexes of tables that an older version has filled already. The migration of a table would hold
 * its writes for as long as the index is built, so they are built after it, CONCURRENTLY.
 */

/** The ending of the file beside a migration that creates its indexes. */
const FILE = '.indexes.sql'

export interface Index {
  name: string
  /** The statement that creates it. */
  create: string
}

/** Reads the indexes that the migrations of a folder leave to be built. */
export const indexesIn = (folder: string): Index[] =>
  readdirSync(folder)
    .filter((name) => name.endsWith(FILE))
    .toSorted()
    .flatMap((name) => readFileSync(join(folder, name), 'utf8').split('--> statement-breakpoint'))
    .map((create) => ({ name: /INDEX CONCURRENTLY "(\w+)"/.exec(create)?.[1] ?? create, create }))

/** Returns the names of those that are missing or INVALID, as one is after its build was killed. */
export async function unbuilt(
  client: Pick<Connections, 'query'>,
  indexes: readonly Index[],
): Promise<{ name: string; isInvalid: boolean }[]> {
  const { rows } = await client.query<{ name: string; isInvalid: boolean }>(
    `SELECT wanted.name, index.indexrelid IS NOT NULL AS "isInvalid" FROM unnest($1::text[]) AS wanted (name)
      LEFT JOIN (pg_class JOIN pg_index AS index ON index.indexrelid = pg_class.oid)
        ON pg_class.relname = wanted.name AND pg_class.relnamespace = '${NAMESPACE}'::regnamespace
      WHERE index.indisvalid IS NOT TRUE`,
    [indexes.map(({ name }) => name)],
  )
  return rows
}

/**
 * Builds what is not built. It holds no write of the table, and waits for transactions that began
 * before it.
 * @param client alone: two processes that build one index, or one that builds while another waits
 * in a statement, would wait for each other
 * @param onBuild is called with the name of each before it is built
 */
export async function buildIndexes(
  client: Pick<Connections, 'query'>,
  indexes: readonly Index[],
  onBuild: (name: string) => void,
): Promise<void> {
  // A build that a limit ends leaves an INVALID index.
  await client.query('SET lock_timeout = 0; SET statement_timeout = 0')
  for (const { name, isInvalid } of await unbuilt(client, indexes)) {
    onBuild(name)
    if (isInvalid) await client.query(`DROP INDEX CONCURRENTLY ${NAMESPACE}."${name}"`)
    const index = indexes.find((candidate) => candidate.name === name)
    if (index !== undefined) await client.query(index.create)
  }
}
