import type { Store } from '../../db/store.ts'
import type { Deps } from '../deps.ts'
import { equalInConstantTime, sha256 } from '../protocol/compare.ts'
import type { Random } from '../protocol/ids.ts'

/**
 * The one-time token of the first visit to /setup: while nobody can be an operator yet, whoever runs the broker proves themselves with it. Kept
 * as a hash, for 15 minutes, used once; it refuses to be made, and to be used, once an administrator has been at the broker.
 */

export const TOKEN_SECONDS = 900
const TOKEN = 'setup/token'
const OPERATOR_SINCE = 'setup/operator_since'

interface Kept {
  hash: string
  expiresAt: number
}

type StoreOnly = Pick<Store, 'setting' | 'setSetting' | 'setSettingOnce' | 'consumeOnce'>

/** An administrator of the broker has signed in: from now on the role is the key to /setup. */
export const operatorWasHere = async (store: StoreOnly, now: number): Promise<void> => void (await store.setSettingOnce(OPERATOR_SINCE, String(now)))

export const operatorExists = async (store: StoreOnly): Promise<boolean> => (await store.setting(OPERATOR_SINCE)) !== undefined

/** To be typed: 125 random bits, no letter that looks like another, no two alike when case is lost. */
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

/** A new one; the one before it is dead. Undefined: there is an operator, and no need of it. */
export async function newSetupToken(
  { store, random }: Pick<Deps, 'random'> & { store: StoreOnly },
  now: number,
): Promise<{ token: string; expiresAt: number } | undefined> {
  if (await operatorExists(store)) return undefined
  const token = readable(random)
  const kept: Kept = { hash: sha256(normal(token)), expiresAt: now + TOKEN_SECONDS }
  await store.setSetting(TOKEN, JSON.stringify(kept))
  return { token, expiresAt: kept.expiresAt }
}

/** Of two at once one is let in. */
export async function useSetupToken({ store }: { store: StoreOnly }, typed: string, now: number): Promise<boolean> {
  const setting = await store.setting(TOKEN)
  if (setting === undefined || (await operatorExists(store))) return false
  const kept = JSON.parse(setting) as Kept
  if (kept.expiresAt <= now || !equalInConstantTime(kept.hash, sha256(normal(typed)))) return false
  if (!(await store.consumeOnce({ purpose: 'setup-token', idHash: kept.hash, expiresAt: kept.expiresAt + 60, now }))) return false
  await store.setSetting(TOKEN, undefined)
  return true
}
