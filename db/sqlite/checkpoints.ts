import { closeSync, openSync } from 'node:fs'
import type { Worker } from 'node:worker_threads'
import type { Statement } from 'better-sqlite3'
import type { DataFile } from './data-file.ts'
import type { Sqlite } from './open.ts'
import { programBeside, startThread } from './thread.ts'

/**
 * Moves the write-ahead log into the data file, in a thread of its own (checkpoint-thread.ts).
 * SQLite would do it inside a COMMIT, and block all requests meanwhile (docs: decision 0051). It
 * moves nothing into a file that replaced the one it opened.
 */

export const MOVE = 'move'
export const CLOSE = 'close'
export type Request = typeof MOVE | typeof CLOSE

export interface ThreadData {
  file: string
  /** A descriptor of the data file, because SQLite does not expose its own. */
  descriptor: number
}

/** The answer of the thread. A failure comes from the disk, and the next move retries. */
export interface Moved {
  failure?: string
}

/** The thread that moves the log, or a substitute in a test. */
export interface CheckpointThread {
  postMessage(request: Request): void
  /** Keeps the process alive. */
  ref(): void
  unref(): void
  on(event: 'message', listener: (answer: Moved) => void): unknown
  once(event: 'error' | 'exit', listener: (cause: unknown) => void): unknown
}

/** How often the length of the log is checked, while there are commits. */
const LOOK_MS = 50
/**
 * The number of unmoved pages (of 4 KiB) that start a move. A COMMIT waits for the sync of a move
 * under way, so moves are small.
 */
const MOVE_PAGES = 250
/**
 * The length from which SQLite should write the log from its beginning again, which it can once all
 * of the log has been moved.
 */
const RESTART_PAGES = 4000
/**
 * The most pages that are moved in this thread, between two commits. The other thread never gets
 * the last ones while commits go on.
 */
const LAST_PAGES = 256
/**
 * The wait after a move that moved nothing, because a program reads the database for long or the
 * disk is full.
 */
const STUCK_MS = 1_000
/** The wait before a thread that ended is started again. */
const RESTART_MS = 60_000
/**
 * The length at which SQLite moves the log inside a COMMIT: while the thread works, and while it
 * fails.
 */
const BACKSTOP_PAGES = { moved: 262_144, failing: 1000 }

const HEAP_MB = 32

const PROGRAM = programBeside(import.meta.url, 'checkpoint-thread')

/** The length of the log, and how much of it is moved, in pages. */
interface Log {
  log: number
  checkpointed: number
}

export interface CheckpointOptions {
  file: string
  dataFile: Pick<DataFile, 'mustBeSound'>
  /**
   * Gets the reason why the thread ended or could not move the log, once until it succeeds again.
   */
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
  /** The log when the thread was last asked to move it; undefined: no move is under way. */
  #asked: Log | undefined
  #timer: NodeJS.Timeout | undefined
  #held = 0
  #failing = false
  #closed = false

  /**
   * Opens the file, and prepares the reading of the length of its log.
   * @param db the connection that commits
   */
  constructor(db: Sqlite, options: CheckpointOptions) {
    this.#db = db
    this.#options = options
    this.#length = db.prepare<[], Log>('PRAGMA wal_checkpoint(NOOP)')
    this.#passive = db.prepare<[], Log>('PRAGMA wal_checkpoint(PASSIVE)')
    this.#descriptor = openSync(options.file, 'r+')
    this.#setBackstop()
  }

  /** Schedules a check of the log. It is called after each commit. */
  committed(): void {
    if (this.#asked === undefined) this.#lookIn(LOOK_MS)
  }

  /**
   * Moves nothing while `act` runs. A backup reads the database as it was when it began, so the log
   * could not be moved past that point.
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
   * Closes the descriptor. No connection may be open then: closing any descriptor of a file
   * releases all locks of the process on it (POSIX).
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
    // While the thread fails, COMMIT keeps the log short (`BACKSTOP_PAGES`); the thread is asked
    // each time, to find out when it works again.
    else if (this.#failing || rest >= MOVE_PAGES || (log.log >= RESTART_PAGES && rest > 0))
      this.#ask(log)
  }

  /**
   * Returns undefined where the disk fails or the file is damaged. Every act reports that itself.
   */
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
      // Every act reports the problem itself.
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
