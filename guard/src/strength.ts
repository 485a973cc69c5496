/** Compares how a user has authenticated with what an act demands (RFC 9470). */

/** A demand on the user's authentication. */
export interface Strength {
  /** The `acr` that must be proved at least: `phr` for a phishing-resistant proof. */
  acr?: string | undefined
  /** The greatest age of the authentication. */
  maxAgeSeconds?: number | undefined
}

/** The parameters of an authorization request that brings what is missing. */
export interface StepUp {
  acr_values?: string
  max_age?: string
}

/** The values of `acr` that the broker issues, the weakest first. Each includes those before it. */
const STRENGTHS: readonly unknown[] = ['urn:case-manager:acr:mfa', 'phr']

/**
 * Returns how to ask for the demanded authentication, or undefined if the claims show it. Claims
 * without `acr` or `auth_time` show none.
 * @param now reads the broker's clock, clock tolerance deducted, which only an age needs
 */
export function stepUpFor(
  claims: { acr?: unknown; auth_time?: unknown },
  { acr, maxAgeSeconds }: Strength,
  now: () => number,
): StepUp | undefined {
  const isStrong =
    acr === undefined ||
    claims.acr === acr ||
    (STRENGTHS.includes(acr) && STRENGTHS.indexOf(claims.acr) > STRENGTHS.indexOf(acr))
  const isRecent =
    maxAgeSeconds === undefined ||
    (typeof claims.auth_time === 'number' && now() - claims.auth_time <= maxAgeSeconds)
  if (isStrong && isRecent) return undefined
  return {
    ...(acr !== undefined && { acr_values: acr }),
    ...(maxAgeSeconds !== undefined && { max_age: String(maxAgeSeconds) }),
  }
}
