import { readFile } from 'node:fs/promises'
import { join } from 'node:path'

/**
 * Where the admin socket of a data directory is. It imports nothing of the broker, because each
 * `cmb` command loads it.
 */

export const socketPath = (dataDir: string): string => join(dataDir, 'broker.sock')
/**
 * Where the data directory's own path is too long: this file in it says where the socket is
 * instead.
 */
export const pointer = (path: string): string => `${path}.path`

/** Where a broker on this data directory listens. */
export async function findSocket(dataDir: string): Promise<string> {
  const path = socketPath(dataDir)
  const elsewhere = await readFile(pointer(path), 'utf8').catch(() => '')
  return elsewhere.trim() || path
}
