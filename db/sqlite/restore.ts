import { randomBytes } from 'node:crypto'
import {
  closeSync,
  constants,
  copyFileSync,
  existsSync,
  linkSync,
  mkdirSync,
  openSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
} from 'node:fs'
import { dirname } from 'node:path'
import Database from 'better-sqlite3'
import {
  type LockKey,
  type LockTarget,
  lockTarget,
  lockTargetName,
} from '../../src/protocol/lock-target.ts'
import type { Actor } from '../../src/protocol/revocation.ts'
import { rowIds } from '../engine/values.ts'
import { ownedAsItsDirectory, syncFile } from '../files.ts'
import { writeHighWater } from '../high-water.ts'
import { beginRestored } from '../operator/restored.ts'
import { StoreUnavailable } from '../types.ts'
import { createExecutor } from './executor.ts'
import { lockDataFile } from './file-lock.ts'
import { mustNotHaveMoved } from './migration-marker.ts'
import { openTables, type Sqlite } from './open.ts'

/**
 * Replaces the data file with a backup, while no broker runs. The backup lacks what was revoked
 * since it was made, so a new log begins: its first entry revokes everything, and no key of the
 * former log signs or verifies any more. The new file is completed beside the data file and takes
 * its place by one rename, so that either nothing is changed or everything. A backup that is not a
 * complete database of the broker is rejected.
 */

export interface Restored {
  epoch: string
  /** The number of the revocation of everything. */
  seq: number
  /** The time of the backup's latest revocation, epoch seconds: the backup is at least that new. */
  lastRevocationAt: number | undefined
  /** The new name of the former data file; undefined where there was none. */
  formerKeptAs: string | undefined
  /**
   * Locks of the backup that were not open in the former data file, or of which that is not known.
   * They may have been lifted since.
   */
  locksBack: LockTarget[]
  /**
   * Locks that were open in the former data file and are missing in the backup. The operator has to
   * set them again.
   */
  locksGone: LockTarget[]
}

interface RestoreInput {
  backup: string
  /** The data file, `broker.db`. */
  file: string
  actor: Actor
  nowMs: number
}

/**
 * Restores the backup.
 * @throws StoreUnavailable where a broker runs on the file, or the backup is not a complete
 * database of this version or an older one
 */
export function restoreBackup(input: RestoreInput): Restored {
  const { backup, file } = input
  mustNotHaveMoved(file)
  if (!existsSync(backup)) throw new StoreUnavailable(`There is no file ${backup}.`)
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 })
  const wasThere = existsSync(file)
  if (wasThere && realpathSync(file) === realpathSync(backup))
    throw new StoreUnavailable(`${backup} is the data file itself. Name a backup of it.`)
  if (!wasThere) closeSync(openSync(file, 'wx', 0o600))
  let placed = false
  try {
    const unlock = lockDataFile(file)
    try {
      const restored = replace(input, wasThere && statSync(file).size > 0)
      placed = true
      ownedAsItsDirectory([file, `${file}.lock`], dirname(file))
      return restored
    } finally {
      unlock()
    }
  } finally {
    if (!wasThere && !placed)
      for (const path of [file, `${file}.lock`]) rmSync(path, { force: true })
  }
}

function replace(input: RestoreInput, former: boolean): Restored {
  const { file, nowMs } = input
  const { seq: formerSeq, locks } = former ? settleFormer(file, nowMs) : NOTHING
  const copy = `${file}.restoring-${randomBytes(6).toString('hex')}`
  try {
    copyWhole(input.backup, copy)
    const { openLocks, ...begun } = beginAnew(copy, input, formerSeq)
    syncFile(copy)
    const formerKeptAs = former
      ? `${file}.before-${new Date(nowMs).toISOString().replaceAll(/[:.]/g, '-')}`
      : undefined
    if (formerKeptAs !== undefined) linkSync(file, formerKeptAs)
    renameSync(copy, file)
    writeHighWater(file, begun)
    return {
      ...begun,
      formerKeptAs,
      locksBack: without(openLocks, locks),
      locksGone: without(locks, openLocks),
    }
  } finally {
    for (const end of ['', '-wal', '-shm']) rmSync(`${copy}${end}`, { force: true })
  }
}

