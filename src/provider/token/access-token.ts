import type { Session } from '../../../db/types.ts'
import type { Deps } from '../deps.ts'
import type { Client } from '../../protocol/client-metadata.ts'
import { newId } from '../../runtime/ids.ts'
import { TYP } from '../../protocol/names.ts'

/** Who acts for the user, outermost first (RFC 8693 §4.1). */
export interface Act {
  sub: string
  act?: Act
}

export interface AccessTokenInput {
  client: Client
  audience: string
  scope: string
  /** The head of the log in the transaction that authorized it. */
  rev: number
  now: number
  /** Not set: a token of the client alone. */
  session?: Session | undefined
  /** Not later than this, whatever else says (token exchange). */
  notAfter?: number | undefined
  act?: Act | undefined
}

/** An access token by RFC 9068, ES256. It never outlives the session's absolute end. `acr` and `amr` are there only where Microsoft proved them. */
export function mintAccessToken(deps: Pick<Deps, 'keys' | 'random' | 'config'>, input: AccessTokenInput): { token: string; expiresIn: number } {
  const { client, session, now } = input
  const exp = Math.min(
    now + client.metadata.accessTokenSeconds,
    session === undefined ? Infinity : endOf(session, client),
    input.notAfter ?? Infinity,
  )
  const token = deps.keys.sign('ES256', TYP.accessToken, {
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
  })
  return { token, expiresIn: exp - now }
}

/** No token of a session outlives it, nor the age that the client lets an authentication have. */
export const endOf = ({ absoluteAt, authTime, openedAt }: Session, { metadata: { maxAuthenticationSeconds: most } }: Client): number =>
  most === undefined ? absoluteAt : Math.min(absoluteAt, (authTime > 0 ? authTime : openedAt) + most)

function userClaims(session: Session): Record<string, unknown> {
  return {
    sid: session.sid,
    // 0: Microsoft did not say when; nothing is invented.
    ...(session.authTime > 0 && { auth_time: session.authTime }),
    tid: session.user.tid,
    oid: session.user.oid,
    roles: session.roles,
    ...(session.acr !== undefined && { acr: session.acr }),
    ...(session.amr !== undefined && { amr: session.amr }),
  }
}

/** What an access token of ours says, once `keys.verify` has found it good. */
export interface AccessTokenClaims {
  sub: string
  aud: string
  clientId: string
  exp: number
  iat: number
  jti: string
  rev: number
  scope: string
  /** Not set: a token of a client alone. */
  sid: string | undefined
  act: Act | undefined
  /** All of it, as it was signed. */
  raw: Record<string, unknown>
}

/** @returns undefined where it is none of ours, or expired */
export async function readAccessToken(deps: Pick<Deps, 'keys'>, token: string, now: number): Promise<AccessTokenClaims | undefined> {
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
    act: raw.act as Act | undefined,
    raw,
  }
}
