import { readFileSync, renameSync, writeFileSync } from 'node:fs'
import { StoreUnavailable } from './store.ts'

/** How far the log of a data directory has come, in a file of its own: what a database that was restored to an earlier state does not know. */

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
    if (['ENOENT', 'ENOTDIR'].includes((error as NodeJS.ErrnoException).code ?? '')) return undefined
    throw error
  }
  const [epoch = '', seq = ''] = text.trim().split(' ')
  if (epoch === '' || !/^\d+$/.test(seq)) throw new StoreUnavailable(`${highWaterFile(file)} cannot be read. Remove it to continue without it.`)
  return { epoch, seq: Number(seq) }
}

/** Not synced: after a power failure it may be older than the log, never newer. */
export function writeHighWater(file: string, { epoch, seq }: HighWater): void {
  const part = `${highWaterFile(file)}.new`
  writeFileSync(part, `${epoch} ${seq}\n`, { mode: 0o600 })
  renameSync(part, highWaterFile(file))
}
