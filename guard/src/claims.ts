/**
 * The checked claims of an access token (RFC 9068 §2.2). The object is frozen, because all requests
 * with the same token get it while it is cached.
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
  /** Absent in a token without a session (client_credentials). */
  readonly sid?: string
  readonly scope?: string
  readonly auth_time?: number
  readonly tid?: string
  readonly oid?: string
  readonly roles?: readonly string[]
  readonly acr?: string
  readonly amr?: readonly string[]
  /**
   * Present in a token of an exchange (RFC 8693 §4.1): the client that exchanged it, and within it
   * the clients before.
   */
  readonly act?: Actor
  /** Present in a token that is bound to a key: the key's thumbprint (RFC 9449 §6.1). */
  readonly cnf?: { readonly jkt: string }
  readonly [claim: string]: unknown
}

/** A client that acts for the user. */
export interface Actor {
  readonly sub: string
  readonly act?: Actor
}

/** The reason why a token is rejected: a closed list, for logs and metrics. */
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
  | 'tenant'
  | 'inactive'
  | 'starting'
  | 'no_lease'
  | 'keys_unavailable'
  | 'proof'
  | 'proofs_full'

/**
 * The answer for a rejected token. `invalid_token`: the client needs another one, by refreshing
 * (RFC 6750 §3.1, 401). `invalid_dpop_proof`: it needs another proof (RFC 9449 §7.1, 401).
 * `temporarily_unavailable`: the guard cannot decide at the moment (503).
 */
export type Rejection = {
  ok: false
  error: 'invalid_token' | 'invalid_dpop_proof' | 'temporarily_unavailable'
  status: 401 | 503
  why: Why
  /** The problem and what to do next. Never contains any part of the token. */
  description: string
}

export type CheckResult = { ok: true; claims: AccessClaims } | Rejection

export const invalid = (why: Why, description: string): Rejection => ({
  ok: false,
  error: 'invalid_token',
  status: 401,
  why,
  description,
})
export const unavailable = (why: Why, description: string): Rejection => ({
  ok: false,
  error: 'temporarily_unavailable',
  status: 503,
  why,
  description,
})

/** Freezes a JSON value and everything in it. */
export function freeze<T>(value: T): T {
  if (typeof value === 'object' && value !== null && !Object.isFrozen(value)) {
    Object.freeze(value)
    for (const member of Object.values(value)) freeze(member)
  }
  return value
}
