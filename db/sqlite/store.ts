import { getTableColumns, getTableName, is, type Column } from 'drizzle-orm'
import { SQLiteTable } from 'drizzle-orm/sqlite-core'
import { stat } from 'node:fs/promises'
import { pooledRandom, type Random } from '../../src/runtime/ids.ts'
import { Topic } from '../../src/runtime/topic.ts'
import { allActs } from '../acts.ts'
import { rowIds } from '../engine/values.ts'
import { writeHighWater, type HighWater } from '../high-water.ts'
import { beginChains, furthest } from '../log/chain.ts'
import { head } from '../log/head.ts'
import * as schema from '../schema.ts'
import type { Store } from '../store.ts'
import type { Committed } from '../types.ts'
import { Checkpoints, type CheckpointOptions } from './checkpoints.ts'
import { DataFile } from './data-file.ts'
import { createExecutor, reading, sqliteEngine } from './executor.ts'
import { openDatabase, type Sqlite } from './open.ts'
import { Reader, type LongReads, type ReaderThread } from './reader.ts'
import { createWriter } from './writer.ts'

/** The embedded store: one SQLite file, one process that writes it. */

export interface SqliteStoreOptions {
  /** The path of the data file. File and directory are created where they are missing. */
  file: string
  /**
   * The clock, in epoch milliseconds, for the time of revocations and the due times of deliveries.
   */
  nowMs?: (() => number) | undefined
  /** Returns whether that clock was compared with another one and is right. Default: it was not. */
  isCertain?: (() => boolean) | undefined
  /** Milliseconds of a clock that counts the suspension of the machine. */
  elapsedMs?: (() => number) | undefined
  random?: Random | undefined
  /** The file's maximum size in pages of 4 KiB. Above it, the disk counts as full. */
  maxPages?: number | undefined
  /**
   * Starts what answers searches, dry runs and backups; the default is a thread of the store's own.
   */
  startReader?: ((file: string) => ReaderThread) | undefined
  /**
   * Options of the checkpoints: `failed` gets the reason why the log cannot be moved, and `start`
   * replaces the thread.
   */
  checkpoints?: Pick<CheckpointOptions, 'failed' | 'start' | 'restartMs'> | undefined
}

/**
 * Opens the store.
 * @throws StoreUnavailable where another process has the file, a newer version wrote it, or it
 * cannot be opened
 */
export async function openSqliteStore(options: SqliteStoreOptions): Promise<Store> {
  const {
    file,
    nowMs = Date.now,
    isCertain = () => false,
    elapsedMs = () => performance.now(),
    random = pooledRandom(),
    maxPages,
    startReader,
    checkpoints: moving,
  } = options
  const { db, unlock } = openDatabase(file)
  readEveryColumn(db)
  if (maxPages !== undefined) db.pragma(`max_page_count = ${maxPages}`)
  db.prepare<[string]>('INSERT OR IGNORE INTO log_head (id, seq, epoch) VALUES (1, 0, ?)').run(
    random(9).toString('base64url'),
  )
  endLeases(db)
  const dataFile = new DataFile(file)
  const revoked = new Topic<readonly Committed[]>()
  const checkpoints = new Checkpoints(db, { file, dataFile, ...moving })
  const announce = (committed: readonly Committed[]): void => revoked.publish(committed)
  const writer = createWriter(db, dataFile, announce, () => checkpoints.committed())
  const executor = createExecutor(
    db,
    { nowMs, isCertain, newId: rowIds(nowMs, random) },
    writer.revoked,
  )
  db.transaction(() => executor.run(beginChains()))()
  const reader = new Reader(file, dataFile, startReader)
  const watch = watchFile(file, dataFile, {
    seq: () => executor.run(head()),
    position: () => executor.run(furthest()),
  })
  const acts = allActs(sqliteEngine(writer, reading(db, dataFile), executor))
  return {
    ...acts,
    onRevoked: (listener) => void revoked.subscribe(listener),
    onElsewhere: () => undefined,
    wasLost: () => false,
    async knownHead() {
      const knownMs = elapsedMs()
      return { ...(await acts.head()), knownMs }
    },
    processId: random(12).toString('base64url'),
    brokers: async () => [],
    databaseFacts: async () => undefined,
    ...longReads(reader, acts),
    backup: (path) => checkpoints.holding(() => reader.ask('backup', path)),
    checkIntegrity: () => executor.prepareAll().then(() => dataFile.check()),
    size: async () => ({ bytes: await sizeOf(file), walBytes: await sizeOf(`${file}-wal`) }),
    async close() {
      await reader.close()
      await checkpoints.end()
      writer.close()
      watch.stop()
      if (db.open) shut(db)
      checkpoints.release()
      unlock()
    },
  }
}

