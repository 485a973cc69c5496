import { randomBytes } from 'node:crypto'
import { existsSync, mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import type { LockTarget } from '../../src/protocol/lock-target.ts'
import type { Actor } from '../../src/protocol/revocation.ts'
import { rowIds } from '../engine/values.ts'
import { remember } from '../postgres/adopt.ts'
import { serverOf } from '../postgres/connections.ts'
import { readHead } from '../postgres/lineage.ts'
import { restored } from '../postgres/take-over.ts'
import type { Sqlite } from '../sqlite/open.ts'
import { copyWhole, openCopy } from '../sqlite/restore.ts'
import { StoreUnavailable } from '../types.ts'
import { copyAll } from './move.ts'
import { rowsOf, type Position } from './source.ts'
import { openTarget, type Target } from './target.ts'

/**
 * Restores a backup into an empty Postgres database, in one transaction, and begins a new log
 * there, as every restore does. It rejects a database that a broker has used: to keep that one, the
 * operator creates another.
 */

interface RestoreIntoInput {
  backup: string
  /**
   * `postgres://…` of the database to restore into: `cmb migrate` made its tables, which are empty.
   */
  to: string
  /**
   * The directory for a copy of the backup while it is restored, and for the mark of how far the
   * log has come.
   */
  dataDir: string
  actor: Actor
  nowMs: () => number
  /** Reports progress, a line at a time. */
  report(line: string): void
}

interface RestoredInto extends Position {
  to: string
  lastRevocationAt: number | undefined
  /** The locks that are open in the backup. Some may have been lifted since. */
  openLocks: LockTarget[]
}

/**
 * Restores the backup.
 * @throws StoreUnavailable with what is wrong; nothing was restored then, unless the message says
 * so
 */
export async function restoreInto(input: RestoreIntoInput): Promise<RestoredInto> {
  const { backup, dataDir } = input
  if (!existsSync(backup)) throw new StoreUnavailable(`There is no file ${backup}.`)
  mkdirSync(dataDir, { recursive: true, mode: 0o700 })
  const copy = join(dataDir, `restoring-${randomBytes(6).toString('hex')}.db`)
  try {
    copyWhole(backup, copy)
    return await fromCopy(openCopy(copy, backup), input)
  } finally {
    for (const end of ['', '-wal', '-shm']) rmSync(`${copy}${end}`, { force: true })
  }
}

async function fromCopy(db: Sqlite, input: RestoreIntoInput): Promise<RestoredInto> {
  try {
    const target = await openTarget(input.to)
    try {
      return await into(target, db, input)
    } catch (cause) {
      if (cause instanceof StoreUnavailable) throw cause
      throw new StoreUnavailable(
        `The restore failed: ${cause instanceof Error ? cause.message : String(cause)}. Nothing was restored.`,
        { cause },
      )
    } finally {
      await target.close()
    }
  } finally {
    db.close()
  }
}

async function into(
  target: Target,
  db: Sqlite,
  { actor, nowMs, report, dataDir }: RestoreIntoInput,
): Promise<RestoredInto> {
  const sources = { nowMs, isCertain: () => false, newId: rowIds(nowMs, randomBytes) }
  const head = db.prepare<[], Position>('SELECT epoch, seq FROM log_head WHERE id = 1').get() ?? {
    epoch: '',
    seq: 0,
  }
  await target.begin(true)
  await copyAll({ head, ...rowsOf(db) }, target, report)
  const begun = await target.run(async (client) => {
    const [server, own] = [await serverOf(client), await readHead(client)]
    if (own === undefined) throw new Error('The backup has no log.')
    return restored({ client, sources, server, head: own, actor, via: 'command' }, own.seq)
  })
  await target.commit(
    'Repeat the command. If it says that the database is in use, the backup was restored: start the brokers.',
  )
  const { epoch, seq, lastRevocationAt, openLocks } = begun
  remember(join(dataDir, 'postgres'), { epoch, seq })
  return { to: target.name, epoch, seq, lastRevocationAt, openLocks }
}
