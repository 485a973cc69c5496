import {
  calculateJwkThumbprint,
  compactVerify,
  decodeJwt,
  decodeProtectedHeader,
  importJWK,
  type CompactJWSHeaderParameters,
  type CryptoKey,
  type JWK,
} from 'jose'

/** Verifies signatures with jose. No other module of the broker imports jose. */

export type PublicKey = CryptoKey

/** A parsed JWS whose signature is not verified yet. */
export interface UnverifiedJwt {
  header: Record<string, unknown>
  claims: Record<string, unknown>
}

/**
 * Returns the unverified header and claims of a JWT, or undefined for anything but a compact JWS of
 * a JSON object.
 */
export function readUnverified(jwt: string): UnverifiedJwt | undefined {
  try {
    return { header: { ...decodeProtectedHeader(jwt) }, claims: { ...decodeJwt(jwt) } }
  } catch {
    return undefined
  }
}

/** Compares `typ` as RFC 7515 §4.1.9 does: without regard to case and without `application/`. */
export const sameType = (typ: unknown, expected: string): boolean =>
  typeof typ === 'string' &&
  typ.toLowerCase().replace(/^application\//, '') === expected.toLowerCase()

/**
 * Imports a public key.
 * @throws Error if the JWK is not a public key for that algorithm
 */
export async function importPublic(jwk: Record<string, unknown>, alg: string): Promise<PublicKey> {
  const key = await importJWK(jwk as JWK, alg)
  if (key instanceof Uint8Array || key.type !== 'public')
    throw new Error('a JWK that is not a public key')
  return key
}

/**
 * Returns the claims of a JWS with a valid signature by one of the algorithms, otherwise undefined.
 */
export async function verifyCompact(
  jwt: string,
  key: PublicKey | ((header: CompactJWSHeaderParameters) => Promise<PublicKey> | PublicKey),
  algorithms: string[],
): Promise<Record<string, unknown> | undefined> {
  try {
    const { payload } = await compactVerify(
      jwt,
      typeof key === 'function' ? (header) => key(header) : key,
      { algorithms },
    )
    const claims: unknown = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(payload))
    return typeof claims === 'object' && claims !== null && !Array.isArray(claims)
      ? (claims as Record<string, unknown>)
      : undefined
  } catch {
    return undefined
  }
}

/** Algorithms accepted in JWTs of other parties, such as a client's assertions. */
export const FOREIGN_ALGS = ['ES256', 'RS256', 'PS256'] as const

const KTY: Record<string, string> = { ES256: 'EC', RS256: 'RSA', PS256: 'RSA' }

/**
 * Returns whether this key of a client's set could have signed the JWT: by `kid` if the header has
 * one, otherwise by type.
 */
const fits = (jwk: Record<string, unknown>, header: Record<string, unknown>): boolean =>
  jwk.kty === KTY[String(header.alg)] &&
  (header.kid === undefined || jwk.kid === header.kid) &&
  (jwk.use === undefined || jwk.use === 'sig') &&
  (jwk.alg === undefined || jwk.alg === header.alg)

/**
 * Verifies a JWT of another issuer with its published keys. `unknown_key`: none of them could have
 * signed it, so newer keys may help.
 */
export async function verifyForeign(
  jwt: string,
  keys: readonly Record<string, unknown>[],
): Promise<
  { outcome: 'good'; claims: Record<string, unknown> } | { outcome: 'unknown_key' | 'bad' }
> {
  const header = readUnverified(jwt)?.header
  if (!header || !FOREIGN_ALGS.some((alg) => alg === header.alg)) return { outcome: 'bad' }
  const candidates = keys.filter((jwk) => fits(jwk, header)).slice(0, MAX_CANDIDATES)
  if (candidates.length === 0) return { outcome: 'unknown_key' }
  for (const jwk of candidates) {
    const key = await importPublic(jwk, String(header.alg)).catch(() => undefined)
    const claims = key && (await verifyCompact(jwt, key, [String(header.alg)]))
    if (claims) return { outcome: 'good', claims }
  }
  return { outcome: 'bad' }
}

/** The most keys tried for one JWT, if the keys have no `kid`. */
const MAX_CANDIDATES = 5

/** Algorithms of proofs, those of FAPI 2.0 Security Profile §5.4.1. */
export const PROOF_ALGS = ['ES256', 'PS256', 'EdDSA'] as const

/** Only this exponent of an RSA key is accepted: a long one would cost the broker milliseconds. */
const EXPONENT = 'AQAB'

/**
 * Verifies a JWT with the public key in its own header, so that it proves nothing but that its
 * signer holds the private one (RFC 9449 §4.2).
 * @returns the claims and the thumbprint of the key (RFC 7638), or undefined
 */
export async function verifyProof(
  jwt: string,
  typ: string,
): Promise<{ claims: Record<string, unknown>; jkt: string } | undefined> {
  const header = readUnverified(jwt)?.header
  const { alg, jwk } = header ?? {}
  if (header === undefined || !sameType(header.typ, typ)) return undefined
  if (!PROOF_ALGS.some((each) => each === alg) || typeof jwk !== 'object' || jwk === null)
    return undefined
  const { kty, e } = jwk as JWK
  if (kty === 'RSA' && e !== EXPONENT) return undefined
  const key = await importPublic({ ...jwk }, String(alg)).catch(() => undefined)
  const claims = key && (await verifyCompact(jwt, key, [String(alg)]))
  return claims && { claims, jkt: await calculateJwkThumbprint(jwk) }
}
