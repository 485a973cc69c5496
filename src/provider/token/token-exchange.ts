import type { Session } from '../../../db/types.ts'
import { invalidProof } from '../../clients/dpop.ts'
import type { Client } from '../../protocol/client-metadata.ts'
import { OAuthError } from '../../protocol/error.ts'
import { TOKEN_TYPE } from '../../protocol/names.ts'
import { required, splitList, type Params } from '../../protocol/params.ts'
import {
  mintAccessToken,
  readAccessToken,
  type AccessTokenClaims,
  type ActorClaim,
  type TokenAnswer,
} from './tokens.ts'
import {
  LOCKED,
  mustAdmitThere,
  mustBeRecent,
  narrowed,
  type GrantInput,
  type TokenDeps,
} from './grant.ts'

const MAX_DEPTH = 3
const TAKEN: readonly string[] = Object.values(TOKEN_TYPE)

/**
 * Exchanges a token, so that an instance can call another on a user's behalf (RFC 8693). The caller
 * must be the source token's audience, and the target must list the caller. The new token has no
 * wider scope, no later expiry, the same `sid` and `rev`, and no refresh token. Caller and target
 * become participants. A token for a bound one is bound too, to the key of the caller, who has to
 * prove it.
 */
export async function exchangeToken(
  deps: TokenDeps,
  { client, params, jkt, now }: GrantInput,
): Promise<TokenAnswer> {
  mustBePlain(params)
  const target = targetOf(deps, client, params)
  const source = await readAccessToken(deps, required(params, 'subject_token'), now)
  // §2.2.2: a subject_token that is not valid is invalid_request.
  if (!source || source.sid === undefined || source.aud !== client.metadata.audience)
    throw new OAuthError(
      'invalid_request',
      'The subject_token must be a valid access token of a user, issued for this client. Refresh it and try again.',
    )
  if (source.jkt !== undefined && jkt === undefined)
    throw invalidProof(
      'The subject_token is bound to a key: send a proof of your own, to which the new token is bound.',
      false,
    )
  const scope = narrowed(
    splitList(source.scope).filter((each) => each !== 'offline_access'),
    params.get('scope'),
  ).join(' ')
  const act = actors(client, source)
  // Checked before any client becomes a participant.
  const { audience } = target.metadata
  const sessionNow = await sessionOf(deps, source, {
    sid: source.sid,
    now,
    needs: target.clientId,
    audience,
  })
  for (const owner of deps.clients.list())
    if (owner.metadata.audience === audience) mustAdmitThere(owner, sessionNow, now)
  mustBeRecent(client, sessionNow, now)
  // The caller got the source token from another client. It becomes a participant too, so that it
  // gets a logout token and its own grant can be revoked.
  if (client.clientId !== source.clientId)
    await sessionOf(deps, source, { sid: source.sid, now, joins: client.clientId, audience })
  const session = await sessionOf(deps, source, {
    sid: source.sid,
    now,
    joins: target.clientId,
    audience,
  })
  const answer = mintAccessToken(deps, {
    client,
    audience,
    scope,
    rev: source.rev,
    now,
    session,
    notAfter: source.exp,
    act,
    jkt,
  })
  return { ...answer, issued_token_type: TOKEN_TYPE.accessToken }
}

function mustBePlain(params: Params): void {
  if (!TAKEN.includes(required(params, 'subject_token_type')))
    throw new OAuthError('invalid_request', `subject_token_type must be ${TOKEN_TYPE.accessToken}.`)
  const requested = params.get('requested_token_type')
  if (requested !== undefined && !TAKEN.includes(requested))
    throw new OAuthError(
      'invalid_request',
      `requested_token_type must be ${TOKEN_TYPE.accessToken}, or left out.`,
    )
  if (params.has('actor_token') || params.has('actor_token_type'))
    throw new OAuthError(
      'invalid_request',
      'Leave actor_token out: the client that authenticates is the actor.',
    )
}

/**
 * Returns the one target of the request (§2.1): `audience` is a client id or an audience,
 * `resource` an audience.
 * @throws OAuthError invalid_target
 */
function targetOf(deps: TokenDeps, caller: Client, params: Params): Client {
  const [audience, resource] = [params.get('audience'), params.get('resource')]
  if (audience === undefined && resource === undefined)
    throw new OAuthError(
      'invalid_request',
      'Name the instance to call, in the parameter audience or resource.',
    )
  const found = deps.clients
    .list()
    .filter((each) => resource === undefined || each.metadata.audience === resource)
    .filter(
      (each) =>
        audience === undefined || each.clientId === audience || each.metadata.audience === audience,
    )
  const target = found.length === 1 ? found[0] : undefined
  if (!target || !target.metadata.exchangeFrom.includes(caller.clientId)) {
    throw new OAuthError(
      'invalid_target',
      'The instance is unknown, or does not allow this client to exchange tokens for it. Its registration must list this client in exchange_from.',
    )
  }
  return target
}

/** Returns the `act` claim (§4.1): the current actor outermost, earlier ones nested. */
function actors(client: Client, source: AccessTokenClaims): ActorClaim {
  const act: ActorClaim = source.act
    ? { sub: client.clientId, act: source.act }
    : { sub: client.clientId }
  let depth = 0
  for (let each: ActorClaim | undefined = act; each; each = each.act) depth++
  if (depth > MAX_DEPTH)
    throw new OAuthError(
      'invalid_request',
      `A token can be exchanged at most ${MAX_DEPTH} times in a row.`,
    )
  return act
}

interface Check {
  sid: string
  now: number
  joins?: string
  needs?: string
  /** The audience of the new token. */
  audience: string
}

async function sessionOf(
  deps: TokenDeps,
  source: AccessTokenClaims,
  check: Check,
): Promise<Session> {
  const { sub, clientId, rev } = source
  const access = await deps.store.checkAccess({
    sub,
    clientId,
    rev,
    touch: check.joins !== undefined,
    ...check,
  })
  if (access.outcome === 'good') return access.session
  if (access.why === 'locked') throw new OAuthError('invalid_grant', LOCKED)
  throw new OAuthError(
    'invalid_request',
    'The session of the subject_token has ended. Refresh, and end your session where that answers invalid_grant.',
  )
}
