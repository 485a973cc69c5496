import { closeSync, openSync } from 'node:fs'
import type { Worker } from 'node:worker_threads'
import type { Statement } from 'better-sqlite3'
import type { DataFile } from './data-file.ts'
import type { Sqlite } from './open.ts'
import { programBeside, startThread } from './thread.ts'

/**
 * Moves the write-ahead log into the data file, in a thread of its own (checkpoint-thread.ts).
 * SQLite would do it inside a COMMIT, and hold up all requests meanwhile (docs: decision 0051). It
 * owns the thread; it refuses to touch a file that is not the one that was opened.
 */

export const MOVE = 'move'
export const CLOSE = 'close'
export type Request = typeof MOVE | typeof CLOSE

export interface ThreadData {
  file: string
  /** The data file, open: SQLite's own descriptor cannot be had. */
  descriptor: number
}

/** What the thread answers. A failure is of the disk, and the next move tries again. */
export interface Moved {
  failure?: string
}

/** What moves the log: a thread, or a stand-in in a test. */
export interface CheckpointThread {
  postMessage(request: Request): void
  /** Keeps the process alive. */
  ref(): void
  unref(): void
  on(event: 'message', listener: (answer: Moved) => void): unknown
  once(event: 'error' | 'exit', listener: (cause: unknown) => void): unknown
}

/** How often the length of the log is looked at, while there are commits. */
const LOOK_MS = 50
/**
 * So many pages (of 4 KiB) that are not moved yet are worth a move. A COMMIT waits for the sync of
 * a move that is under way, so moves are small.
 */
const MOVE_PAGES = 250
/**
 * From this length on, SQLite is to write the log from its beginning again. It can where all of the
 * log has been moved.
 */
const RESTART_PAGES = 4000
/**
 * So few are moved in this thread, between two commits: while commits go on, the thread never gets
 * the last ones.
 */
const LAST_PAGES = 256
/**
 * Until the next move, where one moved nothing: a program reads the database for long, or the disk
 * is full.
 */
const STUCK_MS = 1_000
/** Until a thread that died is started again. */
const RESTART_MS = 60_000
/** Past this length a COMMIT moves the log: while the thread moves it, and while that fails. */
const BACKSTOP_PAGES = { moved: 262_144, failing: 1000 }

const HEAP_MB = 32

const PROGRAM = programBeside(import.meta.url, 'checkpoint-thread')

/** In pages. */
interface Log {
  log: number
  checkpointed: number
}

export interface CheckpointOptions {
  file: string
  dataFile: Pick<DataFile, 'mustBeSound'>
  /** Takes why the thread ended, or why it could not move the log: once until it can. */
  failed?: ((cause: unknown) => void) | undefined
  start?: ((data: ThreadData) => CheckpointThread) | undefined
  restartMs?: number | undefined
}

export class Checkpoints {
  readonly #db: Sqlite
  readonly #options: CheckpointOptions
  #descriptor: number | undefined
  readonly #length
  readonly #passive
  #thread: CheckpointThread | undefined
  /** The log when the thread was asked; undefined: it is asked for nothing. */
  #asked: Log | undefined
  #timer: NodeJS.Timeout | undefined
  #held = 0
  #failing = false
  #closed = false

  /** @param db the connection that commits */
  constructor(db: Sqlite, options: CheckpointOptions) {
    this.#db = db
    this.#options = options
    this.#length = db.prepare<[], Log>('PRAGMA wal_checkpoint(NOOP)')
    this.#passive = db.prepare<[], Log>('PRAGMA wal_checkpoint(PASSIVE)')
    this.#descriptor = openSync(options.file, 'r+')
    this.#setBackstop()
  }

