import { hash } from 'node:crypto'
import type { Session, User } from '../../../db/types.ts'
import type { Deps } from '../deps.ts'
import type { Client } from '../../protocol/client-metadata.ts'
import { endOf } from '../../session/lifetimes.ts'
import { newId } from '../../runtime/ids.ts'
import { TYP } from '../../protocol/names.ts'

/** The tokens that the broker issues, and reading its own access tokens. */

/** The response of the token endpoint (RFC 6749 §5.1). */
export interface TokenAnswer {
  access_token: string
  token_type: 'Bearer' | 'DPoP'
  expires_in: number
  scope: string
  refresh_token?: string
  id_token?: string
  issued_token_type?: string
}

/** The actors behind the user, outermost first (RFC 8693 §4.1). */
export interface ActorClaim {
  sub: string
  act?: ActorClaim
}

interface AccessTokenInput {
  client: Client
  audience: string
  scope: string
  /** The head of the log in the transaction that authorized the token. */
  rev: number
  now: number
  /** The user's session. Undefined: a token of the client itself. */
  session?: Session | undefined
  /** An upper bound of the expiry (token exchange). */
  notAfter?: number | undefined
  act?: ActorClaim | undefined
  /** The thumbprint of the key that the token is bound to (RFC 9449 §6). Undefined: Bearer. */
  jkt: string | undefined
}

/**
 * Signs an access token (RFC 9068, ES256). It never outlives the session's absolute end. It has
 * `acr` and `amr` only if Microsoft proved them.
 * @returns the members of the answer that every grant has
 */
export function mintAccessToken(
  deps: Pick<Deps, 'keys' | 'random' | 'config'>,
  input: AccessTokenInput,
): TokenAnswer {
  const { client, session, now, jkt } = input
  const exp = Math.min(
    now + client.metadata.accessTokenSeconds,
    session === undefined ? Infinity : endOf(session, client),
    input.notAfter ?? Infinity,
  )
  const accessToken = deps.keys.sign('ES256', TYP.accessToken, {
    iss: deps.config.issuer,
    // RFC 9068 §2.2: where no user is involved, the client is the subject.
    sub: session?.sub ?? client.clientId,
    aud: input.audience,
    client_id: client.clientId,
    iat: now,
    exp,
    jti: newId(deps.random),
    rev: input.rev,
    scope: input.scope,
    ...(session && userClaims(session)),
    ...(input.act && { act: input.act }),
    ...(jkt !== undefined && { cnf: { jkt } }),
  })
  return {
    access_token: accessToken,
    token_type: jkt === undefined ? 'Bearer' : 'DPoP',
    expires_in: exp - now,
    scope: input.scope,
  }
}

function userClaims(session: Session): Record<string, unknown> {
  return {
    sid: session.sid,
    // 0: Microsoft sent no auth_time, and the broker does not invent one.
    ...(session.authTime > 0 && { auth_time: session.authTime }),
    tid: session.user.tid,
    oid: session.user.oid,
    roles: session.roles,
    ...(session.acr !== undefined && { acr: session.acr }),
    ...(session.amr !== undefined && { amr: session.amr }),
  }
}

/**
 * Returns the claims of the scopes `profile` and `email` (OpenID Connect Core §5.4). Microsoft does
 * not prove the address, so `email_verified` is false.
 */
export function userInfo(user: User, scope: readonly string[]): Record<string, unknown> {
  return {
    ...(scope.includes('profile') && user.name !== undefined && { name: user.name }),
    ...(scope.includes('profile') &&
      user.username !== undefined && { preferred_username: user.username }),
    ...(scope.includes('email') &&
      user.email !== undefined && { email: user.email, email_verified: false }),
  }
}

/**
 * Returns `at_hash`, the left half of the access token's SHA-256 (OpenID Connect Core §3.1.3.6).
 * Both algorithms of the broker use SHA-256.
 */
const atHash = (accessToken: string): string =>
  hash('sha256', accessToken, 'buffer').subarray(0, 16).toString('base64url')

/**
 * Signs an ID token (OpenID Connect Core §2) with the client's registered algorithm. It expires
 * with the access token.
 */
function mintIdToken(
  deps: Pick<Deps, 'keys' | 'config'>,
  input: {
    client: Client
    session: Session
    scope: readonly string[]
    nonce: string | undefined
    accessToken: string
    expiresIn: number
    rev: number
    now: number
  },
): string {
  const { client, session } = input
  return deps.keys.sign(client.metadata.idTokenAlg, TYP.idToken, {
    iss: deps.config.issuer,
    sub: session.sub,
    aud: client.clientId,
    exp: input.now + input.expiresIn,
    iat: input.now,
    ...(session.authTime > 0 && { auth_time: session.authTime }),
    sid: session.sid,
    session_expiry: endOf(session, client),
    // A guard judges the instance's own session by these (docs/feed.md).
    tenant: session.user.tid,
    rev: input.rev,
    at_hash: atHash(input.accessToken),
    ...(input.nonce !== undefined && { nonce: input.nonce }),
    ...(session.acr !== undefined && { acr: session.acr }),
    ...(session.amr !== undefined && { amr: session.amr }),
    ...((client.metadata.idTokenUserClaims ?? true) ? userInfo(session.user, input.scope) : {}),
  })
}

/** Issues a user's tokens for a client. The caller has made every check. */
export function issueTokens(
  deps: Pick<Deps, 'keys' | 'random' | 'config'>,
  input: {
    client: Client
    session: Session
    scope: string[]
    audience: string
    rev: number
    now: number
    refreshToken: string | undefined
    jkt: string | undefined
    /** False: no ID token. Otherwise the nonce that it repeats. */
    idToken: false | { nonce: string | undefined }
  },
): TokenAnswer {
  const scope = input.scope.join(' ')
  const answer = mintAccessToken(deps, { ...input, scope })
  return {
    ...answer,
    ...(input.refreshToken !== undefined && { refresh_token: input.refreshToken }),
    ...(input.idToken && {
      id_token: mintIdToken(deps, {
        ...input,
        nonce: input.idToken.nonce,
        accessToken: answer.access_token,
        expiresIn: answer.expires_in,
      }),
    }),
  }
}

/** The claims of a verified access token of the broker. */
export interface AccessTokenClaims {
  sub: string
  aud: string
  clientId: string
  exp: number
  iat: number
  jti: string
  rev: number
  scope: string
  /** The session id. Undefined: a token of the client itself. */
  sid: string | undefined
  act: ActorClaim | undefined
  /** The thumbprint of the key that the token is bound to. */
  jkt: string | undefined
  /** All claims as signed. */
  raw: Record<string, unknown>
}

/** Returns the claims, or undefined for an expired token or one that the broker did not sign. */
export async function readAccessToken(
  deps: Pick<Deps, 'keys'>,
  token: string,
  now: number,
): Promise<AccessTokenClaims | undefined> {
  const raw = await deps.keys.verify(token, { typ: TYP.accessToken, now })
  if (!raw) return undefined
  return {
    sub: String(raw.sub),
    aud: String(raw.aud),
    clientId: String(raw.client_id),
    exp: Number(raw.exp),
    iat: Number(raw.iat),
    jti: String(raw.jti),
    rev: Number(raw.rev),
    scope: String(raw.scope),
    sid: typeof raw.sid === 'string' ? raw.sid : undefined,
    act: raw.act as ActorClaim | undefined,
    jkt: (raw.cnf as { jkt?: string } | undefined)?.jkt,
    raw,
  }
}
