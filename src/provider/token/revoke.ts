import type { Context } from 'hono'
import { readForm } from '../../clients/form.ts'
import { requestingClient } from '../../clients/authenticate.ts'
import type { Client } from '../../protocol/client-metadata.ts'
import { OAuthError } from '../../protocol/error.ts'
import { required } from '../../protocol/params.ts'
import { requestRevocation } from '../../revocation/revoke.ts'
import { readAccessToken } from './tokens.ts'
import { onlyFor } from './cors.ts'
import type { TokenDeps } from './grant.ts'
import { REFRESH_TOKEN_PREFIX } from './refresh-token.ts'

/**
 * Answers `POST /revoke` (RFC 7009): revokes the whole grant of the presented token. The client
 * stays a participant and still gets logout tokens. An unknown, expired, revoked or another client's
 * token gets 200 (§2.2) and changes nothing.
 */
export async function revokeToken(deps: TokenDeps, c: Context): Promise<Response> {
  const now = deps.clock.now()
  const params = await readForm(c)
  const client = await requestingClient(deps, c, params, { now, limited: false })
  onlyFor(deps, c, client)
  const held = await grantOf(deps, client, required(params, 'token'), now)
  if (held !== undefined) {
    const { sid, presentedSeq } = held
    await requestRevocation(deps, {
      selector: { kind: 'grant', sid, clientId: client.clientId },
      presentedSeq,
      reason: 'token_revoked',
      actor: { kind: 'client', id: client.clientId },
      now,
    })
  }
  return c.body(null, 200, { 'Cache-Control': 'no-store' })
}

/** Returns the session of a token that this client holds, and when it was opened, or undefined. */
async function grantOf(
  deps: TokenDeps,
  client: Client,
  token: string,
  now: number,
): Promise<{ sid: string; presentedSeq: number } | undefined> {
  if (token.startsWith(REFRESH_TOKEN_PREFIX)) {
    const presented = deps.refreshTokens.read(token)
    const found =
      presented && (await deps.store.findFamily(presented.familyId, presented.generation))
    return found?.family.clientId === client.clientId
      ? { sid: found.family.sid, presentedSeq: found.openedSeq }
      : undefined
  }
  const claims = await readAccessToken(deps, token, now)
  if (!claims || claims.clientId !== client.clientId) return undefined
  if (claims.sid === undefined)
    throw new OAuthError(
      'unsupported_token_type',
      'An access token from client_credentials cannot be revoked alone: it expires within minutes. An operator of the broker can revoke the client.',
    )
  return { sid: claims.sid, presentedSeq: claims.rev }
}
