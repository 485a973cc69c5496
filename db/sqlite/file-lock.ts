import { realpathSync } from 'node:fs'
import Database from 'better-sqlite3'
import { StoreUnavailable } from '../types.ts'

/**
 * SQLite has one writing process (docs: decision 1). The lock is SQLite's own, held on an empty
 * file beside the data: the kernel lets go of it when its process dies, however it dies, and
 * readers of the data itself are not in its way.
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
