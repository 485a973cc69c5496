import type { Sealer } from '../../keys/interface.ts'
import { openUntil, sealUntil } from '../../keys/sealed-in-browser.ts'
import type { Done } from '../../pages/signed-out.ts'
import type { Checked, LogoutRequest } from './request.ts'

/**
 * The values of this module that travel through the browser, each for one place. What the
 * signed-out page says is in `page/signed-out.ts`.
 */
export interface SealedPayloads {
  /**
   * A request that came by POST, on its way to the page: the POST of another site carries no cookie
   * of ours.
   */
  ask: Checked
  /** A request with the session it was shown for, in the page's form. */
  choice: { request: LogoutRequest; sid: string }
  /** What the user goes back to after Microsoft's own sign-out, in a cookie. */
  after: Done
}

const SECONDS: Record<keyof SealedPayloads, number> = { ask: 600, choice: 3600, after: 1800 }

export const seal = <K extends keyof SealedPayloads>(
  sealer: Sealer,
  place: K,
  value: SealedPayloads[K],
  now: number,
): string => sealUntil(sealer, `logout/${place}`, value, now + SECONDS[place])

export const open = <K extends keyof SealedPayloads>(
  sealer: Sealer,
  place: K,
  sealed: string | undefined,
  now: number,
): SealedPayloads[K] | undefined =>
  openUntil(sealer, `logout/${place}`, sealed, now) as SealedPayloads[K] | undefined
