import type { Sealer } from '../keys/interface.ts'
import { openUntil, sealUntil } from '../keys/sealed-in-browser.ts'
import type { ReasonClass } from '../protocol/revocation.ts'

/**
 * The content of the signed-out page, sealed in its address and in a cookie, so that an attacker's
 * link cannot claim a sign-out that did not happen.
 */

export interface Done {
  /** The sessions that were signed out; `none` if the browser had no live session. */
  scope: 'device' | 'everywhere' | 'none'
  /**
   * The sign-out at Microsoft. `next`: the user requested it and it follows. `left`: the browser
   * has been at Microsoft. `unreachable`: Microsoft could not be reached.
   */
  microsoft?: 'next' | 'left' | 'unreachable' | undefined
  /** The account to sign out at Microsoft. */
  account?: { tid: string; loginHint?: string | undefined } | undefined
  /**
   * The number of sessions on other devices that are still live although the user wanted to sign
   * out everywhere.
   */
  elsewhere?: number | undefined
  /** The instances where the user was signed in. */
  clientIds: string[]
  /** The reason if the session had already ended before. */
  why?: ReasonClass | undefined
  /** The number of the revocation, by which the page follows its deliveries. */
  seq?: number | undefined
  at: number
  /**
   * The instance that requested the sign-out; `back` is its registered address for the user's
   * return.
   */
  clientId?: string | undefined
  back?: string | undefined
}

const PLACE = 'logout/done'
const SECONDS = 86_400

export const sealDone = (sealer: Sealer, done: Done, now: number): string =>
  sealUntil(sealer, PLACE, done, now + SECONDS)

export const signedOutAddress = (
  sealer: Sealer,
  done: Done,
  now: number,
  path: '/logout/done' | '/logout/microsoft' = '/logout/done',
): string => `${path}?about=${sealDone(sealer, done, now)}`

export const openDone = (
  sealer: Sealer,
  sealed: string | undefined,
  now: number,
): Done | undefined => openUntil(sealer, PLACE, sealed, now) as Done | undefined
