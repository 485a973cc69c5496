import type { Context } from 'hono'
import type { Caller } from '../acts/caller.ts'
import type { Deps } from '../deps.ts'
import type { Client } from '../protocol/client-metadata.ts'
import { OAuthError } from '../protocol/error.ts'
import { SSF_SCOPES, ssfAudience, TYP } from '../protocol/names.ts'
import { splitList } from '../protocol/params.ts'

/** Who calls the Shared Signals API: a registered client with an access token of its own for it. A user's token does not count here, whatever its scope. */

type Scope = (typeof SSF_SCOPES)[number]

const challenge = (error: string, scope: readonly Scope[]): Record<string, string> => ({
  'WWW-Authenticate': `Bearer realm="ssf", error="${error}", scope="${scope.join(' ')}"`,
})

/**
 * @param scopes any of them is enough (CAEP Interoperability Profile 1.0 §2.7.3)
 * @throws OAuthError invalid_token (401), insufficient_scope (403)
 */
export async function receiverOf(deps: Deps, c: Context, scopes: readonly Scope[]): Promise<Client> {
  const found = await clientOf(deps, c)
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

async function clientOf(deps: Deps, c: Context): Promise<{ client: Client; granted: string[] } | undefined> {
  const token = /^Bearer ([\w.~+/=-]+)$/i.exec(c.req.header('authorization') ?? '')?.[1]
  const claims = token === undefined ? undefined : await deps.keys.verify(token, { typ: TYP.accessToken, now: deps.clock.now() })
  if (claims === undefined) return undefined
  const { aud, client_id: clientId, rev, scope, sid } = claims
  if (aud !== ssfAudience(deps.config.issuer) || sid !== undefined) return undefined
  if (typeof clientId !== 'string' || typeof rev !== 'number' || typeof scope !== 'string') return undefined
  const client = deps.clients.find(clientId)
  if (client === undefined || !(await deps.store.checkClientAccess({ clientId, rev }))) return undefined
  // A scope taken from the client since counts no longer.
  return { client, granted: splitList(scope).filter((name) => client.metadata.scopes.includes(name)) }
}

/** For the audit log. */
export const callerOf = ({ clientId }: Client): Caller => ({ actor: { kind: 'client', id: clientId }, source: 'api', via: 'api', may: 'operate' })
