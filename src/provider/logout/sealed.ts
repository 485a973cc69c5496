import type { Sealer } from '../../keys/interface.ts'
import { openUntil, sealUntil } from '../../keys/sealed-in-browser.ts'
import type { Checked, LogoutRequest } from './request.ts'

/**
 * The sealed values of this module, each for one purpose. `pages/signed-out.ts` has the one of the
 * signed-out page.
 */
export interface SealedPayloads {
  /** A request by POST, on its way to the page: a cross-site POST has no cookies. */
  ask: Checked
  /** A request and the session that the page asked about, in the page's form. */
  choice: { request: LogoutRequest; sid: string; isByBrowser: boolean }
}

const SECONDS: Record<keyof SealedPayloads, number> = { ask: 600, choice: 3600 }

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
