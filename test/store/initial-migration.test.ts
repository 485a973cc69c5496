import Database from 'better-sqlite3'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Client } from 'pg'
import { describe, expect, onTestFinished, test } from 'vitest'
import { openTables } from '../../db/sqlite/open.ts'
import { createDatabase, HAS_POSTGRES, sql } from '../postgres.ts'

// The statements of db/after-tables.sql and db/postgres/after-tables.sql, which drizzle-kit neither
// generates nor compares.

const ENTRY = `INSERT INTO audit (id, at_ms, actor_kind, actor_id, via, act, details, hash, personal_hash) VALUES`
const entries = `${ENTRY} (1, 1, 'operator', 'ann', 'command', 'revoke', '{}', 'h', 'p'), (2, 2, 'operator', 'ann', 'command', 'revoke', '{}', 'h', 'p')`
const outcomes = `INSERT INTO audit_outcomes (id, at_ms, outcome, result) VALUES (1, 1, 'done', '{}'), (2, 2, 'done', '{}')`

/**
 * Each statement would change what an audit entry says, or remove an entry and keep an older one.
 */
const FORBIDDEN = [
  "UPDATE audit SET act = 'nothing' WHERE id = 1",
  "UPDATE audit_outcomes SET outcome = 'failed' WHERE id = 1",
  'DELETE FROM audit WHERE id = 2',
  'DELETE FROM audit_outcomes WHERE id = 2',
]

describe('the audit log is append-only on SQLite', () => {
  function filled() {
    const dir = mkdtempSync(join(tmpdir(), 'broker-initial-'))
    const db = openTables(join(dir, 'broker.db'))
    onTestFinished(() => {
      db.close()
      rmSync(dir, { recursive: true })
    })
    db.exec(`${entries}; ${outcomes}`)
    return db
  }
  const outcomeOf = (db: Database.Database) =>
    db.prepare('SELECT outcome FROM audit_outcomes WHERE id = 1').pluck().get()

  test.each(FORBIDDEN)('%s is rejected', (statement) => {
    expect(() => filled().exec(statement)).toThrow(
      /^The audit log is (append-only|shortened from its old end alone)\.$/,
    )
  })

  test('an entry is not replaced', () => {
    expect(() =>
      filled().exec(
        `INSERT OR REPLACE ${ENTRY.slice('INSERT '.length)} (1, 9, 'operator', 'eve', 'command', 'nothing', '{}', 'h', 'p')`,
      ),
    ).toThrow('The audit log is append-only.')
  })

  test('an outcome is written once: a second one is ignored', () => {
    const db = filled()
    db.exec("INSERT INTO audit_outcomes (id, at_ms, outcome, result) VALUES (1, 9, 'failed', '{}')")
    expect(outcomeOf(db)).toBe('done')
  })

  test('retention deletes from the oldest', () => {
    const db = filled()
    db.exec('DELETE FROM audit WHERE id = 1; DELETE FROM audit_outcomes WHERE id = 1')
    expect(db.prepare('SELECT id FROM audit').pluck().all()).toEqual([2])
    expect(db.prepare('SELECT id FROM audit_outcomes').pluck().all()).toEqual([2])
  })
})

describe.skipIf(!HAS_POSTGRES)('the initial migration of Postgres', () => {
  const filled = async () => {
    const database = await createDatabase()
    onTestFinished(() => database.drop())
    await sql(database.url, `SET search_path = broker; ${entries}; ${outcomes}`)
    return (statement: string) => sql(database.url, `SET search_path = broker; ${statement}`)
  }

  test.each([
    ...FORBIDDEN,
    'TRUNCATE audit',
    'TRUNCATE audit_outcomes',
    'DELETE FROM audit WHERE id = 2',
  ])('%s is rejected', async (statement) => {
    const run = await filled()
    await expect(run(statement)).rejects.toThrow(
      /The audit log is (append-only|shortened from its old end alone)\./,
    )
  })

  test('retention deletes from the oldest', async () => {
    const run = await filled()
    await expect(
      run('DELETE FROM audit WHERE id = 1; DELETE FROM audit_outcomes WHERE id = 1'),
    ).resolves.toBeUndefined()
  })

  test('rows that are updated often leave room in their page, and the head of the log is vacuumed by its number of updates', async () => {
    const database = await createDatabase()
    onTestFinished(() => database.drop())
    const client = new Client({ connectionString: database.url })
    await client.connect()
    const { rows } = await client.query(
      `SELECT relname, array_to_string(reloptions, ', ') AS options FROM pg_class
        WHERE relnamespace = 'broker'::regnamespace AND relkind = 'r' AND reloptions IS NOT NULL ORDER BY 1`,
    )
    await client.end()
    expect(rows).toEqual([
      { relname: 'chain_heads', options: 'fillfactor=10' },
      { relname: 'deliveries', options: 'fillfactor=80' },
      { relname: 'families', options: 'fillfactor=70' },
      {
        relname: 'log_head',
        options:
          'fillfactor=10, autovacuum_vacuum_scale_factor=0, autovacuum_vacuum_threshold=1000',
      },
    ])
  })
})
