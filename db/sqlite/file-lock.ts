import { realpathSync } from 'node:fs'
import Database from 'better-sqlite3'
import { StoreUnavailable } from '../types.ts'

/**
 * Locks the data file for this process, because SQLite has one writing process (docs: decision 1).
 * The lock is SQLite's own, on an empty file beside the data: the kernel releases it however the
 * process ends, and it does not block readers of the data.
 */
export function lockDataFile(file: string): () => void {
  const lock = new Database(`${realpathSync(file)}.lock`, { timeout: 0 })
  try {
    lock.exec('BEGIN EXCLUSIVE')
  } catch (cause) {
    lock.close()
    throw new StoreUnavailable(
      `Another broker has ${file} open, and only one process may write it. Stop that broker, use its running process through the cmb command, or give this one its own BROKER_DATA_DIR.`,
      { cause },
    )
  }
  return () => lock.close()
}
