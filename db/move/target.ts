import type { Client } from 'pg'
import { connectPrimary } from '../postgres/connect.ts'
import { serverOf } from '../postgres/connections.ts'
import { addEntry } from '../postgres/lineage.ts'
import { NAMESPACE } from '../postgres/schema.ts'
import { TABLES, type MovedTable } from '../postgres/tables.ts'
import { mustBeUsable } from '../postgres/usable.ts'
import { StoreUnavailable } from '../types.ts'
import type { Cell, ChainHead, Position } from './source.ts'

/**
 * The Postgres database that receives a moved store, in one transaction. It must not have been used
 * by a broker.
 */

export interface Target {
  /** Host, port and database, without the password, for messages to the operator. */
  readonly name: string
  /** Begins the transaction. With `locked`, no broker can start on it before it ends. */
  begin(locked: boolean): Promise<void>
  head(): Promise<Position | undefined>
  chains(): Promise<ChainHead[]>
  /**
   * Checks that the database holds only the rows of a new one, which `clear` removes.
   * @throws StoreUnavailable where it has any others
   */
  mustBeEmpty(): Promise<void>
  clear(): Promise<void>
  insert(table: MovedTable, rows: Cell[][]): Promise<void>
  count(table: MovedTable): Promise<number>
  /** Makes the numbers that Postgres generates continue after the copied ones. */
  setSequences(): Promise<void>
  /** Analyzes the tables, so that the first statements are planned for the copied rows. */
  analyze(): Promise<void>
  /**
   * Records in the target's lineage that it continues the log of the source with the same entries.
   */
  addLineage(nowMs: number): Promise<void>
  /** Runs more statements in the same transaction. */
  run<T>(use: (client: Client) => Promise<T>): Promise<T>
  /**
   * Commits the transaction.
   * @param next what the operator does where the commit may or may not have succeeded
   * @throws StoreUnavailable with that text, where the commit was not confirmed
   */
  commit(next: string): Promise<void>
  close(): Promise<void>
}

/**
 * The tables that have rows before the first broker starts, or if a broker started but never
 * served.
 */
const OF_A_NEW_ONE = new Set(['log_head', 'chain_heads', 'chain_begins', 'registry'])

const nameOf = (table: MovedTable): string => `"${NAMESPACE}"."${table.name}"`

/**
 * Connects to the database.
 * @throws StoreUnavailable where it cannot be reached, or lacks this version's tables
 */
export async function openTarget(url: string): Promise<Target> {
  const client = await connectPrimary(url)
  try {
    await mustBeUsable(client)
  } catch (error) {
    await client.end()
    throw error
  }
  return targetOf(client)
}

