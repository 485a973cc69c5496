import type { Context } from 'hono'
import type { Caller } from '../../clients/caller.ts'
import { clientByToken } from '../../clients/own-token.ts'
import type { Deps } from '../deps.ts'
import type { Client } from '../../protocol/client-metadata.ts'
import { OAuthError } from '../../protocol/error.ts'
import { type SSF_SCOPES, ssfAudience } from '../../protocol/names.ts'

/** Who calls the Shared Signals API: a registered client with an access token of its own for it. */

type Scope = (typeof SSF_SCOPES)[number]

const challenge = (error: string, scope: readonly Scope[]): Record<string, string> => ({
  'WWW-Authenticate': `Bearer realm="ssf", error="${error}", scope="${scope.join(' ')}"`,
})

/**
 * @param scopes any of them is enough (CAEP Interoperability Profile 1.0 §2.7.3)
 * @throws OAuthError invalid_token (401), insufficient_scope (403)
 */
export async function receiverOf(deps: Deps, c: Context, scopes: readonly Scope[]): Promise<Client> {
  const { clock, config } = deps
  const found = await clientByToken(deps, c.req.header('authorization'), { audience: ssfAudience(config.issuer), now: clock.now() })
  if (found === undefined)
    throw new OAuthError(
      'invalid_token',
      'Ask POST /token for an access token: grant_type=client_credentials with the scope ssf.read or ssf.manage.',
      {
        headers: challenge('invalid_token', scopes),
      },
    )
  if (!scopes.some((scope) => found.granted.includes(scope)))
    throw new OAuthError('insufficient_scope', `This needs an access token with the scope ${scopes.join(' or ')}.`, {
      headers: challenge('insufficient_scope', scopes),
    })
  return found.client
}

/** For the audit log. */
export const callerOf = ({ clientId }: Client): Caller => ({ actor: { kind: 'client', id: clientId }, source: 'api', via: 'api', may: 'operate' })
