import type { Store } from '../../db/store.ts'
import { readFile } from 'node:fs/promises'
import type { SigningAlg } from '../protocol/names.ts'
import { readPem } from './signing-key.ts'
import type { SigningKey } from './signing-key.ts'

/** The keys, as far as the store keeps them. */
export type KeyStore = Pick<Store, 'listKeys' | 'addKey' | 'activateKey' | 'retireKey'>

/** Signing keys that an operator keeps in files: the store knows their public parts only. */

/**
 * @returns by kid, in the order given.
 * @throws Error that names every file that is of no use, and why
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

/** Publishes what the files hold; the first of each algorithm becomes the one that signs. */
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
    // A broker that starts at the same moment, with the same files, may have activated it.
    if (!activated && !(await isActive(store, key)))
      throw new Error(
        `The ${key.alg} key that comes first in the key files (kid ${key.kid}) has signed before and is being retired. Put another first.`,
      )
  }
}

const isActive = async (store: KeyStore, { kid }: SigningKey): Promise<boolean> =>
  (await store.listKeys()).some((row) => row.kid === kid && row.state === 'active')