function targetOf(client: Client): Target {
  const rowsOf = async <T extends object>(text: string, values: unknown[] = []): Promise<T[]> =>
    (await client.query<T>(text, values)).rows
  const isFilled = async (table: MovedTable): Promise<boolean> =>
    (await rowsOf<{ found: boolean }>(`SELECT EXISTS (SELECT 1 FROM ${nameOf(table)}) AS found`))[0]
      ?.found === true
  const head = async () =>
    (await rowsOf<Position>(`SELECT epoch, seq FROM "${NAMESPACE}".log_head WHERE id = 1`))[0]
  const chains = () =>
    rowsOf<ChainHead>(`SELECT log, number, hash FROM "${NAMESPACE}".chain_heads ORDER BY log`)
  return {
    head,
    chains,
    name: `${client.host}:${client.port}/${client.database ?? ''}`,
    begin: (locked) => begin(client, locked),
    async mustBeEmpty() {
      const filled: string[] = []
      for (const table of TABLES)
        if (!OF_A_NEW_ONE.has(table.name) && (await isFilled(table))) filled.push(table.name)
      const seq = (await head())?.seq ?? 0
      if (seq === 0 && filled.length === 0) return
      throw new StoreUnavailable(
        `The database is in use by a broker: its log has come to ${seq}${filled.length === 0 ? '' : `, and it has rows in ${filled.join(', ')}`}. Nothing was copied. Create another database, run cmb migrate for it, and start no broker on it before.`,
      )
    },
    async clear() {
      for (const table of TABLES)
        if (OF_A_NEW_ONE.has(table.name)) await client.query(`DELETE FROM ${nameOf(table)}`)
      await client.query('DELETE FROM lineage')
    },
    async insert(table, rows) {
      await client.query({
        name: `move_${table.name}`,
        text: insertText(table),
        values: table.columns.map((_, at) => rows.map((row) => row[at])),
      })
    },
    count: async (table) =>
      (await rowsOf<{ count: number }>(`SELECT count(*) AS count FROM ${nameOf(table)}`))[0]
        ?.count ?? 0,
    setSequences: () => setSequences(client),
    async analyze() {
      for (const table of TABLES) await client.query(`ANALYZE ${nameOf(table)}`)
    },
    async addLineage(nowMs) {
      const { epoch, seq } = (await head()) ?? { epoch: '', seq: 0 }
      await addEntry(client, {
        ...(await serverOf(client)),
        epoch,
        afterSeq: seq,
        fromSeq: seq,
        why: 'moved',
        atMs: nowMs,
      })
    },
    run: (use) => use(client),
    commit: (next) => commit(client, next),
    close: () => client.end(),
  }
}

async function begin(client: Client, locked: boolean): Promise<void> {
  await client.query('BEGIN')
  // The limits on time suit short acts, not this transaction.
  await client.query(
    "SET LOCAL statement_timeout = 0; SET LOCAL idle_in_transaction_session_timeout = 0; SET LOCAL lock_timeout = '5s'",
  )
  if (!locked) return
  try {
    await client.query(`LOCK TABLE "${NAMESPACE}".log_head IN ACCESS EXCLUSIVE MODE`)
  } catch (cause) {
    throw new StoreUnavailable(
      'The database is in use: another move, or a broker, has it open. Stop it and repeat the command.',
      { cause },
    )
  }
}

/**
 * One array parameter for each column, so that one prepared statement inserts any number of rows.
 */
function insertText(table: MovedTable): string {
  const names = table.columns.map(({ name }) => `"${name}"`).join(', ')
  const arrays = table.columns.map(({ kind }, at) => `$${at + 1}::${kind}[]`).join(', ')
  return `INSERT INTO ${nameOf(table)} (${names}) SELECT * FROM unnest(${arrays})`
}

async function setSequences(client: Client): Promise<void> {
  const { rows } = await client.query<{ table: string; column: string }>(
    `SELECT table_name AS table, column_name AS column FROM information_schema.columns WHERE table_schema = $1 AND is_identity = 'YES'`,
    [NAMESPACE],
  )
  for (const { table, column } of rows)
    await client.query(
      `SELECT setval(pg_get_serial_sequence($1, $2), (SELECT coalesce(max("${column}"), 0) FROM "${NAMESPACE}"."${table}") + 1, false)`,
      [`"${NAMESPACE}"."${table}"`, column],
    )
}

/**
 * Commits and checks the answer. A warning at COMMIT means that no standby confirmed it, so only
 * this server has it.
 */
async function commit(client: Client, next: string): Promise<void> {
  const warnings: string[] = []
  client.on('notice', ({ message }) => warnings.push(message ?? 'a warning'))
  const cause = await client.query('COMMIT').then(
    ({ command }) =>
      command === 'COMMIT' ? undefined : new Error(`COMMIT was answered with ${command}.`),
    (error: unknown) => error,
  )
  if (cause === undefined && warnings.length === 0) return
  throw new StoreUnavailable(
    `The database did not confirm the commit (${warnings[0] ?? 'the connection ended'}). ${next}`,
    { cause },
  )
}
