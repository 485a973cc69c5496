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
}

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
  const [epoch = '', seq = ''] = text.trim().split(' ')
  if (epoch === '' || !/^\d+$/.test(seq))
    throw new StoreUnavailable(
      `${highWaterFile(file)} cannot be read. Remove it to continue without it.`,
    )
  return { epoch, seq: Number(seq) }
}

/**
 * Writes the mark durably. File and directory are synced, so that a power failure leaves neither an
 * older nor an empty file.
 */
export function writeHighWater(file: string, { epoch, seq }: HighWater): void {
  const part = `${highWaterFile(file)}.new`
  writeFileSync(part, `${epoch} ${seq}\n`, { mode: 0o600 })
  ownedAsItsDirectory([part], dirname(part))
  syncFile(part)
  renameSync(part, highWaterFile(file))
  syncFile(dirname(part))
}
