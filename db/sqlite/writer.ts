import {
  currentRequest,
  inRequest,
  type RequestContext,
} from '../../src/runtime/request-context.ts'
import { StoreUnavailable, type Committed } from '../types.ts'
import type { DataFile } from './data-file.ts'
import type { Sqlite } from './open.ts'

/**
 * The group-commit writer. Acts that wait run in one `BEGIN IMMEDIATE … COMMIT`, each in its own
 * savepoint, and each is answered only when the commit is on disk: many requests, one fsync. An act
 * that throws is rolled back alone; a transaction that SQLite rolls back fails all of its acts.
 */
export interface Writer {
  /**
   * Runs an act in the next batch.
   * @param act synchronous and bounded; if it throws, it is rolled back and the call rejects
   */
  write<T>(act: () => T): Promise<T>
  /** Runs one page of a bulk act in a transaction of its own, after the waiting acts. */
  writePage<T>(act: () => T): Promise<T>
  /**
   * Records what the running act has revoked. It is announced once the commit is on disk, before
   * the act is answered.
   */
  revoked(committed: Committed): void
  /** Runs all waiting acts, then rejects new ones. */
  close(): void
}

/**
 * The most acts of one transaction. It bounds how long the event loop waits, and how many acts a
 * full disk can fail together.
 */
const BATCH = 200

interface Waiting {
  act: () => unknown
  /** The request of this act: a batch has acts of several. */
  request: RequestContext | undefined
  resolve: (value: unknown) => void
  reject: (error: unknown) => void
}

type Ran = { ok: true; value: unknown; revoked: Committed[] } | { ok: false; error: unknown }

/**
 * Creates the writer, which runs acts in batches that share a commit.
 * @param file checked before each commit: it must still be the file that was opened
 * @param announce takes what a commit revoked
 * @param committed called after each commit, when its acts are answered
 */
export function createWriter(
  db: Sqlite,
  file: Pick<DataFile, 'mustBeSound' | 'damaged'>,
  announce: (committed: readonly Committed[]) => void = () => undefined,
  committed: () => void = () => undefined,
): Writer {
  const commits = createCommits(db, file)
  const queues = createQueues()
  let [scheduled, closed] = [false, false]

  const flush = (): void => {
    scheduled = false
    const batch = queues.next()
    if (!queues.isEmpty()) schedule()
    if (batch.length === 0) return
    answer(batch, commits.run(batch), announce)
    committed()
  }

  /** Waits until the requests that have already arrived are read, so that they share one commit. */
  const schedule = (): void => {
    if (scheduled) return
    scheduled = true
    setImmediate(flush)
  }

  const adding =
    (add: (waiting: Waiting) => void) =>
    <T>(act: () => T) =>
      new Promise<T>((resolve, reject) => {
        if (closed) return reject(storeClosed())
        add({
          act,
          request: currentRequest(),
          resolve: resolve as (value: unknown) => void,
          reject,
        })
        schedule()
      })

  return {
    write: adding(queues.addAct),
    writePage: adding(queues.addPage),
    revoked: (committed) => commits.revoked(committed),
    close() {
      closed = true
      while (!queues.isEmpty()) flush()
    },
  }
}

/**
 * Returns the queues. Acts go before pages, but after one transaction of acts a waiting page gets
 * the next, so that neither starves.
 */
function createQueues() {
  let acts: Waiting[] = []
  const pages: Waiting[] = []
  let passedOver = false
  return {
    addAct: (waiting: Waiting): void => void acts.push(waiting),
    addPage: (waiting: Waiting): void => void pages.push(waiting),
    isEmpty: (): boolean => acts.length === 0 && pages.length === 0,
    /** Returns what the next transaction runs. */
    next(): Waiting[] {
      if (pages.length > 0 && (passedOver || acts.length === 0)) {
        passedOver = false
        return pages.splice(0, 1)
      }
      passedOver = pages.length > 0
      const batch = acts.slice(0, BATCH)
      acts = acts.slice(BATCH)
      return batch
    },
  }
}

