import type { JWTPayload } from 'jose'
import type { Why } from './claims.ts'
import type { Algorithm, KeySet } from './keys.ts'
import { verifyJwt } from './verify-jwt.ts'

export interface SecurityEventClaims extends JWTPayload {
  iss: string
  jti: string
  iat: number
  /** One member for each event, by its type's URI. */
  events: Record<string, Record<string, unknown>>
}

/** The error codes of RFC 8935 §2.4. */
export type SetError = 'invalid_request' | 'invalid_key' | 'invalid_issuer' | 'invalid_audience'

export type VerifiedSecurityEvent =
  | { ok: true; claims: SecurityEventClaims }
  | { ok: false; error: SetError; description: string; certain: boolean }

const CODES: Partial<Record<Why, SetError>> = {
  unknown_key: 'invalid_key',
  signature: 'invalid_key',
  algorithm: 'invalid_key',
  issuer: 'invalid_issuer',
  audience: 'invalid_audience',
}

const isObject = (value: unknown): boolean =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/**
 * Verifies a security event token (RFC 8417): `typ` `secevent+jwt`, signature, `iss`, `aud`, `jti`,
 * `iat`, and that it holds events. The caller must reject a `jti` that it has seen before.
 * @param expected.maxAgeSeconds the most seconds that `iat` may be in the past. Default: no limit,
 * because events wait in streams (RFC 8936)
 * @throws KeysUnavailable if the transmitter's keys cannot be read. It should send the token again
 */
export async function verifySecurityEvent(
  token: string,
  keys: KeySet,
  expected: {
    issuer: string
    audience: string | string[]
    now: number
    toleranceSeconds: number
    maxAgeSeconds?: number | undefined
    algorithms?: readonly Algorithm[] | undefined
    typ?: string | undefined
  },
): Promise<VerifiedSecurityEvent> {
  const {
    algorithms,
    audience,
    issuer,
    maxAgeSeconds,
    now,
    toleranceSeconds,
    typ = 'secevent+jwt',
  } = expected
  const required = ['jti', 'iat', 'events']
  const verified = await verifyJwt(token, keys, {
    typ,
    issuer,
    audience,
    required,
    now,
    toleranceSeconds,
    ...(algorithms === undefined ? {} : { algorithms }),
  })
  if (!verified.ok)
    return {
      ok: false,
      error: CODES[verified.why] ?? 'invalid_request',
      description: verified.description,
      certain: verified.certain,
    }
  const { claims } = verified
  const wrong = (description: string): VerifiedSecurityEvent => ({
    ok: false,
    error: 'invalid_request',
    description,
    certain: true,
  })
  if (typeof claims.jti !== 'string' || claims.jti === '' || claims.jti.length > 512)
    return wrong('Its jti must be a string.')
  if (
    maxAgeSeconds !== undefined &&
    (claims.iat as number) < now - maxAgeSeconds - toleranceSeconds
  )
    return wrong('It was issued too long ago.')
  const events = claims.events
  if (
    !isObject(events) ||
    Object.keys(events as object).length === 0 ||
    !Object.values(events as object).every(isObject)
  )
    return wrong('It holds no events.')
  return { ok: true, claims: claims as SecurityEventClaims }
}
