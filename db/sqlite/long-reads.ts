import type { MessagePort } from 'node:worker_threads'
import Database from 'better-sqlite3'
import type { Engine } from '../engine/act.ts'
import { pageOfAudit } from '../log/audit.ts'
import { pageOfRevocations } from '../log/revocations.ts'
import { previewRevocation } from '../revocation/preview.ts'
import { pageOfSessions, searchSessions } from '../session/live.ts'
import { StoreUnavailable } from '../types.ts'
import { copyDatabase } from './backup.ts'
import { createExecutor } from './executor.ts'
import { CLOSE, type Answer, type Failure, type LongReads, type Question } from './reader.ts'

/** Answers the questions of reader.ts, one message for each. Its connections are read-only. */
export function answerQuestions(port: MessagePort, file: string): void {
  const underWay = new Set<Promise<void>>()
  const reads = openReads(file)
  const close = async (): Promise<void> => {
    reads.stop()
    await Promise.all(underWay)
    reads.close()
    port.close()
  }
  port.on('message', (message: Question | typeof CLOSE) => {
    if (message === CLOSE) return void close()
    const answered = answer(message, reads.acts)
      .then((said) => port.postMessage(said))
      .finally(() => underWay.delete(answered))
    underWay.add(answered)
  })
}

function openReads(file: string) {
  let stopped = false
  let opened: ReturnType<typeof open> | undefined
  const reads = (): ReturnType<typeof open> => (opened ??= open(file, () => stopped))
  /**
   * Backups run one at a time. Two would share the disk, and each would delay the move of the
   * write-ahead log into the file.
   */
  let lastBackup: Promise<unknown> = Promise.resolve()
  const acts: LongReads = {
    searchSessions: (input) => searchSessions(reads().engine, input),
    pageOfSessions: (input) => pageOfSessions(reads().engine, input),
    pageOfRevocations: (input) => pageOfRevocations(reads().engine, input),
    pageOfAudit: (input) => pageOfAudit(reads().engine, input),
    previewRevocation: (selector, now, how) =>
      previewRevocation(reads().engine, selector, now, how),
    backup(path) {
      const copy = lastBackup.then(() => copyDatabase(file, path, () => stopped))
      lastBackup = copy.catch(() => {})
      return copy
    },
  }
  return { acts, stop: () => void (stopped = true), close: () => opened?.db.close() }
}

/** Rejects a request for the time or an id: a read depends on no clock and makes no row. */
function notGiven(): never {
  throw new Error('An act that only reads asked for the time or an id.')
}

function open(file: string, stopped: () => boolean) {
  const db = new Database(file, { readonly: true, fileMustExist: true, timeout: 1000 })
  const executor = createExecutor(
    db,
    { nowMs: notGiven, isCertain: notGiven, newId: notGiven },
    () => undefined,
  )
  const engine: Pick<Engine, 'read'> = {
    async read(act) {
      if (stopped()) throw new StoreUnavailable('The store was closed before the answer was whole.')
      return executor.run(act())
    },
  }
  return { db, engine }
}

const failureOf = (error: unknown): Failure => ({
  message: error instanceof Error ? error.message : String(error),
  code: (error as NodeJS.ErrnoException).code,
  unavailable: error instanceof StoreUnavailable,
})

async function answer({ id, act, args }: Question, acts: LongReads): Promise<Answer> {
  try {
    return { id, value: await (acts[act] as (...args: unknown[]) => Promise<unknown>)(...args) }
  } catch (error) {
    return { id, failure: failureOf(error) }
  }
}
