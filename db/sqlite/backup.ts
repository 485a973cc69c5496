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
 * Copies the database into one file, as it was at one moment after the request. The copy runs in
 * the reader's thread, on a read-only connection whose transaction holds that moment. It overwrites
 * nothing, and an unfinished copy never has the requested name.
 */

export type Position = { epoch: string; seq: number }

/**
 * The number of pages (of 4 KiB) that a backup copies in one step. Between two steps its thread
 * runs other reads. Each step is synced. A commit of the broker waits for a sync under way on the same
 * disk, and longer the more that sync has to write.
 */
const PAGES = 32
/**
 * The longest pause after a step. The copy pauses for as long as the step took, so that commits get
 * half of the disk's time.
 */
const MOST_PAUSE_MS = 100

/**
 * Copies the data file into a new file at `path`.
 * @param stopped called between two steps; true ends the copy
 */
export const copyDatabase = (
  file: string,
  path: string,
  stopped: () => boolean,
): Promise<BackupOutcome> => placed(path, (part) => copyInto(part, file, stopped))

/**
 * Makes a file under a temporary name and gives it its name when it is complete.
 * @param make writes and syncs the copy, into a file that does not exist yet
 */
export async function placed(
  path: string,
  make: (part: string) => Promise<Position>,
): Promise<BackupOutcome> {
  const part = `${path}.part-${randomBytes(6).toString('hex')}`
  try {
    if (existsSync(path)) return { outcome: 'exists' }
    const at = await make(part)
    // A link fails where the name exists; a rename would replace that file.
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
  // Created here, because SQLite would create it with the rights of the umask.
  const written = openSync(part, 'wx', 0o600)
  let source: Database.Database | undefined
  try {
    source = new Database(file, { readonly: true, fileMustExist: true })
    // Without a transaction, each commit of the broker would make the copy start over.
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

/**
 * Returns a function that syncs and pauses after each step.
 * @returns how many pages the next step copies
 */
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
