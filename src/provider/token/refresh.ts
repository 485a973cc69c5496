import { liveSession } from '../../session/current.ts'
import type { RejectedWhy } from '../../../db/types.ts'
import { type Client, isPublic } from '../../protocol/client-metadata.ts'
import { OAuthError } from '../../protocol/error.ts'
import { required, splitList } from '../../protocol/params.ts'
import {
  allowed,
  askedAudience,
  clockIsWrong,
  type GrantInput,
  LOCKED,
  narrowed,
  NOT_FRESH,
  type TokenDeps,
  type Wanted,
  whose,
} from './grant.ts'
import type { RefreshToken } from './refresh-token.ts'
import { issueTokens, type TokenAnswer } from './tokens.ts'

/**
 * Seconds in which a public client gets a lost answer again (RFC 9700 §4.14.2). An authenticated
 * client gets it again until it uses the successor.
 */
const PUBLIC_REPLAY_SECONDS = 10

/**
 * Refreshes with rotation (RFC 6749 §6, RFC 9700 §4.14.2), or without it where the client keeps to
 * FAPI 2.0 (§5.3.2.1). The answer has an ID token only if the request's `scope` names `openid`
 * (OpenID Connect Core §12.2 makes it optional), without a nonce.
 */
export async function refresh(
  deps: TokenDeps,
  { client, params, jkt, now, requester }: GrantInput,
): Promise<TokenAnswer> {
  const presented = deps.refreshTokens.read(required(params, 'refresh_token'))
  if (!presented) throw new OAuthError('invalid_grant', UNKNOWN)
  const wanted = { audience: askedAudience(client, params), scope: params.get('scope') }
  await checkFirst(deps, client, presented, wanted, now)
  const rotated = await deps.store.rotateRefreshToken({
    ...presented,
    clientId: client.clientId,
    audience: wanted.audience,
    jkt,
    keeps: client.metadata.profile === 'fapi2',
    replayWindowSeconds: isPublic(client) ? PUBLIC_REPLAY_SECONDS : undefined,
    now,
  })
  // A valid session may look expired by a clock that was not compared.
  if (rotated.outcome === 'rejected' && rotated.why === 'expired' && !deps.clockWatch.isCertain())
    throw clockIsWrong()
  if (rotated.outcome === 'rejected')
    throw new OAuthError('invalid_grant', REJECTED[rotated.why], { cause: rotated.why })
  if ('committed' in rotated) {
    deps.log.warn(`refresh_token_${rotated.outcome}`, {
      client_id: client.clientId,
      ...whose(rotated.committed),
      ...requester(),
    })
    throw new OAuthError('invalid_grant', REUSED[rotated.outcome])
  }
  const { family, session, rev } = rotated
  deps.refreshes.publish(session)
  return issueTokens(deps, {
    client,
    session,
    ...allowed(deps, client, session, family, wanted, now),
    rev,
    now,
    refreshToken: deps.refreshTokens.write(family),
    jkt,
    idToken: splitList(wanted.scope).includes('openid') && { nonce: undefined },
  })
}

/**
 * Rejects a request that asks for too much, before the rotation uses up the token. For a public
 * client it checks everything that may fail, because that client can repeat the request only for 10
 * s.
 */
async function checkFirst(
  deps: TokenDeps,
  client: Client,
  presented: RefreshToken,
  wanted: Wanted,
  now: number,
): Promise<void> {
  if (wanted.scope === undefined && !isPublic(client)) return
  const known = await deps.store.findFamily(presented.familyId, presented.generation)
  // The rotation makes every other rejection, because it tells late use from theft.
  if (
    known?.family.clientId !== client.clientId ||
    known.family.generation !== presented.generation
  )
    return
  if (!isPublic(client)) return void narrowed(splitList(known.family.scope), wanted.scope)
  const session = liveSession(await deps.store.statusBySid(known.family.sid, now))
  if (session !== undefined) allowed(deps, client, session, known.family, wanted, now)
}

const UNKNOWN = 'The refresh token is not valid for this client. Start a new sign-in.'
const ENDED = 'The session has ended. Start a new sign-in.'

const REUSED = {
  late: 'This refresh token was replaced more than 10 s ago, so the broker revoked its grant. Start a new sign-in.',
  stolen:
    'This refresh token was replaced earlier, so it may be stolen: the broker ended the session. Start a new sign-in.',
}

const REJECTED: Record<RejectedWhy, string> = {
  unknown: UNKNOWN,
  wrong_client: UNKNOWN,
  wrong_redirect_uri: UNKNOWN,
  wrong_verifier: UNKNOWN,
  wrong_key:
    'The refresh token is bound to another key than that of the DPoP proof, or there is no proof.',
  expired: ENDED,
  revoked: ENDED,
  marked: ENDED,
  not_fresh: NOT_FRESH,
  locked: LOCKED,
  stale: 'This refresh token has been replaced. Use the one from the latest answer.',
}
