import type { Store } from '../../../db/store.ts'
import type { Deps } from '../deps.ts'
import { equalInConstantTime, sha256 } from '../../runtime/compare.ts'
import type { Random } from '../../runtime/ids.ts'

/**
 * The one-time token of /setup, which authenticates the operator of the machine. The store keeps
 * its hash for 15 minutes. Once an administrator has signed in, only a recovery token can be
 * created and used, for when no administrator can sign in.
 */

const TOKEN_SECONDS = 900
const TOKEN = 'setup/token'
const OPERATOR_SINCE = 'setup/operator_since'

interface Kept {
  hash: string
  expiresAt: number
  recovery?: boolean
}

type StoreOnly = Pick<Store, 'setting' | 'setSetting' | 'setSettingOnce' | 'consumeOnce'>

/**
 * Records that an administrator of the broker has signed in. From then on /setup needs that role.
 */
export const operatorWasHere = async (store: StoreOnly, now: number): Promise<void> =>
  void (await store.setSettingOnce(OPERATOR_SINCE, String(now)))

export const operatorExists = async (store: StoreOnly): Promise<boolean> =>
  (await store.setting(OPERATOR_SINCE)) !== undefined

/**
 * Alphabet of the token, which is typed: no two letters look alike or differ in case only. 25
 * letters hold 125 random bits.
 */
const LETTERS = '0123456789ABCDEFGHJKMNPQRSTVWXYZ'
function readable(random: Random): string {
  const letters = [...random(25)].map((byte) => LETTERS[byte % 32]).join('')
  return letters.match(/.{5}/g)?.join('-') ?? letters
}
const normal = (typed: string): string =>
  typed
    .toUpperCase()
    .replaceAll('O', '0')
    .replace(/[IL]/g, '1')
    .replace(/[^0-9A-Z]/g, '')

/**
 * Creates a token and replaces the one before. Undefined if there is an administrator and no
 * recovery is requested.
 */
export async function newSetupToken(
  { store, random }: Pick<Deps, 'random'> & { store: StoreOnly },
  now: number,
  { recovery = false }: { recovery?: boolean } = {},
): Promise<{ token: string; expiresAt: number } | undefined> {
  if (!recovery && (await operatorExists(store))) return undefined
  const token = readable(random)
  const kept: Kept = { hash: sha256(normal(token)), expiresAt: now + TOKEN_SECONDS, recovery }
  await store.setSetting(TOKEN, JSON.stringify(kept))
  return { token, expiresAt: kept.expiresAt }
}

async function keptToken(store: StoreOnly): Promise<Kept | undefined> {
  const setting = await store.setting(TOKEN)
  return setting === undefined ? undefined : (JSON.parse(setting) as Kept)
}

/** Returns whether a recovery token is valid now. */
export async function recoveryPending(
  { store }: { store: StoreOnly },
  now: number,
): Promise<boolean> {
  const kept = await keptToken(store)
  return kept?.recovery === true && kept.expiresAt > now
}

/**
 * Consumes the token, so that one of two concurrent uses succeeds. Undefined if it is not valid.
 */
export async function useSetupToken(
  { store }: { store: StoreOnly },
  typed: string,
  now: number,
): Promise<'first' | 'recovery' | undefined> {
  const kept = await keptToken(store)
  if (kept === undefined || (kept.recovery !== true && (await operatorExists(store))))
    return undefined
  if (kept.expiresAt <= now || !equalInConstantTime(kept.hash, sha256(normal(typed))))
    return undefined
  if (
    !(await store.consumeOnce({
      purpose: 'setup-token',
      idHash: kept.hash,
      expiresAt: kept.expiresAt + 60,
    }))
  )
    return undefined
  await store.setSetting(TOKEN, undefined)
  return kept.recovery === true ? 'recovery' : 'first'
}
