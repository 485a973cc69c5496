import { type Client, isPublic } from '../../protocol/client-metadata.ts'
import { OAuthError } from '../../protocol/error.ts'
import {
  OPERATOR_SCOPES,
  SCOPES,
  SSF_SCOPES,
  adminAudience,
  ssfAudience,
} from '../../protocol/names.ts'
import { printable, splitList } from '../../protocol/params.ts'
import { mintAccessToken, type TokenAnswer } from './tokens.ts'
import { askedAudience, LOCKED, type GrantInput, type TokenDeps } from './grant.ts'

const USER_SCOPES: readonly string[] = SCOPES

/**
 * An API of the broker itself. A token with its scopes has it as the only audience, so that no
 * instance can use a token that it received.
 */
interface OwnApi {
  name: string
  scopes: readonly string[]
  audience(issuer: string): string
}
const OWN_APIS: readonly OwnApi[] = [
  { name: 'the admin API', scopes: OPERATOR_SCOPES, audience: adminAudience },
  { name: 'the Shared Signals API', scopes: SSF_SCOPES, audience: ssfAudience },
]
const apiOf = (scope: string): OwnApi | undefined =>
  OWN_APIS.find(({ scopes }) => scopes.includes(scope))

/**
 * Issues an access token for the client itself (RFC 6749 §4.4). Without a user there is no `sid`,
 * no ID token and no refresh token (§4.4.3).
 */
export async function clientCredentials(
  deps: TokenDeps,
  { client, params, jkt, now }: GrantInput,
): Promise<TokenAnswer> {
  if (isPublic(client))
    throw new OAuthError(
      'unauthorized_client',
      'A client without a credential cannot use client_credentials. Register the client with a credential.',
    )
  const { issuer } = deps.config
  const resource = params.get('resource')
  const scopes = scopesFor(
    client,
    params.get('scope'),
    OWN_APIS.find((api) => api.audience(issuer) === resource),
  )
  const audience =
    ownAudience(scopes, resource, issuer) ??
    askedAudience(client, params) ??
    client.metadata.audience
  // A client removed during authentication must not get a token that is newer than its revocation.
  const granted = await deps.store.grantClient({ clientId: client.clientId, audience })
  if (granted.outcome === 'rejected')
    throw granted.why === 'locked'
      ? new OAuthError('unauthorized_client', LOCKED)
      : new OAuthError(
          'invalid_client',
          'The client was removed from the broker. Ask an operator of the broker to register it.',
        )
  const scope = scopes.join(' ')
  return mintAccessToken(deps, { client, audience, scope, rev: granted.rev, now, jkt })
}

/**
 * Returns the scopes of the token. Without `scope` in the request: all registered scopes that
 * belong to the audience.
 * @param api the broker's API that the token is for; undefined: an instance
 */
function scopesFor(client: Client, asked: string | undefined, api: OwnApi | undefined): string[] {
  const registered = client.metadata.scopes.filter((scope) => !USER_SCOPES.includes(scope))
  if (asked === undefined) return registered.filter((scope) => apiOf(scope) === api)
  const wanted = splitList(asked)
  const rejected = wanted.filter((scope) => !registered.includes(scope))
  if (rejected.length > 0)
    throw new OAuthError(
      'invalid_scope',
      `The client may not use the scope ${printable(rejected.join(' '))} with client_credentials. Ask an operator of the broker to register it.`,
    )
  return wanted
}

/**
 * Returns the audience of the broker's API that the scopes belong to, or undefined for an instance.
 */
function ownAudience(
  scopes: readonly string[],
  resource: string | undefined,
  issuer: string,
): string | undefined {
  const asked = OWN_APIS.find((api) => api.audience(issuer) === resource)
  const [api, ...others] = new Set(scopes.map(apiOf))
  if (api === undefined && others.length === 0) {
    if (asked !== undefined)
      throw new OAuthError(
        'invalid_target',
        `${capital(asked.name)} accepts only tokens with the scope ${asked.scopes.join(' or ')}.`,
      )
    return undefined
  }
  if (others.length > 0) {
    const [own] = [api, ...others].filter((ownApi) => ownApi !== undefined)
    throw new OAuthError(
      'invalid_scope',
      `Request ${own?.scopes.join(' and ')} without other scopes: their tokens are for ${own?.name} only.`,
    )
  }
  const audience = api?.audience(issuer)
  if (resource !== undefined && asked !== api)
    throw new OAuthError(
      'invalid_target',
      `The scope ${scopes.join(' ')} is for the resource ${audience}. Send that resource, or none.`,
    )
  return audience
}

const capital = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1)
