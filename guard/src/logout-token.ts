import type { Algorithm, KeySet } from './keys.ts'
import { isSeq, readReason, type ReasonClass } from './selector.ts'
import { verifyJwt } from './verify-jwt.ts'

const EVENT = 'http://schemas.openid.net/event/backchannel-logout'

/**
 * The claims of a logout token (Back-Channel Logout 1.0 §2.4). At least one of `sid` and `sub` is
 * present. If both are, only that session ends.
 */
export interface LogoutTokenClaims {
  sid?: string
  sub?: string
  jti: string
  iat: number
  exp: number
  /**
   * A claim of the broker: the place in its log. What was authorized at or after it stays valid.
   */
  rev?: number
  /** A claim of the broker: why the sessions ended. */
  reason_class?: ReasonClass
}

export interface LogoutTokenExpected {
  issuer: string
  /** The `client_id` of the receiver. */
  clientId: string
  /** Epoch seconds. */
  now: number
  toleranceSeconds: number
  /** The most seconds that `iat` may be in the past. */
  maxAgeSeconds: number
  /**
   * The client's `id_token_signed_response_alg` (Back-Channel Logout 1.0 §2.6). Default: RS256, the
   * default of registrations.
   */
  algorithms?: readonly Algorithm[]
}

export type VerifiedLogoutToken =
  | { ok: true; claims: LogoutTokenClaims }
  /**
   * `certain: false`: the token may be valid, but the issuer could not be asked for its keys, or a
   * clock is wrong. The broker should send it again.
   */
  | { ok: false; description: string; certain: boolean }

const reject = (description: string): VerifiedLogoutToken => ({
  ok: false,
  description,
  certain: true,
})
const isId = (value: unknown): value is string =>
  typeof value === 'string' && value !== '' && value.length <= 512
const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/**
 * Verifies a logout token (Back-Channel Logout 1.0 §2.6), except for the replay of its `jti`. The
 * broker's tokens have the `typ` `logout+jwt`. A token without `typ` is accepted, as the
 * specification says. Any other `typ` is a token of another kind (RFC 8725 §3.11).
 * @throws KeysUnavailable
 */
export async function verifyLogoutToken(
  token: string,
  keys: KeySet,
  expected: LogoutTokenExpected,
): Promise<VerifiedLogoutToken> {
  const { clientId: audience, issuer, now, toleranceSeconds } = expected
  const verified = await verifyJwt(token, keys, {
    typ: 'logout+jwt',
    typMayBeAbsent: true,
    issuer,
    audience,
    required: ['iat', 'exp', 'jti', 'events'],
    now,
    toleranceSeconds,
    algorithms: expected.algorithms ?? ['RS256'],
  })
  if (!verified.ok)
    return {
      ok: false,
      description: verified.description,
      certain: verified.certain && verified.claims === undefined,
    }
  const { claims } = verified
  if ('nonce' in claims) return reject('A logout token must not have a nonce.')
  if (!isLogoutEvent(claims.events))
    return reject(`Its events must have the one member ${EVENT}, an object.`)
  if (!isId(claims.jti)) return reject('Its jti must be a string.')
  for (const name of ['sid', 'sub'] as const)
    if (claims[name] !== undefined && !isId(claims[name]))
      return reject(`Its ${name} must be a string.`)
  if (claims.sid === undefined && claims.sub === undefined)
    return reject('It names neither a session (sid) nor a user (sub).')
  if (claims.rev !== undefined && !isSeq(claims.rev))
    return reject('Its rev must be a whole number.')
  const age = now - (claims.iat as number)
  if (age > expected.maxAgeSeconds + toleranceSeconds)
    return {
      ok: false,
      description: `It was issued ${age} s ago; at most ${expected.maxAgeSeconds} s are accepted.`,
      certain: false,
    }
  const { reason_class: given, ...others } = claims
  const reason = readReason(given)
  return {
    ok: true,
    claims: {
      ...others,
      ...(reason === undefined ? {} : { reason_class: reason }),
    } as unknown as LogoutTokenClaims,
  }
}

/** Returns whether the events are exactly this one, with an object as value (§2.4). */
const isLogoutEvent = (events: unknown): boolean =>
  isObject(events) && Object.keys(events).length === 1 && isObject(events[EVENT])
