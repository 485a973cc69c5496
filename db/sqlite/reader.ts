import type { Worker } from 'node:worker_threads'
import { StoreUnavailable } from '../types.ts'
import type { Store } from '../store.ts'
import type { DataFile } from './data-file.ts'
import { programBeside, startThread } from './thread.ts'
import { rejection, storeClosed } from './writer.ts'

/**
 * The long reads of operators: searches, dry runs and backups. They run on a read-only connection
 * in a thread of its own (long-reads.ts), so that they delay no request. Each sees at least what
 * was committed before the call. The thread starts with the first call. If it dies, its open calls
 * are rejected, and the next call starts another.
 */

export type LongReads = Pick<
  Store,
  | 'searchSessions'
  | 'pageOfSessions'
  | 'pageOfRevocations'
  | 'pageOfAudit'
  | 'previewRevocation'
  | 'backup'
>

export interface Question {
  id: number
  act: keyof LongReads
  args: unknown[]
}

export type Answer = { id: number; value: unknown } | { id: number; failure: Failure }

/** An error in the form in which it is sent between threads. */
export interface Failure {
  message: string
  /** The error code of SQLite or the file system. */
  code: string | undefined
  unavailable: boolean
}

export const CLOSE = 'close'

/** The thread that answers the questions, or a substitute in a test. */
export interface ReaderThread {
  postMessage(message: Question | typeof CLOSE): void
  /** Keeps the process alive. */
  ref(): void
  unref(): void
  on(event: 'message', listener: (answer: Answer) => void): unknown
  once(event: 'error' | 'exit', listener: (cause: unknown) => void): unknown
}

interface Waiting {
  resolve: (value: unknown) => void
  reject: (error: Error) => void
}

/**
 * The thread's memory. A search is bounded by its limit; a fault must not use up the broker's
 * memory.
 */
const HEAP_MB = 128

const THREAD = programBeside(import.meta.url, 'reader-thread')

export class Reader {
  readonly #file: string
  readonly #dataFile: DataFile
  readonly #start: (file: string) => ReaderThread
  readonly #waiting = new Map<number, Waiting>()
  #worker: ReaderThread | undefined
  #lastId = 0
  #closed = false

  constructor(
    file: string,
    dataFile: DataFile,
    start: (file: string) => ReaderThread = startReaderThread,
  ) {
    this.#file = file
    this.#dataFile = dataFile
    this.#start = start
  }

  /**
   * Asks the thread for one long read.
   * @throws StoreUnavailable where the store is closed, its file was replaced or damaged, or the
   * thread ended
   */
  async ask<K extends keyof LongReads>(
    act: K,
    ...args: Parameters<LongReads[K]>
  ): Promise<Awaited<ReturnType<LongReads[K]>>> {
    if (this.#closed) throw storeClosed()
    this.#dataFile.mustBeSound()
    const worker = (this.#worker ??= this.#open())
    const value = await new Promise((resolve, reject) => {
      const id = ++this.#lastId
      worker.postMessage({ id, act, args } satisfies Question)
      this.#waiting.set(id, { resolve, reject })
      // The thread keeps the process alive only while a question is open.
      worker.ref()
    })
    // The thread opened the file by its name, so the answer counts only if the name still leads to
    // the same file.
    this.#dataFile.mustBeSound()
    return value as Awaited<ReturnType<LongReads[K]>>
  }

  /** Ends all reads and the thread, so that the database can be closed. */
  async close(): Promise<void> {
    this.#closed = true
    const worker = this.#worker
    if (worker === undefined) return
    const ended = new Promise<void>((resolve) => void worker.once('exit', () => resolve()))
    worker.ref()
    worker.postMessage(CLOSE)
    await ended
  }

  #open(): ReaderThread {
    const worker = this.#start(this.#file)
    worker.unref()
    worker.on('message', (answer: Answer) => this.#answered(worker, answer))
    worker.once('error', (error) => this.#ended(worker, error))
    worker.once('exit', () => this.#ended(worker))
    return worker
  }

  #answered(worker: ReaderThread, answer: Answer): void {
    const waiting = this.#waiting.get(answer.id)
    this.#waiting.delete(answer.id)
    if (this.#waiting.size === 0) worker.unref()
    if ('failure' in answer) waiting?.reject(this.#errorOf(answer.failure))
    else waiting?.resolve(answer.value)
  }

  #errorOf({ message, code, unavailable }: Failure): Error {
    if (unavailable) return new StoreUnavailable(message)
    return rejection(Object.assign(new Error(message), { code }), this.#dataFile) as Error
  }

  #ended(worker: ReaderThread, cause?: unknown): void {
    if (this.#worker !== worker) return
    this.#worker = undefined
    const lost = this.#closed
      ? storeClosed()
      : new StoreUnavailable(
          'The thread that reads for operators ended before it had an answer. Ask again; the cause says why it ended.',
          { cause },
        )
    for (const { reject } of this.#waiting.values()) reject(lost)
    this.#waiting.clear()
  }
}

/**
 * Starts the thread that reads for operators.
 * @param program compiled in `dist`, or TypeScript beside the source
 */
export const startReaderThread = (file: string, program: string | URL = THREAD): Worker =>
  startThread(program, { name: 'store reader', workerData: { file }, heapMb: HEAP_MB })
