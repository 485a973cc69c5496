import { closeSync, fsyncSync, openSync } from 'node:fs'
import type { Client } from 'pg'
import { pacing } from '../engine/pace.ts'
import { placed, type Position } from '../sqlite/backup.ts'
import { openTables, type Sqlite } from '../sqlite/open.ts'
import { connectPrimary } from './connect.ts'
import { serverOf, type Server } from './connections.ts'
import { readHead } from './lineage.ts'
import { TABLES, type MovedTable } from './tables.ts'
import type { BackupOutcome } from '../types.ts'

/**
 * A backup of a store on Postgres, in the form of the SQLite database: one file, which can be
 * restored into either engine. It holds what was committed at one moment, and overwrites no file.
 */

/** The number of rows that are read and written at a time: a few milliseconds of the event loop. */
const ROWS = 250

interface ExportInput {
  url: string
  path: string
  /**
   * Ends the copy where the server is not the one whose log the broker has taken over, or the store
   * was closed.
   * @throws StoreUnavailable
   */
  mustBeServedBy(server: Server): void
}

export const exportStore = ({ url, path, mustBeServedBy }: ExportInput): Promise<BackupOutcome> =>
  placed(path, async (part) => {
    // Created here, because SQLite would create it with the rights of the umask.
    const written = openSync(part, 'wx', 0o600)
    const client = await connectPrimary(url).catch((error: unknown) => {
      closeSync(written)
      throw error
    })
    try {
      const at = await copyInto(part, client, async () => mustBeServedBy(await serverOf(client)))
      fsyncSync(written)
      return at
    } finally {
      closeSync(written)
      await client.end()
    }
  })

async function copyInto(
  part: string,
  client: Client,
  check: () => Promise<void>,
): Promise<Position> {
  const db = openTables(part)
  try {
    // No durability is needed before the end: the file gets its name only after it is complete and
    // synced.
    db.pragma('journal_mode = DELETE')
    db.pragma('synchronous = OFF')
    await client.query('BEGIN TRANSACTION ISOLATION LEVEL REPEATABLE READ')
    await client.query(
      'SET LOCAL statement_timeout = 0; SET LOCAL idle_in_transaction_session_timeout = 0',
    )
    const head = await readHead(client)
    if (head === undefined)
      throw new Error('The log has no head: the database is damaged. Restore a backup.')
    for (const table of TABLES) await copyTable(table, db, client, check)
    await client.query('COMMIT')
    return head
  } finally {
    db.close()
  }
}

async function copyTable(
  { name, columns }: MovedTable,
  db: Sqlite,
  client: Client,
  check: () => Promise<void>,
): Promise<void> {
  const list = columns.map((column) => `"${column.name}"`).join(', ')
  const insert = db.prepare(
    `INSERT INTO "${name}" (${list}) VALUES (${columns.map(() => '?').join(', ')})`,
  )
  const insertAll = db.transaction((rows: unknown[][]) => {
    for (const row of rows) insert.run(...row)
  })
  const pace = pacing({ most: ROWS })
  await client.query(`DECLARE copied NO SCROLL CURSOR FOR SELECT ${list} FROM "${name}"`)
  for (;;) {
    await check()
    const { rows } = await client.query<unknown[]>({
      text: `FETCH ${ROWS} FROM copied`,
      rowMode: 'array',
    })
    insertAll(rows)
    if (rows.length < ROWS) break
    await pace.rest()
  }
  await client.query('CLOSE copied')
}
