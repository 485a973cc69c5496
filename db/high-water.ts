import { readFileSync, renameSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { notAllowed, ownedAsItsDirectory, syncFile } from './files.ts'
import { StoreUnavailable } from './types.ts'

/**
 * The high-water mark of a data directory, in a file beside the database: a database that was
 * restored to an earlier state does not know how far its log had come.
 */

/** The furthest point of the log from which a broker has served. */
export interface HighWater {
  epoch: string
  seq: number
  /**
   * The hash of the chain at `seq`. Null where it is not known: the mark of version 1.0.0-rc.2, and
   * that of a restore until a broker has started, have none.
   */
  hash?: string | null | undefined
}

/**
 * Returns SQL for the hash of the chain at a number of the log of revocations: NULL where retention
 * has deleted the entry, or the number was never given to one.
 * @param seq a parameter of the statement, or a column
 */
export const hashAtSql = (seq: string): string => `coalesce(
    (SELECT hash FROM chain_heads WHERE log = 'revocations' AND number = ${seq}),
    (SELECT hash FROM revocations WHERE seq = ${seq}),
    (SELECT hash FROM chain_begins WHERE log = 'revocations' AND number = ${seq} ORDER BY id DESC LIMIT 1))`

/**
 * Returns true if a log went back to an earlier state: it ends before a point that was known of it,
 * or has another entry there. The numbers alone do not show it, because they catch up.
 * @param hashAt the hash of the chain at the known number, where the log still has it
 */
export const wentBack = (
  head: HighWater,
  known: HighWater,
  hashAt: string | null | undefined,
): boolean =>
  head.epoch === known.epoch &&
  (head.seq < known.seq || (isHash(hashAt) && isHash(known.hash) && hashAt !== known.hash))

const isHash = (value: string | null | undefined): value is string => typeof value === 'string'

export const highWaterFile = (file: string): string => `${file}.mark`

export function readHighWater(file: string): HighWater | undefined {
  let text: string
  try {
    text = readFileSync(highWaterFile(file), 'utf8')
  } catch (error) {
    if (['ENOENT', 'ENOTDIR'].includes((error as NodeJS.ErrnoException).code ?? ''))
      return undefined
    throw notAllowed(highWaterFile(file), error)
  }
  const [epoch = '', seq = '', hash = null] = text.trim().split(' ')
  if (epoch === '' || !/^\d+$/.test(seq))
    throw new StoreUnavailable(
      `${highWaterFile(file)} cannot be read. Remove it to continue without it.`,
    )
  return { epoch, seq: Number(seq), hash }
}

/**
 * Writes the mark durably. File and directory are synced, so that a power failure leaves neither an
 * older nor an empty file.
 */
export function writeHighWater(file: string, { epoch, seq, hash }: HighWater): void {
  const part = `${highWaterFile(file)}.new`
  const text = [epoch, seq, ...(isHash(hash) ? [hash] : [])].join(' ')
  writeFileSync(part, `${text}\n`, { mode: 0o600 })
  ownedAsItsDirectory([part], dirname(part))
  syncFile(part)
  renameSync(part, highWaterFile(file))
  syncFile(dirname(part))
}
