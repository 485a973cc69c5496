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
import { newRowId } from '../engine/values.ts'
import { ownedAsItsDirectory, syncFile } from '../files.ts'
import { writeHighWater } from '../high-water.ts'
import { beginRestored } from '../operator/restored.ts'
import { StoreUnavailable } from '../types.ts'
import { createExecutor } from './executor.ts'
import { lockDataFile } from './file-lock.ts'
import { mustNotHaveMoved } from './migration-marker.ts'
import { openTables } from './open.ts'
import type { Sqlite } from './open.ts'

/**
 * Puts a backup in the place of the data file, while no broker runs. What ended since the backup
 * was made is not in it, so a new log begins: its first entry revokes everything, and no key of the
 * former one signs or counts any more. It is made whole beside the data file and takes its place by
 * one rename: until then nothing is changed, from then on everything is. It refuses what is not a
 * complete database of the broker.
 */

export interface Restored {
  epoch: string
  /** Of the revocation of everything. */
  seq: number
  /**
   * When the backup was made, as far as the file says: its latest revocation's time, epoch seconds.
   */
  lastRevocationAt: number | undefined
  /** What stood there before, kept; undefined where there was nothing. */
  formerKeptAs: string | undefined
  /**
   * Locks of the backup that were not open in what stood there before, or of which that is not
   * known: they may have been lifted.
   */
  locksBack: LockTarget[]
  /**
   * Locks that were open in what stood there before, and are not in the backup: to be set again.
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
    if (!wasThere && !placed) for (const one of [file, `${file}.lock`]) rmSync(one, { force: true })
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
 * Brings what a killed broker left in the log beside its file into the file: left there, it would
 * be taken for the log of the new one. One that cannot be read is put out of the way. @returns how
 * far its log had come, and what was locked
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
  const names = new Set(others.map((one) => lockTargetName(one)))
  return targets.filter((one) => !names.has(lockTargetName(one)))
}

/**
 * With the log beside it, where it has one: a data file copied from a stopped machine is as good as
 * a backup.
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
    // No broker runs on the copy: what is revoked here is announced by none.
    const executor = createExecutor(
      db,
      { nowMs: () => nowMs, newId: () => newRowId(nowMs, randomBytes) },
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
 * Brings a copy up to date.
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
