import type { Store } from '../../db/store.ts'
import { readFile } from 'node:fs/promises'
import type { SigningAlg } from '../protocol/names.ts'
import { readPem, type SigningKey } from './signing-key.ts'

/** The acts of the store on signing keys. */
export type KeyStore = Pick<Store, 'listKeys' | 'addKey' | 'activateKey' | 'retireKey'>

/** Loads signing keys from an operator's files. The store has only their public parts. */

/**
 * Reads the key files.
 * @returns the keys by `kid`, in the given order
 * @throws Error that names every unusable file and the reason
 */
export async function loadKeyFiles(
  paths: readonly string[],
): Promise<ReadonlyMap<string, SigningKey>> {
  const keys = new Map<string, SigningKey>()
  const problems: string[] = []
  for (const path of paths) {
    try {
      const key = readPem(await readFile(path, 'utf8'))
      keys.set(key.kid, key)
    } catch (error) {
      problems.push(`${path}: ${error instanceof Error ? error.message : 'it cannot be read'}`)
    }
  }
  if (problems.length > 0)
    throw new Error(`Key files that cannot be used:\n  ${problems.join('\n  ')}`)
  return keys
}

/** Publishes the keys of the files. The first key of each algorithm becomes the one that signs. */
export async function adoptFiles(
  store: KeyStore,
  files: ReadonlyMap<string, SigningKey>,
  now: number,
  keepSeconds: number,
): Promise<void> {
  const known = new Map((await store.listKeys()).map((row) => [row.kid, row]))
  const seen = new Set<SigningAlg>()
  for (const key of files.values()) {
    const row = known.get(key.kid)
    if (row?.state === 'retired')
      throw new Error(
        `The ${key.alg} key in a key file (kid ${key.kid}) was retired before. Make a new one.`,
      )
    if (!row)
      await store.addKey({
        kid: key.kid,
        alg: key.alg,
        state: 'next',
        privateSealed: null,
        publicJwk: key.publicJwk,
        createdAt: now,
      })
    if (seen.has(key.alg)) continue
    seen.add(key.alg)
    if (row?.state === 'active') continue
    const activated = await store.activateKey({ kid: key.kid, retireAt: now + keepSeconds, now })
    // Another broker that starts at the same time with the same files may have activated it.
    if (!activated && !(await isActive(store, key)))
      throw new Error(
        `The ${key.alg} key that comes first in the key files (kid ${key.kid}) has signed before and is being retired. Put another first.`,
      )
  }
}

const isActive = async (store: KeyStore, { kid }: SigningKey): Promise<boolean> =>
  (await store.listKeys()).some((row) => row.kid === kid && row.state === 'active')