/**
 * Moves a former write-ahead log, which a killed broker left, into its data file. Otherwise SQLite
 * would take it for the log of the new file. A log that cannot be read is renamed.
 * @returns how far the former log had come, and what was locked
 */
function settleFormer(file: string, nowMs: number): { seq: number; locks: LockTarget[] } {
  let db: Sqlite | undefined
  try {
    db = new Database(file, { timeout: 1000 })
    const seq = db.prepare<[], number>('SELECT seq FROM log_head WHERE id = 1').pluck().get() ?? 0
    const locks = openLocksOf(db)
    db.pragma('wal_checkpoint(TRUNCATE)')
    return { seq, locks }
  } catch {
    return NOTHING
  } finally {
    db?.close()
    for (const end of ['-wal', '-shm'])
      if (existsSync(`${file}${end}`)) renameSync(`${file}${end}`, `${file}${end}.before-${nowMs}`)
  }
}

const NOTHING = { seq: 0, locks: [] }

const openLocksOf = (db: Sqlite): LockTarget[] =>
  db
    .prepare<[], LockKey>(
      'SELECT kind, key, oid FROM locks WHERE lifted_at IS NULL ORDER BY id LIMIT 1000',
    )
    .all()
    .map((row) => lockTarget(row))

const without = (targets: LockTarget[], others: LockTarget[]): LockTarget[] => {
  const names = new Set(others.map((target) => lockTargetName(target)))
  return targets.filter((target) => !names.has(lockTargetName(target)))
}

/**
 * Copies a data file with its write-ahead log, if it has one, so that the file of a stopped machine
 * can serve as a backup.
 */
export function copyWhole(from: string, to: string): void {
  for (const end of ['', '-wal']) {
    if (end !== '' && !existsSync(`${from}${end}`)) continue
    closeSync(openSync(`${to}${end}`, 'wx', 0o600))
    copyFileSync(`${from}${end}`, `${to}${end}`, constants.COPYFILE_FICLONE)
  }
}

function beginAnew(copy: string, { backup, actor, nowMs }: RestoreInput, formerSeq: number) {
  const db = openCopy(copy, backup)
  try {
    // The revocation is not announced: no broker runs on the copy.
    const executor = createExecutor(
      db,
      { nowMs: () => nowMs, isCertain: () => false, newId: rowIds(() => nowMs, randomBytes) },
      () => undefined,
    )
    const epoch = randomBytes(9).toString('base64url')
    const begun = db.transaction(() =>
      executor.run(beginRestored({ actor, via: 'command', epoch, formerSeq })),
    )()
    db.pragma('wal_checkpoint(TRUNCATE)')
    return { epoch, ...begun }
  } finally {
    db.close()
  }
}

/**
 * Opens a copy and brings its tables up to date.
 * @throws StoreUnavailable where it is not a complete database of this version or an older one
 */
export function openCopy(copy: string, backup: string): Sqlite {
  const rejected = (cause: unknown): StoreUnavailable =>
    cause instanceof StoreUnavailable
      ? new StoreUnavailable(cause.message.replaceAll(copy, backup), { cause })
      : new StoreUnavailable(
          `${backup} is not a complete database of the broker (${cause instanceof Error ? cause.message : 'unknown'}). Nothing was changed.`,
          {
            cause,
          },
        )
  try {
    check(copy)
    return openTables(copy)
  } catch (error) {
    throw rejected(error)
  }
}

function check(copy: string): void {
  const db = new Database(copy)
  try {
    const found = db.pragma('integrity_check(1)', { simple: true })
    if (found !== 'ok') throw new Error(String(found))
    if (db.prepare("SELECT 1 FROM sqlite_master WHERE name = 'log_head'").get() === undefined)
      throw new Error('it has other tables')
    if (db.prepare('SELECT 1 FROM log_head WHERE id = 1').get() === undefined)
      throw new Error('its log has no head')
  } finally {
    db.close()
  }
}
