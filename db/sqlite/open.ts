import { chmodSync, closeSync, existsSync, mkdirSync, openSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import Database from 'better-sqlite3'
import { drizzle } from 'drizzle-orm/better-sqlite3'
import { migrate } from 'drizzle-orm/better-sqlite3/migrator'
import { notAllowed } from '../files.ts'
import { StoreUnavailable } from '../types.ts'
import { damagedMessage, mustNotBeMissing, mustNotBeOlder } from './data-file.ts'
import { lockDataFile } from './file-lock.ts'
import { mustNotHaveMoved } from './migration-marker.ts'

export type Sqlite = Database.Database

/**
 * Opens the data file for this process alone, readable by no other user (0600 in a directory of
 * 0700), and brings its tables up to date.
 */
export function openDatabase(file: string): { db: Sqlite; unlock: () => void } {
  mustNotHaveMoved(file)
  mustNotBeMissing(file)
  makeFile(file)
  const unlock = lockDataFile(file)
  try {
    const db = openTables(file)
    checkLog(db, file)
    return { db, unlock }
  } catch (error) {
    unlock()
    throw wasDamaged(error)
      ? new StoreUnavailable(damagedMessage(file, error.message), { cause: error })
      : error
  }
}

const wasDamaged = (error: unknown): error is Error =>
  error instanceof Error &&
  'code' in error &&
  typeof error.code === 'string' &&
  /^SQLITE_(CORRUPT|NOTADB)/.test(error.code)

function checkLog(db: Sqlite, file: string): void {
  const head = db
    .prepare<[], { epoch: string; seq: number }>('SELECT epoch, seq FROM log_head WHERE id = 1')
    .get()
  try {
    if (head !== undefined) mustNotBeOlder(file, db, head)
  } catch (error) {
    db.close()
    throw error
  }
}

/**
 * Created here, because SQLite would create it with the rights of the umask. The WAL and its index
 * take the file's mode.
 */
function makeFile(file: string): void {
  try {
    mkdirSync(dirname(file), { recursive: true, mode: 0o700 })
    closeSync(openSync(file, 'a', 0o600))
    chmodSync(file, 0o600)
  } catch (cause) {
    throw notAllowed(file, cause)
  }
}

/** Opens a database without the lock, for a file whose name no broker would open. */
export function openTables(file: string): Sqlite {
  const db = new Database(file, { timeout: 1000 })
  try {
    configure(db)
    bringUpToDate(db, file)
    return db
  } catch (error) {
    db.close()
    throw error
  }
}

function configure(db: Sqlite): void {
  db.pragma('journal_mode = WAL')
  // Every commit is synced, because an answer means that its commit is on disk.
  db.pragma('synchronous = FULL')
  // Savepoints keep overwritten pages in memory, not in a file of their own.
  db.pragma('temp_store = MEMORY')
  // 32 MiB. What does not fit is read from the system's cache of the file.
  db.pragma('cache_size = -32768')
  db.pragma('journal_size_limit = 67108864')
  // Deleted rows are overwritten on disk, although their secrets are sealed or hashed.
  db.pragma('secure_delete = FAST')
}

function bringUpToDate(db: Sqlite, file: string): void {
  const migrationsFolder = findMigrations()
  const [last, known] = [lastMigration(db), lastKnown(migrationsFolder)]
  if (last > known)
    throw new StoreUnavailable(
      `${file} was written by a newer version of the broker. Start that version again, or restore a backup made by this one.`,
    )
  // Skips the migrations' files: to read them takes longer than to open the database.
  if (last === known) return
  migrate(drizzle(db), { migrationsFolder })
}

function lastKnown(migrationsFolder: string): number {
  const journal = JSON.parse(
    readFileSync(join(migrationsFolder, 'meta', '_journal.json'), 'utf8'),
  ) as { entries: { when: number }[] }
  return Math.max(...journal.entries.map((entry) => entry.when))
}

/**
 * Returns whether the tables of the database are those of this version, neither older nor newer.
 */
export const hasAllMigrations = (db: Sqlite): boolean =>
  lastMigration(db) === lastKnown(findMigrations())

function lastMigration(db: Sqlite): number {
  const table = db.prepare("SELECT 1 FROM sqlite_master WHERE name = '__drizzle_migrations'").get()
  if (table === undefined) return 0
  return (
    db
      .prepare<[], number>('SELECT coalesce(max(created_at), 0) FROM __drizzle_migrations')
      .pluck()
      .get() ?? 0
  )
}

/**
 * Returns `db/migrations` of the package that this file belongs to, whether it runs from its source
 * or from `dist`.
 */
function findMigrations(): string {
  for (let folder = import.meta.dirname; ; folder = dirname(folder)) {
    const candidate = join(folder, 'db', 'migrations')
    if (
      existsSync(join(folder, 'package.json')) &&
      existsSync(join(candidate, 'meta', '_journal.json'))
    )
      return candidate
    if (dirname(folder) === folder)
      throw new StoreUnavailable(
        'The folder db/migrations is missing. It belongs beside package.json: install the broker again, with all its files.',
      )
  }
}
