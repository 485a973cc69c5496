import { readFileSync, renameSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { syncFile } from './files.ts'
import { StoreUnavailable } from './types.ts'

/**
 * How far the log of a data directory has come, in a file of its own: what a database that was
 * restored to an earlier state does not know.
 */

/** How far the log has come that a broker served from. */
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
    throw error
  }
  const [epoch = '', seq = ''] = text.trim().split(' ')
  if (epoch === '' || !/^\d+$/.test(seq))
    throw new StoreUnavailable(
      `${highWaterFile(file)} cannot be read. Remove it to continue without it.`,
    )
  return { epoch, seq: Number(seq) }
}

/**
 * Synced, file and folder: after a power failure neither an older file nor an empty one may be
 * there.
 */
export function writeHighWater(file: string, { epoch, seq }: HighWater): void {
  const part = `${highWaterFile(file)}.new`
  writeFileSync(part, `${epoch} ${seq}\n`, { mode: 0o600 })
  syncFile(part)
  renameSync(part, highWaterFile(file))
  syncFile(dirname(part))
}
