import { fdatasyncSync } from 'node:fs'
import { parentPort, workerData } from 'node:worker_threads'
import Database from 'better-sqlite3'
import { CLOSE, type Moved, type Request, type ThreadData } from './checkpoints.ts'

/**
 * The thread of checkpoints.ts: moves the write-ahead log into the data file on request. It reads
 * and writes no row.
 */

if (parentPort === null)
  throw new Error('This file is the thread of db/sqlite/checkpoints.ts, and nothing by itself.')
const port = parentPort
const { file, descriptor } = workerData as ThreadData
const db = new Database(file, { fileMustExist: true, timeout: 1000 })
db.pragma('synchronous = FULL')
const passive = db.prepare('PRAGMA wal_checkpoint(PASSIVE)')

/**
 * Moves the log and syncs the data file. SQLite itself syncs the file only if no commit came
 * meanwhile; the sync here leaves little for the checkpoint that completes.
 */
function move(): Moved {
  try {
    passive.get()
    fdatasyncSync(descriptor)
    return {}
  } catch (error) {
    return { failure: error instanceof Error ? error.message : String(error) }
  }
}

port.on('message', (request: Request) => {
  if (request !== CLOSE) return port.postMessage(move())
  db.close()
  port.close()
})
