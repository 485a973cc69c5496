import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { syncFile } from '../files.ts'
import { StoreUnavailable } from '../types.ts'

/**
 * The mark that a store has moved to Postgres, in a file beside the database. It keeps every broker
 * from starting on the file that was left.
 */

export interface MoveMark {
  /** `committing`: Postgres was asked to commit, and its answer is not known yet. */
  state: 'committing' | 'moved'
  /** The host, port and database of the target. */
  to: string
  epoch: string
  seq: number
  atMs: number
}

const moveMarkFile = (file: string): string => `${file}.move`
/** Returns the name of the database file after it was disabled. */
export const movedFile = (file: string): string => `${file}.moved-to-postgres`

export function readMoveMark(file: string): MoveMark | undefined {
  const path = moveMarkFile(file)
  if (!existsSync(path)) return undefined
  try {
    return JSON.parse(readFileSync(path, 'utf8')) as MoveMark
  } catch (cause) {
    throw new StoreUnavailable(
      `${path} says that this store has moved to Postgres, and cannot be read. Look at it; remove it only if the move never ended.`,
      { cause },
    )
  }
}

/** Writes the mark. When it returns, the file is on disk, complete. */
export function writeMoveMark(file: string, mark: MoveMark): void {
  const part = `${moveMarkFile(file)}.new`
  writeFileSync(part, `${JSON.stringify(mark)}\n`, { mode: 0o600 })
  syncFile(part)
  renameSync(part, moveMarkFile(file))
}

/**
 * Throws where the store of this file has moved, or may have.
 * @throws StoreUnavailable
 */
export function mustNotHaveMoved(file: string): void {
  const mark = readMoveMark(file)
  if (mark === undefined) return
  if (mark.state === 'committing')
    throw new StoreUnavailable(
      `The move of ${file} to Postgres (${mark.to}) was interrupted at its end. Repeat the command, which finishes it: cmb migrate-store --from ${file} --to postgres://…`,
    )
  throw new StoreUnavailable(
    `The store of ${file} moved to Postgres (${mark.to}) at ${new Date(mark.atMs).toISOString()}. Set BROKER_DATABASE_URL to that database. The former file, ${movedFile(file)}, lacks every revocation since. To go back to it all the same, which signs every user out: remove ${moveMarkFile(file)}, then run cmb restore ${movedFile(file)}`,
  )
}
