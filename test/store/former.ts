import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import Database from 'better-sqlite3'
import { drizzle } from 'drizzle-orm/better-sqlite3'
import { migrate } from 'drizzle-orm/better-sqlite3/migrator'

const MIGRATIONS = join(import.meta.dirname, '../../db/migrations')

/** A database as an earlier version left it: the migrations up to and with `last`. */
export function formerDatabase(file: string, last: string): Database.Database {
  const folder = mkdtempSync(join(tmpdir(), 'broker-migrations-'))
  try {
    cpSync(MIGRATIONS, folder, { recursive: true })
    const path = join(folder, 'meta', '_journal.json')
    const journal = JSON.parse(readFileSync(path, 'utf8')) as { entries: { tag: string }[] }
    const until = journal.entries.findIndex(({ tag }) => tag === last)
    writeFileSync(path, JSON.stringify({ ...journal, entries: journal.entries.slice(0, until + 1) }))
    const db = new Database(file)
    migrate(drizzle(db), { migrationsFolder: folder })
    return db
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/** The last migration before the logs were chains of hashes. */
export const BEFORE_THE_CHAIN = '0015_bounded_reads'

/** Two revocations and three audit entries as they were written before the chain. @param atMs of the first of each */
export function fillBeforeTheChain(db: Database.Database, atMs: number): void {
  const at = Math.floor(atMs / 1000)
  db.exec(`
    INSERT INTO log_head (id, seq, epoch) VALUES (1, 2, 'former');
    INSERT INTO subjects (sub, tid, oid, name, created_at) VALUES ('u_former', 'tid', 'oid', 'Alice', ${at});
    INSERT INTO revocations (seq, kind, sub, tid, reason, actor_kind, actor_id, at, at_ms, case_reference, comment, fan_out) VALUES
      (1, 'subject', 'u_former', 'tid', 'administrator', 'operator', 'olga', ${at}, ${atMs}, 'INC-1', 'laptop stolen', 'complete'),
      (2, 'everything', NULL, NULL, 'administrator', 'operator', 'olga', ${at + 1}, ${atMs + 1000}, NULL, NULL, 'complete');
    INSERT INTO audit (at_ms, actor_kind, actor_id, via, act, target, details) VALUES
      (${atMs}, 'operator', 'olga', 'command', 'revoke', 'subject u_former', '{}'),
      (${atMs + 1000}, 'operator', 'olga', 'command', 'revoke', 'everything', '{}'),
      (${atMs + 2000}, 'operator', 'olga', 'command', 'backup', 'file /b', '{}');
    INSERT INTO audit_outcomes (id, at_ms, outcome, result) VALUES (1, ${atMs + 5}, 'done', '{"seq":1}');
  `)
}
