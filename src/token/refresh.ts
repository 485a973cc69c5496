import type { RejectedWhy } from '../../db/store.ts'
import { audienceFor } from '../client/admission.ts'
import type { Client } from '../protocol/client-metadata.ts'
import { OAuthError } from '../protocol/error.ts'
import { required, words } from '../protocol/params.ts'
import { announce } from '../revocation/revoke.ts'
import { askedAudience, issueTokens, mustAdmit, narrowed } from './grant.ts'
import type { GrantInput, TokenAnswer, TokenDeps } from './grant.ts'

/** A public client's lost answer is made good this long (RFC 9700 §4.14.2); a client that authenticates has until the successor is used. */
const PUBLIC_REPLAY_SECONDS = 10

/**
 * RFC 6749 §6 with rotation (RFC 9700 §4.14.2). The answer holds an ID token only where the request's own `scope` names `openid`
 * (OpenID Connect Core §12.2 lets it be left out), then without a nonce.
 */
export async function refresh(deps: TokenDeps, { client, params, now }: GrantInput): Promise<TokenAnswer> {
  const presented = deps.refreshTokens.read(required(params, 'refresh_token'))
  if (!presented) throw new OAuthError('invalid_grant', UNKNOWN)
  const audience = askedAudience(client, params)
  const asked = params.get('scope')
  // Before the rotation: asking for too much costs nobody their token.
  if (asked !== undefined) {
    const known = await deps.store.findFamily(presented.familyId, presented.generation)
    if (known?.family.clientId === client.clientId) narrowed(words(known.family.scope), asked)
  }
  const rotated = await deps.store.rotateRefreshToken({
    ...presented,
    clientId: client.clientId,
    replayWindowSeconds: client.metadata.authMethod === 'none' ? PUBLIC_REPLAY_SECONDS : undefined,
    now,
  })
  if (rotated.outcome === 'stolen') {
    announce(deps, [rotated.committed])
    deps.log.warn('refresh_token_stolen', { client: client.clientId, seq: rotated.committed.revocation.seq })
    throw new OAuthError(
      'invalid_grant',
      'This refresh token was replaced long ago, so it may be stolen: the session was ended. Start a new sign-in.',
    )
  }
  if (rotated.outcome === 'rejected') throw new OAuthError('invalid_grant', WORDS[rotated.why])
  const { family, session, rev } = rotated
  deps.refreshes.listener?.(session)
  mustAdmit(client, session)
  return issueTokens(deps, {
    client,
    session,
    scope: narrowed(stillRegistered(client, family.scope), asked),
    audience: audience ?? mustStillHave(client, family.audience),
    rev,
    now,
    refreshToken: deps.refreshTokens.write(family),
    idToken: words(asked).includes('openid') && { nonce: undefined },
  })
}

/** What the client's registration has lost since, its tokens lose with the next refresh. */
const stillRegistered = (client: Client, scope: string): string[] => words(scope).filter((each) => client.metadata.scopes.includes(each))

function mustStillHave(client: Client, audience: string): string {
  const still = audienceFor(client, audience)
  if (still === undefined)
    throw new OAuthError('invalid_target', 'The client is no longer registered for the resource that these tokens are for. Start a new sign-in.')
  return still
}

const UNKNOWN = 'The refresh token is not good for this client. Start a new sign-in.'
const ENDED = 'The session has ended. Start a new sign-in.'

const WORDS: Record<RejectedWhy, string> = {
  unknown: UNKNOWN,
  wrong_client: UNKNOWN,
  wrong_redirect_uri: UNKNOWN,
  wrong_verifier: UNKNOWN,
  expired: ENDED,
  revoked: ENDED,
  marked: ENDED,
  stale: 'This refresh token has been replaced. Use the one from the latest answer.',
}
