import { readFile } from 'node:fs/promises'
import { join } from 'node:path'

/**
 * Finds the admin socket of a data directory. It imports no other module of the broker, because
 * each `cmb` command loads it.
 */

export const socketPath = (dataDir: string): string => join(dataDir, 'broker.sock')
/**
 * Returns the path of the file that names the socket, for a data directory whose own path is too
 * long for one.
 */
export const pointer = (path: string): string => `${path}.path`

/** Returns the socket path of the broker on this data directory. */
export async function findSocket(dataDir: string): Promise<string> {
  const path = socketPath(dataDir)
  const elsewhere = await readFile(pointer(path), 'utf8').catch(() => '')
  return elsewhere.trim() || path
}
