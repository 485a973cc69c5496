import { parentPort, workerData } from 'node:worker_threads'
import Database from 'better-sqlite3'
import { previewRevocation } from '../revocation/preview.ts'
import { searchSessions } from '../session/live.ts'
import { StoreUnavailable } from '../store.ts'
import type { Engine } from '../engine/act.ts'
import { copyDatabase } from './backup.ts'
import { createExecutor } from './executor.ts'
import { CLOSE } from './reader.ts'
import type { Answer, Failure, LongReads, Question } from './reader.ts'

/** The reader's thread: answers reader.ts, one message for each question. It owns its connections; it refuses to write to the database. */

if (parentPort === null) throw new Error('This file is the thread of db/sqlite/reader.ts, and nothing by itself.')
const port = parentPort
const { file } = workerData as { file: string }
const underWay = new Set<Promise<void>>()
let stopped = false
let opened: { db: Database.Database; reads: Omit<LongReads, 'backup'> } | undefined
/** One at a time: two would share the disk, and each would keep the write-ahead log from being moved into the file for longer. */
let lastBackup: Promise<unknown> = Promise.resolve()

function open(): NonNullable<typeof opened> {
  const db = new Database(file, { readonly: true, fileMustExist: true, timeout: 1000 })
  const executor = createExecutor(db, () => undefined)
  const engine: Pick<Engine, 'read'> = {
    async read(act) {
      if (stopped) throw new StoreUnavailable('The store was closed before the answer was whole.')
      return executor.run(act())
    },
  }
  return {
    db,
    reads: {
      searchSessions: (input) => searchSessions(engine, input),
      previewRevocation: (selector, now, how) => previewRevocation(engine, selector, now, how),
    },
  }
}

const acts: LongReads = {
  searchSessions: (...args) => (opened ??= open()).reads.searchSessions(...args),
  previewRevocation: (...args) => (opened ??= open()).reads.previewRevocation(...args),
  backup(path) {
    const copy = lastBackup.then(() => copyDatabase(file, path, () => stopped))
    lastBackup = copy.catch(() => {})
    return copy
  },
}

const failureOf = (error: unknown): Failure => ({
  message: error instanceof Error ? error.message : String(error),
  code: (error as NodeJS.ErrnoException).code,
  unavailable: error instanceof StoreUnavailable,
})

async function answer({ id, act, args }: Question): Promise<void> {
  try {
    const value = await (acts[act] as (...args: unknown[]) => Promise<unknown>)(...args)
    port.postMessage({ id, value } satisfies Answer)
  } catch (error) {
    port.postMessage({ id, failure: failureOf(error) } satisfies Answer)
  }
}

async function close(): Promise<void> {
  stopped = true
  await Promise.all(underWay)
  opened?.db.close()
  port.close()
}

port.on('message', (message: Question | typeof CLOSE) => {
  if (message === CLOSE) return void close()
  const one = answer(message).finally(() => underWay.delete(one))
  underWay.add(one)
})
