import type { Sealer } from '../keys/interface.ts'
import { openUntil, sealUntil } from '../keys/sealed-in-browser.ts'
import type { ReasonClass } from '../protocol/revocation.ts'

/**
 * What the signed-out page says, sealed in its address: no link of a stranger claims a sign-out
 * that never was.
 */

export interface Done {
  /** What ended: `none` where the browser had no live session. */
  scope: 'device' | 'everywhere' | 'none'
  /**
   * `next`: the user wants it, and it is still to come. `left`: it was passed through.
   * `unreachable`: Microsoft could not be reached.
   */
  microsoft?: 'next' | 'left' | 'unreachable' | undefined
  /** Whom Microsoft signs out. */
  account?: { tid: string; loginHint?: string | undefined } | undefined
  /** Sessions that still live on other devices although the user wanted to sign out everywhere. */
  elsewhere?: number | undefined
  /** Instances where the user was signed in. */
  clientIds: string[]
  /** Why the session had ended before. */
  why?: ReasonClass | undefined
  /** The revocation, to follow its deliveries. */
  seq?: number | undefined
  at: number
  /** The instance that asked, and the address that it registered for users who come back. */
  clientId?: string | undefined
  back?: string | undefined
}

const PLACE = 'logout/done'
const SECONDS = 86_400

export const signedOutAddress = (
  sealer: Sealer,
  done: Done,
  now: number,
  path: '/logout/done' | '/logout/microsoft' = '/logout/done',
): string => `${path}?about=${sealUntil(sealer, PLACE, done, now + SECONDS)}`

export const openDone = (
  sealer: Sealer,
  sealed: string | undefined,
  now: number,
): Done | undefined => openUntil(sealer, PLACE, sealed, now) as Done | undefined
