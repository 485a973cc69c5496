import { ACR_MFA } from './names.ts'

/** How strongly a user has authenticated, as `acr` says it. */

/** Phishing-resistant (OpenID Connect EAP ACR Values 1.0 §2). */
export const ACR_PHISHING_RESISTANT = 'phr'

/** The values of `acr` that the broker issues, the weakest first. Each includes those before it. */
export const STRENGTHS = [ACR_MFA, ACR_PHISHING_RESISTANT] as const
export type Strength = (typeof STRENGTHS)[number]

/** Returns the weakest strength among the values, any of which meets a request that names several. */
export const weakestOf = (values: readonly unknown[]): Strength | undefined =>
  STRENGTHS.find((strength) => values.includes(strength))

/** Returns the place in the table; -1 for no strength, and for one that the table lacks. */
const rank = (acr: string | undefined): number =>
  STRENGTHS.findIndex((strength) => strength === acr)

export const isStronger = (acr: string | undefined, than: string | undefined): boolean =>
  rank(acr) > rank(than)

/** Returns whether what was proved meets a demand. A demand that the table lacks is never met. */
export const meets = (acr: string | undefined, demanded: Strength | undefined): boolean =>
  demanded === undefined || (rank(demanded) >= 0 && !isStronger(demanded, acr))
