import { randomBytes } from 'node:crypto'
import {
  closeSync,
  existsSync,
  fdatasyncSync,
  fsyncSync,
  linkSync,
  openSync,
  rmSync,
  statSync,
} from 'node:fs'
import { dirname } from 'node:path'
import Database from 'better-sqlite3'
import { syncFile } from '../files.ts'
import { type BackupOutcome, StoreUnavailable } from '../types.ts'

/**
 * A copy of the database in one file, as it was at one moment after it was asked for. It runs in
 * the reader's thread, on a read-only connection whose transaction holds that moment. It refuses to
 * write over anything, and no unfinished copy ever has the name that was asked for.
 */

export type Position = { epoch: string; seq: number }

/**
 * Pages (of 4 KiB) copied at a time: between two steps the thread's other reads have their turn.
 * Each step is synced: a commit of the broker waits for a sync that is under way on the same disk,
 * and for the longer the more that has to write.
 */
const PAGES = 32
/**
 * After each step the copy pauses as long as the step took, so that commits have half of the disk's
 * time.
 */
const MOST_PAUSE_MS = 100

/** @param stopped asked between two steps; true ends the copy */
export const copyDatabase = (
  file: string,
  path: string,
  stopped: () => boolean,
): Promise<BackupOutcome> => placed(path, (part) => copyInto(part, file, stopped))

/** @param make writes the copy, synced, into a file that is not there yet */
export async function placed(
  path: string,
  make: (part: string) => Promise<Position>,
): Promise<BackupOutcome> {
  const part = `${path}.part-${randomBytes(6).toString('hex')}`
  try {
    if (existsSync(path)) return { outcome: 'exists' }
    const at = await make(part)
    // A link fails where there is something of that name; a rename would replace it.
    linkSync(part, path)
    syncFile(dirname(path))
    return { outcome: 'made', bytes: statSync(path).size, ...at }
  } catch (error) {
    return rejectionOf(error)
  } finally {
    rmSync(part, { force: true })
  }
}

async function copyInto(part: string, file: string, stopped: () => boolean): Promise<Position> {
  // Made by us and not by SQLite, which would go by the umask.
  const written = openSync(part, 'wx', 0o600)
  let source: Database.Database | undefined
  try {
    source = new Database(file, { readonly: true, fileMustExist: true })
    // Without it, each commit of the broker would make the copy begin again.
    source.exec('BEGIN')
    const at = source.prepare<[], Position>('SELECT epoch, seq FROM log_head WHERE id = 1').get()
    if (at === undefined)
      throw new Error('The log has no head: the data file is damaged. Restore a backup.')
    await source.backup(part, { progress: pacing(written, stopped) })
    fsyncSync(written)
    return at
  } finally {
    source?.close()
    closeSync(written)
  }
}

/** Called after each step. @returns how many pages the next one copies */
function pacing(written: number, stopped: () => boolean): () => number {
  const pause = new Int32Array(new SharedArrayBuffer(4))
  let begunMs = performance.now()
  return () => {
    if (stopped()) throw new StoreUnavailable('The store was closed before the backup was whole.')
    fdatasyncSync(written)
    Atomics.wait(pause, 0, 0, Math.min(performance.now() - begunMs, MOST_PAUSE_MS))
    begunMs = performance.now()
    return PAGES
  }
}

function rejectionOf(error: unknown): BackupOutcome {
  const { code } = error as NodeJS.ErrnoException
  if (code === 'EEXIST') return { outcome: 'exists' }
  if (typeof code !== 'string' || error instanceof StoreUnavailable) throw error
  return { outcome: 'unwritable', code }
}
