/**
 * An access token's claims (RFC 9068 §2.2), checked. Frozen: the same object is handed out while
 * the token is cached.
 */
export interface AccessClaims {
  readonly iss: string
  readonly sub: string
  readonly aud: string | readonly string[]
  readonly client_id: string
  readonly iat: number
  readonly exp: number
  readonly jti: string
  /** The head of the broker's revocation log when the token was authorized. */
  readonly rev: number
  /** Not there in a token of no session (client_credentials). */
  readonly sid?: string
  readonly scope?: string
  readonly auth_time?: number
  readonly tid?: string
  readonly oid?: string
  readonly roles?: readonly string[]
  readonly acr?: string
  readonly amr?: readonly string[]
  /**
   * In a token of an exchange (RFC 8693 §4.1): the client that exchanged it, and in it those
   * before.
   */
  readonly act?: Actor
  readonly [claim: string]: unknown
}

/** A client that acts for the user. */
export interface Actor {
  readonly sub: string
  readonly act?: Actor
}

/** Why a token is not honored: for logs and metrics, a closed list. */
export type Why =
  | 'malformed'
  | 'type'
  | 'algorithm'
  | 'unknown_key'
  | 'signature'
  | 'issuer'
  | 'audience'
  | 'expired'
  | 'not_yet_valid'
  | 'claims'
  | 'clock'
  | 'revoked'
  | 'cutoff'
  | 'inactive'
  | 'starting'
  | 'no_lease'
  | 'keys_unavailable'

/**
 * `invalid_token`: get another one, by refreshing (RFC 6750 §3.1, 401). `temporarily_unavailable`:
 * the guard cannot decide at the moment, and so it is rejected (503).
 */
export type Refusal = {
  ok: false
  error: 'invalid_token' | 'temporarily_unavailable'
  status: 401 | 503
  why: Why
  /** What to do next; never holds any of the token. */
  description: string
}

export type CheckResult = { ok: true; claims: AccessClaims } | Refusal

export const invalid = (why: Why, description: string): Refusal => ({
  ok: false,
  error: 'invalid_token',
  status: 401,
  why,
  description,
})
export const unavailable = (why: Why, description: string): Refusal => ({
  ok: false,
  error: 'temporarily_unavailable',
  status: 503,
  why,
  description,
})

/** Freezes what JSON can hold, to the bottom. */
export function freeze<T>(value: T): T {
  if (typeof value === 'object' && value !== null && !Object.isFrozen(value)) {
    Object.freeze(value)
    for (const member of Object.values(value)) freeze(member)
  }
  return value
}
