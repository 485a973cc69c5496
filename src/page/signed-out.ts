import type { Sealer } from '../keys/interface.ts'
import { openUntil, sealUntil } from '../keys/travels.ts'
import type { ReasonClass } from '../protocol/reason-class.ts'

/** What the signed-out page says, sealed in its address: no link of a stranger claims a sign-out that never was. */

export interface Done {
  /** What ended: `none` where the browser had no live session. */
  scope: 'device' | 'everywhere' | 'none'
  /** `left`: Microsoft's own sign-out was passed through. `unreachable`: the user wanted it, and Microsoft could not be reached. */
  microsoft?: 'left' | 'unreachable' | undefined
  /** Sessions that still live on other devices although the user wanted to sign out everywhere. */
  elsewhere?: number | undefined
  /** Instances where the user was signed in. */
  clientIds: string[]
  /** Why the session had ended before. */
  why?: ReasonClass | undefined
  /** The revocation, to follow its deliveries. */
  seq?: number | undefined
  at: number
  /** The instance that asked, and an address of that instance that the user did not confirm. */
  clientId?: string | undefined
  back?: string | undefined
}

const PLACE = 'logout/done'
const SECONDS = 86_400

export const signedOutAddress = (sealer: Sealer, done: Done, now: number): string =>
  `/logout/done?about=${sealUntil(sealer, PLACE, done, now + SECONDS)}`

export const openDone = (sealer: Sealer, sealed: string | undefined, now: number): Done | undefined =>
  openUntil(sealer, PLACE, sealed, now) as Done | undefined
