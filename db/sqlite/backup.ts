import { randomBytes } from 'node:crypto'
import { closeSync, fsyncSync, linkSync, openSync, rmSync, statSync } from 'node:fs'
import { dirname } from 'node:path'
import { StoreUnavailable } from '../store.ts'
import type { Housekeeping } from '../store.ts'
import type { Core } from './core.ts'
import type { RevocationLog } from './log.ts'

/**
 * A copy of the open database in one file, made while acts go on: pages that change meanwhile are copied again, so that the file is the
 * database as it stands when the copy ends. It refuses to write over anything, and no unfinished copy ever has the name that was asked for.
 */

/** Pages (of 4 KiB) copied at a time: a few milliseconds, then requests have their turn. */
const PAGES = 64

export interface BackingUp {
  backup: Housekeeping['backup']
  /** Ends copies under way, so that the database can be closed. */
  stop(): Promise<void>
}

export function backingUp({ db }: Pick<Core, 'db'>, log: RevocationLog): BackingUp {
  const running = new Set<Promise<unknown>>()
  let stopped = false

  const progress = (): number => {
    if (stopped) throw new StoreUnavailable('The store was closed before the backup was whole.')
    return PAGES
  }
  const copy = async (path: string): ReturnType<Housekeeping['backup']> => {
    const part = `${path}.part-${randomBytes(6).toString('hex')}`
    try {
      // Made by us and not by SQLite, which would go by the umask.
      closeSync(openSync(part, 'wx', 0o600))
      await db.backup(part, { progress })
      // In the same turn as the last page: this is what the copy holds.
      const [epoch, seq] = [log.epoch(), log.head()]
      syncFile(part)
      // A link fails where there is something of that name; a rename would replace it.
      linkSync(part, path)
      syncFile(dirname(path))
      return { outcome: 'made', bytes: statSync(path).size, epoch, seq }
    } catch (error) {
      return refusalOf(error)
    } finally {
      rmSync(part, { force: true })
    }
  }
  return {
    async backup(path) {
      if (stopped) throw new StoreUnavailable('The store is closed.')
      const one = copy(path)
      running.add(one)
      return one.finally(() => running.delete(one))
    },
    async stop() {
      stopped = true
      await Promise.allSettled(running)
    },
  }
}

function refusalOf(error: unknown): { outcome: 'exists' } | { outcome: 'unwritable'; code: string } {
  const { code } = error as NodeJS.ErrnoException
  if (code === 'EEXIST') return { outcome: 'exists' }
  if (typeof code !== 'string' || error instanceof StoreUnavailable) throw error
  return { outcome: 'unwritable', code }
}

/** A file, or what a directory says of its files. */
export function syncFile(path: string): void {
  const file = openSync(path, 'r')
  try {
    fsyncSync(file)
  } finally {
    closeSync(file)
  }
}
