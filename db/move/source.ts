import { existsSync, renameSync, rmSync, statSync } from 'node:fs'
import { dirname } from 'node:path'
import Database from 'better-sqlite3'
import { ownedAsItsDirectory, syncFile } from '../files.ts'
import type { MovedTable } from '../postgres/tables.ts'
import { mustNotBeMissing, mustNotBeOlder } from '../sqlite/data-file.ts'
import { lockDataFile } from '../sqlite/file-lock.ts'
import {
  movedFile,
  mustNotHaveMoved,
  readMoveMark,
  writeMoveMark,
  type MoveMark,
} from '../sqlite/migration-marker.ts'
import { hasAllMigrations, type Sqlite } from '../sqlite/open.ts'
import { StoreUnavailable } from '../types.ts'

/**
 * The SQLite file that is moved: locked, read page by page, and disabled at the end. A value that
 * Postgres cannot hold stops the move.
 */

/** The most rows, and characters, in a page. A page is what is in memory at a time. */
const ROWS = 1_000
const CHARACTERS = 4_000_000

export type Cell = string | number | null
type Row = Cell[]

export interface Position {
  epoch: string
  seq: number
}
export interface ChainHead {
  log: string
  number: number
  hash: string
}

/** The rows of a database that are to be copied. */
export interface SourceRows {
  readonly chains: ChainHead[]
  count(table: MovedTable): number
  /**
   * Yields the rows of a table page by page.
   * @throws StoreUnavailable at a value that Postgres cannot hold
   */
  pages(table: MovedTable): Generator<Row[]>
}

export interface Source extends SourceRows {
  readonly head: Position
  /** The mark of an earlier run of the move that was interrupted at its end. */
  readonly mark: MoveMark | undefined
  /** Records durably that Postgres is about to commit. */
  committing(to: string, nowMs: number): void
  /**
   * Disables the file once Postgres has committed.
   * @returns the file's new name
   */
  disable(to: string, nowMs: number): string
  close(): void
}

/**
 * Opens and locks the file that is to be moved.
 * @throws StoreUnavailable where a broker runs on the file, or it is not a complete, current
 * database of the broker
 */
export function openSource(file: string): Source {
  const mark = readMoveMark(file)
  if (mark?.state === 'moved') mustNotHaveMoved(file)
  mustNotBeMissing(file)
  if ((statSync(file, { throwIfNoEntry: false })?.size ?? 0) === 0)
    throw new StoreUnavailable(`There is no database ${file}. Name it with --from DIR/broker.db.`)
  const unlock = lockDataFile(file)
  let db: Sqlite | undefined
  try {
    db = new Database(file, { fileMustExist: true, timeout: 1000 })
    return sourceOf({ file, db, unlock, head: checked(db, file), mark })
  } catch (error) {
    db?.close()
    unlock()
    throw error
  }
}

/**
 * Returns the head of the log, after checking that the file is undamaged, of this version, and the
 * latest state of this data directory.
 */
function checked(db: Sqlite, file: string): Position {
  const found = quickCheck(db)
  if (found !== 'ok')
    throw new StoreUnavailable(
      `${file} is damaged (${found}). Nothing was copied. Restore a backup first: cmb restore BACKUP`,
    )
  if (!hasAllMigrations(db))
    throw new StoreUnavailable(
      `${file} was written by another version of the broker. Start the broker of this version on it once (cmb serve), stop it, and repeat the command.`,
    )
  const head = db.prepare<[], Position>('SELECT epoch, seq FROM log_head WHERE id = 1').get()
  if (head === undefined)
    throw new StoreUnavailable(
      `${file} has no log. A broker has never run on it, so there is nothing to move.`,
    )
  mustNotBeOlder(file, db, head)
  return head
}

function quickCheck(db: Sqlite): string {
  try {
    return String(db.pragma('quick_check(1)', { simple: true }))
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  }
}

interface Parts {
  file: string
  db: Sqlite
  unlock: () => void
  head: Position
  mark: MoveMark | undefined
}

function sourceOf({ file, db, unlock, head, mark }: Parts): Source {
  const note = (state: MoveMark['state'], to: string, nowMs: number): void => {
    writeMoveMark(file, { state, to, ...head, atMs: nowMs })
    syncFile(dirname(file))
  }
  return {
    head,
    mark,
    ...rowsOf(db),
    committing: (to, nowMs) => note('committing', to, nowMs),
    disable(to, nowMs) {
      db.pragma('wal_checkpoint(TRUNCATE)')
      db.close()
      renameSync(file, movedFile(file))
      for (const end of ['-wal', '-shm']) rmSync(`${file}${end}`, { force: true })
      note('moved', to, nowMs)
      return movedFile(file)
    },
    close() {
      if (db.open) db.close()
      ownedAsItsDirectory(
        [`${file}.lock`, `${file}.move`, `${file}-wal`, `${file}-shm`].filter((candidate) =>
          existsSync(candidate),
        ),
        dirname(file),
      )
      unlock()
    },
  }
}

export function rowsOf(db: Sqlite): SourceRows {
  const chains = db
    .prepare<[], ChainHead>('SELECT log, number, hash FROM chain_heads ORDER BY log')
    .all()
  return {
    chains,
    count: ({ name }) =>
      db.prepare<[], number>(`SELECT count(*) FROM "${name}"`).pluck().get() ?? 0,
    pages: (table) => pagesOf(db, table),
  }
}

function* pagesOf(db: Sqlite, table: MovedTable): Generator<Row[]> {
  const list = table.columns.map(({ name }) => `"${name}"`).join(', ')
  let page: Row[] = []
  let characters = 0
  for (const row of db.prepare<[], Row>(`SELECT ${list} FROM "${table.name}"`).raw().iterate()) {
    characters += mustFit(table, row)
    page.push(row)
    if (page.length < ROWS && characters < CHARACTERS) continue
    yield page
    page = []
    characters = 0
  }
  if (page.length > 0) yield page
}

/**
 * Throws where Postgres cannot store a cell of the row.
 * @returns how many characters its texts have
 */
function mustFit(table: MovedTable, row: Row): number {
  let characters = 0
  for (const [index, { name, kind }] of table.columns.entries()) {
    const cell = row[index] ?? null
    if (cell === null) continue
    const problem = kind === 'text' ? problemOfText(cell) : problemOfNumber(cell)
    if (problem !== undefined)
      throw new StoreUnavailable(
        `${table.name}.${name} of the row ${keyOf(table, row)} ${problem}, which Postgres cannot store. Nothing was copied. Correct that value in the SQLite file while no broker runs on it (docs/scale-out.md says how), and repeat the command.`,
      )
    if (typeof cell === 'string') characters += cell.length
  }
  return characters
}

const problemOfText = (cell: Cell): string | undefined => {
  if (typeof cell !== 'string') return 'is not a text'
  return cell.includes('\0') ? 'has the character U+0000' : undefined
}
const problemOfNumber = (cell: Cell): string | undefined =>
  Number.isSafeInteger(cell) ? undefined : 'is not a whole number'

/** Returns the row's primary key for an error message. Keys are ids and hashes, never secrets. */
const keyOf = (table: MovedTable, row: Row): string =>
  table.columns
    .flatMap(({ name, key }, index) => (key ? [`${name}=${JSON.stringify(row[index])}`] : []))
    .join(' ')