  /** After each commit. */
  committed(): void {
    if (this.#asked === undefined) this.#lookIn(LOOK_MS)
  }

  /**
   * Moves nothing while `act` runs: a backup reads the database as it was when it began, and the
   * log could not be moved past that.
   */
  async holding<T>(act: () => Promise<T>): Promise<T> {
    this.#held++
    this.#setBackstop()
    try {
      return await act()
    } finally {
      this.#held--
      this.#setBackstop()
      this.#lookIn(0)
    }
  }

  /** Ends the thread, so that the last connection can be closed. */
  async end(): Promise<void> {
    this.#closed = true
    clearTimeout(this.#timer)
    const thread = this.#thread
    if (thread === undefined) return
    const ended = new Promise<void>((resolve) => void thread.once('exit', () => resolve()))
    thread.ref()
    thread.postMessage(CLOSE)
    await ended
  }

  /**
   * Once no connection is open: to close any descriptor of a file takes every lock on it from the
   * process (POSIX).
   */
  release(): void {
    if (this.#descriptor !== undefined) closeSync(this.#descriptor)
    this.#descriptor = undefined
  }

  #lookIn(ms: number): void {
    if (this.#closed) return
    this.#timer ??= setTimeout(() => this.#look(), ms).unref()
  }

  #look(): void {
    this.#timer = undefined
    if (this.#closed || this.#held > 0 || this.#asked !== undefined) return
    const log = this.#read(this.#length)
    if (log === undefined) return
    const rest = log.log - log.checkpointed
    if (!this.#failing && log.log >= RESTART_PAGES && rest > 0 && rest <= LAST_PAGES)
      this.#read(this.#passive)
    // While the thread fails, COMMIT keeps the rest small.
    else if (this.#failing || rest >= MOVE_PAGES || (log.log >= RESTART_PAGES && rest > 0))
      this.#ask(log)
  }

  /** @returns undefined where the disk fails or the file is damaged: every act says so itself */
  #read(statement: Statement<[], Log>): Log | undefined {
    try {
      return statement.get()
    } catch {
      return undefined
    }
  }

  #ask(log: Log): void {
    try {
      this.#options.dataFile.mustBeSound()
    } catch {
      // Every act says so itself.
      return
    }
    if (this.#descriptor === undefined) return
    this.#thread ??= this.#open(this.#descriptor)
    this.#asked = log
    this.#thread.postMessage(MOVE)
  }

  #open(descriptor: number): CheckpointThread {
    const { file, start = startCheckpointThread } = this.#options
    const thread = start({ file, descriptor })
    thread.unref()
    thread.on('message', (moved) => this.#answered(moved))
    thread.once('error', (error) => this.#died(thread, error))
    thread.once('exit', () =>
      this.#died(thread, new Error('The thread that moves the write-ahead log ended.')),
    )
    return thread
  }

  #answered({ failure }: Moved): void {
    const [before, after] = [this.#asked, this.#read(this.#length)]
    this.#asked = undefined
    if (this.#closed) return
    this.#noteFailure(failure === undefined ? undefined : new Error(failure))
    const stuck =
      before !== undefined &&
      after !== undefined &&
      after.log >= before.log &&
      after.checkpointed === before.checkpointed
    this.#lookIn(stuck || failure !== undefined ? STUCK_MS : 0)
  }

  #died(thread: CheckpointThread, cause: unknown): void {
    if (this.#thread !== thread) return
    this.#thread = undefined
    this.#asked = undefined
    if (this.#closed) return
    this.#noteFailure(cause)
    clearTimeout(this.#timer)
    this.#timer = undefined
    this.#lookIn(this.#options.restartMs ?? RESTART_MS)
  }

  #noteFailure(cause: unknown): void {
    const failing = cause !== undefined
    if (failing === this.#failing) return
    this.#failing = failing
    this.#setBackstop()
    if (failing) this.#options.failed?.(cause)
  }

  #setBackstop(): void {
    const pages = this.#held > 0 ? 0 : BACKSTOP_PAGES[this.#failing ? 'failing' : 'moved']
    if (this.#db.open) this.#db.exec(`PRAGMA wal_autocheckpoint = ${pages}`)
  }
}

export const startCheckpointThread = (data: ThreadData, program: string | URL = PROGRAM): Worker =>
  startThread(program, { name: 'store checkpoints', workerData: data, heapMb: HEAP_MB })
