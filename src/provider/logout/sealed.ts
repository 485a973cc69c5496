import type { Sealer } from '../../keys/interface.ts'
import { openUntil, sealUntil } from '../../keys/sealed-in-browser.ts'
import type { Done } from '../../pages/signed-out.ts'
import type { Checked, LogoutRequest } from './types.ts'

/** What this module lets travel through the browser, for one place each. What the signed-out page says is in `page/signed-out.ts`. */
export interface Travels {
  /** A request that came by POST, on its way to the page: the POST of another site carries no cookie of ours. */
  ask: Checked
  /** A request with the session it was shown for, in the page's form. */
  choice: { request: LogoutRequest; sid: string }
  /** What the user goes back to after Microsoft's own sign-out, in a cookie. */
  after: Done
}

const SECONDS: Record<keyof Travels, number> = { ask: 600, choice: 3600, after: 1800 }

export const seal = <K extends keyof Travels>(sealer: Sealer, place: K, value: Travels[K], now: number): string =>
  sealUntil(sealer, `logout/${place}`, value, now + SECONDS[place])

export const open = <K extends keyof Travels>(sealer: Sealer, place: K, sealed: string | undefined, now: number): Travels[K] | undefined =>
  openUntil(sealer, `logout/${place}`, sealed, now) as Travels[K] | undefined