/**
 * Rejects a file that lacks a column, before a request finds out.
 * @throws SqliteError
 */
function readEveryColumn(db: Sqlite): void {
  for (const table of Object.values(schema))
    if (is(table, SQLiteTable)) {
      const columns = Object.values(getTableColumns(table)).map(({ name }: Column) => `\`${name}\``)
      db.prepare(`SELECT ${columns.join()} FROM ${getTableName(table)} LIMIT 0`)
    }
}

/**
 * Ends all leases at start. Only one process writes this file, so a process that held a lease has
 * ended, and its work is due again.
 */
function endLeases(db: Sqlite): void {
  db.prepare('UPDATE probe_pages SET leased_until_ms = 0').run()
  db.prepare(
    'UPDATE microsoft_work INDEXED BY microsoft_work_leased SET leased_until_ms = 0 WHERE leased_until_ms > 0',
  ).run()
  db.prepare(
    'UPDATE deliveries INDEXED BY deliveries_leased SET leased_until_ms = 0 WHERE leased_until_ms > 0',
  ).run()
}

const ANY_OF_TENANT = ['tid', 'now', 'limit']
const PLACE = ['before', 'after', 'limit', 'most']
const isNarrowed = (search: object): boolean =>
  Object.entries(search).some(([name, value]) => value !== undefined && !PLACE.includes(name))

/**
 * Runs long reads in the reader's thread. A page of a log without a filter is short, because it
 * reads only what it shows, and runs here.
 */
const longReads = (
  reader: Reader,
  acts: Pick<Store, 'searchSessions' | 'pageOfRevocations' | 'pageOfAudit'>,
): Omit<LongReads, 'backup'> => ({
  // The check of the first sign-in needs no thread.
  searchSessions: (input) =>
    Object.keys(input).every((name) => ANY_OF_TENANT.includes(name)) && input.limit === 1
      ? acts.searchSessions(input)
      : reader.ask('searchSessions', input),
  pageOfSessions: (input) => reader.ask('pageOfSessions', input),
  pageOfRevocations: (input) =>
    isNarrowed(input) ? reader.ask('pageOfRevocations', input) : acts.pageOfRevocations(input),
  pageOfAudit: (input) =>
    isNarrowed(input) ? reader.ask('pageOfAudit', input) : acts.pageOfAudit(input),
  previewRevocation: (selector, now, how) => reader.ask('previewRevocation', selector, now, how),
})

const sizeOf = async (file: string): Promise<number> =>
  (await stat(file).catch(() => undefined))?.size ?? 0

/** How often the file is checked, and the head of its log recorded, while nothing is written. */
const WATCH_MS = 1_000

/** Keeps the high-water mark beside the file, and notices a removed file while no act writes. */
function watchFile(
  file: string,
  dataFile: DataFile,
  log: { seq: () => number; position: () => HighWater },
): { stop(): void } {
  let noted = -1
  const mark = (): void => {
    const position = log.position()
    writeHighWater(file, position)
    noted = position.seq
  }
  const look = (): void => {
    try {
      dataFile.mustBeSound()
      if (log.seq() > noted) mark()
    } catch {
      // The disk is full, or the file is gone. Every act reports that itself.
    }
  }
  mark()
  const timer = setInterval(look, WATCH_MS)
  timer.unref()
  return {
    stop() {
      clearInterval(timer)
      look()
    },
  }
}

/** Moves the log into the data file, so that a copy of this one file is complete. */
function shut(db: Sqlite): void {
  try {
    db.pragma('wal_checkpoint(TRUNCATE)')
  } catch {
    // The disk is full. The commits stay in the log beside the file, and the next start reads them
    // from there.
  }
  db.close()
}
