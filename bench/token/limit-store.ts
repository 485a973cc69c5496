import { join } from 'node:path'
import { createPool } from '../../db/postgres/connect.ts'
import { openDatabase } from '../../db/sqlite/open.ts'

/**
 * The one row that the composed limit writes for a refresh, on either engine. Refreshes that wait
 * together share a commit.
 */
interface LimitStore {
  /**
   * Advances the generation of one row.
   * @returns whether the generation was the current one
   */
  rotate(id: string, generation: number): Promise<boolean>
}

interface Waiting {
  id: string
  generation: number
  resolve(changed: boolean): void
}

export function limitOnSqlite(dataDir: string, ids: string[]): LimitStore {
  const { db } = openDatabase(join(dataDir, 'limit.db'))
  db.exec(
    'CREATE TABLE limit_families (id TEXT PRIMARY KEY, generation INTEGER NOT NULL) WITHOUT ROWID',
  )
  const insert = db.prepare('INSERT INTO limit_families VALUES (?, 1)')
  for (const id of ids) insert.run(id)
  const advance = db.prepare(
    'UPDATE limit_families SET generation = generation + 1 WHERE id = ? AND generation = ?',
  )
  const [begin, commit] = [db.prepare('BEGIN IMMEDIATE'), db.prepare('COMMIT')]
  let waiting: Waiting[] = []
  const flush = (): void => {
    const batch = waiting
    waiting = []
    begin.run()
    const changed = batch.map(({ id, generation }) => advance.run(id, generation).changes === 1)
    commit.run()
    for (const [index, { resolve }] of batch.entries()) resolve(changed[index] ?? false)
  }
  return {
    rotate: (id, generation) =>
      new Promise((resolve) => {
        if (waiting.push({ id, generation, resolve }) === 1) setImmediate(flush)
      }),
  }
}

/** The most statements under way, as in the broker. */
const UNDER_WAY = 2

export async function limitOnPostgres(url: string, ids: string[]): Promise<LimitStore> {
  const pool = createPool(url)
  await pool.query(
    'CREATE TABLE limit_families (id text COLLATE "C" PRIMARY KEY, generation bigint NOT NULL)',
  )
  await pool.query('INSERT INTO limit_families SELECT unnest($1::text[]), 1', [ids])
  const text = `UPDATE limit_families SET generation = limit_families.generation + 1 FROM unnest($1::text[], $2::bigint[]) AS asked(id, generation)
    WHERE limit_families.id = asked.id AND limit_families.generation = asked.generation RETURNING limit_families.id`
  let waiting: Waiting[] = []
  let underWay = 0
  const flush = async (): Promise<void> => {
    if (waiting.length === 0 || underWay === UNDER_WAY) return
    const batch = waiting
    waiting = []
    underWay++
    const values = [batch.map(({ id }) => id), batch.map(({ generation }) => generation)]
    const { rows } = await pool.query<{ id: string }>({ name: 'rotate', text, values })
    underWay--
    const changed = new Set(rows.map(({ id }) => id))
    for (const { id, resolve } of batch) resolve(changed.has(id))
    setImmediate(() => void flush())
  }
  return {
    rotate: (id, generation) =>
      new Promise((resolve) => {
        if (waiting.push({ id, generation, resolve }) === 1) setImmediate(() => void flush())
      }),
  }
}
