import { statSync } from 'node:fs'
import { Worker } from 'node:worker_threads'
import { createRequire } from 'node:module'
import type Database from 'better-sqlite3'
import { hashAtSql, highWaterFile, readHighWater, wentBack, type HighWater } from '../high-water.ts'
import { StoreUnavailable } from '../types.ts'

/**
 * Checks that the data file is still the one that this broker opened: present, not replaced, not
 * older than the broker's commits, not damaged. After a problem every act is rejected until the
 * next start, because an answer from another file could be wrong.
 */
export class DataFile {
  readonly #file: string
  readonly #identity: string
  #problem: string | undefined

  constructor(file: string) {
    this.#file = file
    this.#identity = identityOf(file) ?? ''
  }

  /**
   * Checks the file behind the name, with one system call.
   * @throws StoreUnavailable from the first problem on
   */
  mustBeSound(): void {
    if (this.#problem === undefined && identityOf(this.#file) !== this.#identity)
      this.#problem = `The database ${this.#file} was removed or replaced while the broker was running. Nothing more is written or read. Put the file back as it was, or stop the broker and run: cmb restore BACKUP. Then start the broker again.`
    this.mustBeUndamaged()
  }

  /**
   * Throws where a problem was found, without checking again.
   * @throws StoreUnavailable
   */
  mustBeUndamaged(): void {
    if (this.#problem !== undefined) throw new StoreUnavailable(this.#problem)
  }

  /** Records that SQLite itself has found the file damaged. */
  damaged(found: string): void {
    this.#problem ??= damagedMessage(this.#file, found)
  }

  /**
   * Runs `PRAGMA quick_check` on a connection and thread of its own.
   * @returns what it found wrong; undefined: nothing
   */
  async check(): Promise<string | undefined> {
    const found = await quickCheck(this.#file)
    if (found !== undefined) this.damaged(found)
    return this.#problem
  }
}

function identityOf(file: string): string | undefined {
  const found = statSync(file, { throwIfNoEntry: false })
  return found === undefined ? undefined : `${found.dev}/${found.ino}`
}

export const damagedMessage = (file: string, found: string): string =>
  `The database ${file} is damaged (${found}). The broker does not serve from it. Stop the broker and restore the latest backup: cmb restore BACKUP.`

/** CommonJS, because a worker made from a string can import no module of the broker. */
const CHECK = `
const { parentPort, workerData } = require('node:worker_threads')
const Database = require(workerData.driver)
let found
try {
  const db = new Database(workerData.file, { readonly: true, fileMustExist: true })
  found = db.pragma('quick_check(1)', { simple: true })
  db.close()
} catch (error) {
  if (!/^SQLITE_(CORRUPT|NOTADB)/.test(error.code)) throw error
  found = error.message
}
parentPort.postMessage(String(found))
`

/**
 * Returns the first damage that the check finds; undefined: none.
 * @throws where the check itself could not run
 */
async function quickCheck(file: string): Promise<string | undefined> {
  const driver = createRequire(import.meta.url).resolve('better-sqlite3')
  const worker = new Worker(CHECK, { eval: true, workerData: { driver, file } })
  // A broker that stops does not wait for the check.
  worker.unref()
  const found = await new Promise<string>((resolve, reject) => {
    worker.once('message', resolve)
    worker.once('error', reject)
    worker.once('exit', () =>
      reject(new Error('The check of the database ended before it had an answer.')),
    )
  })
  return found === 'ok' ? undefined : found
}

/**
 * Called before any file is created.
 * @throws StoreUnavailable where a database was here and is missing
 */
export function mustNotBeMissing(file: string): void {
  const size = statSync(file, { throwIfNoEntry: false })?.size ?? 0
  const before = size > 0 ? undefined : readHighWater(file)
  if (before === undefined) return
  throw new StoreUnavailable(
    `The database ${file} is missing: ${highWaterFile(file)} says that its log had come to ${before.seq}. Check that the volume is mounted, or restore a backup: cmb restore BACKUP. To begin with an empty database instead (every user signs in again), remove ${highWaterFile(file)}.`,
  )
}

/**
 * Checks the log against the high-water mark.
 * @param now the head of the log
 * @throws StoreUnavailable where the database is older than this data directory's latest, also if
 * its log has grown since, or another one
 */
export function mustNotBeOlder(file: string, db: Database.Database, now: HighWater): void {
  const before = readHighWater(file)
  if (before === undefined) return
  const hashAt = db
    .prepare<{ seq: number }, string | null>(`SELECT ${hashAtSql('@seq')}`)
    .pluck()
    .get({ seq: before.seq })
  const isSameLog = before.epoch === now.epoch
  if (isSameLog && !wentBack(now, before, hashAt)) return
  const what = isSameLog
    ? now.seq < before.seq
      ? `is older than it was: its log ends at ${now.seq}, and had come to ${before.seq}`
      : `went back to an earlier state: entry ${before.seq} of its log is not the one that it had`
    : `belongs to another log (epoch ${now.epoch} instead of ${before.epoch})`
  throw new StoreUnavailable(
    `The database ${file} ${what}. Revocations since then are missing, so sessions that had ended would come back. Move the file away and restore from it, which signs every user out: mv ${file} FILE && cmb restore FILE.`,
  )
}