function answer(
  batch: readonly Waiting[],
  ran: readonly Ran[],
  announce: (committed: readonly Committed[]) => void,
): void {
  const revoked = ran.flatMap((result) => (result.ok ? result.revoked : []))
  if (revoked.length > 0) announce(revoked)
  for (const [i, { resolve, reject }] of batch.entries()) {
    const result = ran[i]
    if (result?.ok) resolve(result.value)
    else reject(result?.error)
  }
}

const prepareTransaction = (db: Sqlite) => ({
  begin: db.prepare('BEGIN IMMEDIATE'),
  commit: db.prepare('COMMIT'),
  rollback: db.prepare('ROLLBACK'),
  savepoint: db.prepare('SAVEPOINT act'),
  release: db.prepare('RELEASE act'),
  undo: db.prepare('ROLLBACK TO act'),
})

/** Runs the acts of a batch in one transaction. */
function createCommits(db: Sqlite, file: Pick<DataFile, 'mustBeSound' | 'damaged'>) {
  const statements = prepareTransaction(db)
  let noted: Committed[] = []

  const runOne = ({ act, request }: Waiting): Ran => {
    statements.savepoint.run()
    noted = []
    try {
      const value = inRequest(request, act)
      statements.release.run()
      return { ok: true, value, revoked: noted }
    } catch (error) {
      // A full disk can have rolled back everything, savepoints included. Then there is nothing to
      // undo, and the whole batch fails.
      if (!db.inTransaction) throw error
      statements.undo.run()
      statements.release.run()
      return { ok: false, error: rejection(error, file) }
    }
  }

  return {
    revoked: (committed: Committed): void => void noted.push(committed),
    run(batch: readonly Waiting[]): Ran[] {
      try {
        statements.begin.run()
        const ran = batch.map(runOne)
        file.mustBeSound()
        statements.commit.run()
        return ran
      } catch (error) {
        rollBack(db, statements)
        const failed: Ran = { ok: false, error: unavailable(rejection(error, file)) }
        return batch.map(() => failed)
      }
    },
  }
}

function rollBack(db: Sqlite, { rollback }: ReturnType<typeof prepareTransaction>): void {
  try {
    if (db.inTransaction) rollback.run()
  } catch {
    // SQLite has already rolled back the transaction. The next BEGIN shows whether it works again.
  }
}

const isSqliteError = (error: unknown): error is Error & { code: string } =>
  error instanceof Error &&
  'code' in error &&
  typeof error.code === 'string' &&
  error.code.startsWith('SQLITE_')

export const storeClosed = (): StoreUnavailable => new StoreUnavailable('The store is closed.')

/**
 * Returns the error that the caller gets. A fault of the disk or file becomes `StoreUnavailable`; a
 * constraint or wrong SQL is a bug and is returned unchanged.
 */
export function rejection(error: unknown, file: Pick<DataFile, 'damaged'>): unknown {
  if (!isSqliteError(error)) return error
  if (/^SQLITE_(CORRUPT|NOTADB)/.test(error.code)) file.damaged(error.message)
  return /^SQLITE_(FULL|IOERR|BUSY|LOCKED|READONLY|NOMEM|CANTOPEN|CORRUPT|NOTADB|PROTOCOL)/.test(
    error.code,
  )
    ? unavailable(error)
    : error
}

function unavailable(error: unknown): StoreUnavailable {
  if (error instanceof StoreUnavailable) return error
  if (isSqliteError(error) && error.code === 'SQLITE_FULL')
    return new StoreUnavailable(
      'The disk is full: nothing was written. Free space on the volume of BROKER_DATA_DIR.',
      { cause: error },
    )
  return new StoreUnavailable(
    'The store could not write: nothing was written. The cause says why; look at the volume of BROKER_DATA_DIR.',
    {
      cause: error,
    },
  )
}
