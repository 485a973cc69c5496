import type { Client } from '../protocol/client-metadata.ts'
import { OAuthError } from '../protocol/error.ts'
import { OPERATOR_SCOPES, SCOPES, adminAudience } from '../protocol/names.ts'
import { printable, splitList } from '../protocol/params.ts'
import { mintAccessToken } from './access-token.ts'
import { askedAudience, LOCKED } from './grant.ts'
import type { GrantInput, TokenAnswer, TokenDeps } from './grant.ts'

const PERSONS: readonly string[] = SCOPES
const OPERATORS: readonly string[] = OPERATOR_SCOPES

/** RFC 6749 §4.4: a client for itself. No user, so no `sid`, no ID token and no refresh token (§4.4.3). */
export async function clientCredentials(deps: TokenDeps, { client, params, now }: GrantInput): Promise<TokenAnswer> {
  if (client.metadata.authMethod === 'none') throw new OAuthError('unauthorized_client', 'A client without a credential has no tokens of its own.')
  const admin = adminAudience(deps.config.issuer)
  const scopes = scopesFor(client, params.get('scope'), params.get('resource') === admin)
  const audience = audienceOf(scopes, params.get('resource'), admin) ?? askedAudience(client, params) ?? client.metadata.audience
  // A client that was removed while it authenticated would get a token newer than its own end.
  const granted = await deps.store.grantClient({ clientId: client.clientId, audience })
  if (granted.outcome === 'rejected')
    throw granted.why === 'locked'
      ? new OAuthError('unauthorized_client', LOCKED)
      : new OAuthError('invalid_client', 'The client is not registered here any more.')
  const scope = scopes.join(' ')
  const { token, expiresIn } = mintAccessToken(deps, { client, audience, scope, rev: granted.rev, now })
  return { access_token: token, token_type: 'Bearer', expires_in: expiresIn, scope }
}

/** Without `scope`: all that the client is registered for, of the kind that the audience takes. */
function scopesFor(client: Client, asked: string | undefined, forAdmin: boolean): string[] {
  const registered = client.metadata.scopes.filter((scope) => !PERSONS.includes(scope))
  if (asked === undefined) return registered.filter((scope) => OPERATORS.includes(scope) === forAdmin)
  const wanted = splitList(asked)
  const rejected = wanted.filter((scope) => !registered.includes(scope))
  if (rejected.length > 0) throw new OAuthError('invalid_scope', `The client may not have the scope ${printable(rejected.join(' '))} for itself.`)
  return wanted
}

/** `broker:*` are good at the admin API alone, so that no instance can use a token that it was sent. @returns undefined: not for the admin API */
function audienceOf(scopes: readonly string[], resource: string | undefined, admin: string): string | undefined {
  const forOperators = scopes.filter((scope) => OPERATORS.includes(scope))
  if (forOperators.length === 0) {
    if (resource === admin)
      throw new OAuthError('invalid_target', 'The admin API takes tokens with the scope broker:operate or broker:administer only.')
    return undefined
  }
  if (forOperators.length < scopes.length)
    throw new OAuthError('invalid_scope', 'Ask for broker:* scopes by themselves: their tokens are for the admin API.')
  if (resource !== undefined && resource !== admin)
    throw new OAuthError('invalid_target', `The scope ${forOperators.join(' ')} is for the resource ${admin}.`)
  return admin
}
