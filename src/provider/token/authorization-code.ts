import type { RejectedWhy } from '../../../db/types.ts'
import { sha256 } from '../../runtime/compare.ts'
import { isPublic } from '../../protocol/client-metadata.ts'
import { OAuthError } from '../../protocol/error.ts'
import { newId } from '../../runtime/ids.ts'
import { GRANT } from '../../protocol/names.ts'
import { required } from '../../protocol/params.ts'
import {
  allowed,
  askedAudience,
  type GrantInput,
  LOCKED,
  NOT_FRESH,
  type TokenDeps,
  whose,
} from './grant.ts'
import { issueTokens, type TokenAnswer } from './tokens.ts'

/**
 * Redeems an authorization code (RFC 6749 §4.1.3, RFC 7636 §4.5). A code is valid once, for 60 s,
 * for its client, its redirect_uri and its verifier.
 */
export async function exchangeAuthorizationCode(
  deps: TokenDeps,
  { client, params, jkt, now, requester }: GrantInput,
): Promise<TokenAnswer> {
  const code = required(params, 'code')
  // Checked before the code is consumed: a request that cannot succeed must not use up the code.
  const asked = askedAudience(client, params)
  const redeemed = await deps.store.redeemAuthorizationCode({
    codeHash: sha256(code),
    clientId: client.clientId,
    redirectUri: params.get('redirect_uri'),
    verifier: params.get('code_verifier'),
    jkt,
    // The credential of another client holds its refresh token (RFC 9449 §5).
    bindsFamily: isPublic(client),
    familyId: newId(deps.random),
    maxAuthenticationSeconds: client.metadata.maxAuthenticationSeconds,
    sessionLimit: client.metadata.sessionLimit,
    audience: asked,
    now,
  })
  if (redeemed.outcome === 'reused') {
    deps.log.warn('code_reused', {
      client_id: client.clientId,
      ...whose(redeemed.committed),
      ...requester(),
    })
    throw new OAuthError(
      'invalid_grant',
      'The code was used before, so the broker revoked its tokens. Start a new sign-in.',
    )
  }
  if (redeemed.outcome === 'rejected')
    throw new OAuthError('invalid_grant', REJECTED[redeemed.why], { cause: redeemed.why })
  const { session, grant, family, rev } = redeemed
  const { scope, audience } = allowed(deps, client, session, grant, { audience: asked }, now)
  const refreshToken =
    family && client.metadata.grants.includes(GRANT.refreshToken)
      ? deps.refreshTokens.write(family)
      : undefined
  return issueTokens(deps, {
    client,
    session,
    scope,
    audience,
    rev,
    now,
    refreshToken,
    jkt,
    idToken: scope.includes('openid') && { nonce: grant.nonce },
  })
}

const UNKNOWN =
  'The code is not valid: it was issued to another client, was used before, or has expired. Start a new sign-in.'
const ENDED = 'The session that the code belongs to has ended. Start a new sign-in.'

/**
 * The same text for an unknown code and another client's, so that no client learns of another's
 * codes.
 */
const REJECTED: Record<RejectedWhy, string> = {
  unknown: UNKNOWN,
  wrong_client: UNKNOWN,
  stale: UNKNOWN,
  expired: UNKNOWN,
  revoked: ENDED,
  marked: ENDED,
  not_fresh: NOT_FRESH,
  locked: LOCKED,
  wrong_key:
    'The code is bound to another key than that of the DPoP proof, or there is no proof. Start a new sign-in.',
  wrong_redirect_uri: 'The redirect_uri must exactly match the one of the authorization request.',
  wrong_verifier:
    'The code_verifier does not match the code_challenge of the authorization request. Start a new sign-in.',
}
