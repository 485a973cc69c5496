import { audienceFor, redirectsTo } from '../../clients/admission.ts'
import type { Deps } from '../deps.ts'
import { type Client, isPublic } from '../../protocol/client-metadata.ts'
import { OAuthError } from '../../protocol/error.ts'
import { OPERATOR_SCOPES, SSF_SCOPES, TYP } from '../../protocol/names.ts'
import {
  type Params,
  printable,
  readParams,
  splitList,
  isCodeChallenge,
} from '../../protocol/params.ts'
import { isStronger, type Strength, weakestOf } from '../../protocol/strength.ts'
import { lowest } from '../../session/lifetimes.ts'
import { readClaims } from './claims.ts'
import type { Reply } from './reply.tsx'

/**
 * Reads an authorization request (RFC 6749 §4.1.1, OpenID Connect Core 1.0 §3.1.2.1) in two steps.
 * The first finds the client and its registered redirect_uri; until then no error redirects. The
 * second reads the rest, and the instance gets its errors. Unknown parameters are ignored.
 */

export type Prompt = 'none' | 'login' | 'select_account' | 'consent'

/** A validated request, small enough to be sealed into a URL. */
export interface SignInRequest {
  clientId: string
  reply: Reply
  scope: string
  audience: string
  nonce?: string | undefined
  codeChallenge?: string | undefined
  /** The thumbprint of the key that must be proved to redeem the code (`dpop_jkt`). */
  jkt?: string | undefined
  prompt: Prompt[]
  /** Upper bound of the age of the user's authentication: `max_age`, or the client's default. */
  maxAgeSeconds?: number | undefined
  loginHint?: string | undefined
  /** The only user who may sign in (`id_token_hint`, or `sub` in the claims parameter). */
  sub?: string | undefined
  /** The strength that Microsoft must prove at least. */
  acr?: Strength | undefined
  wantsAuthTime?: true | undefined
  /** The pushed request (RFC 9126) that this request was read from. */
  pushed?: { hash: string; expiresAt: number } | undefined
}

/**
 * Upper bound of a request, which is sealed into Microsoft's `state`: servers and proxies reject
 * longer URLs.
 */
const MOST_BYTES = 4096

/**
 * Returns the client and its registered reply address. @throws OAuthError that must not redirect,
 * because the address is not certain
 */
export function readReturn(
  deps: Pick<Deps, 'clients'>,
  source: URLSearchParams,
): { client: Client; reply: Reply } {
  const client = deps.clients.find(only(source, 'client_id'))
  if (client === undefined)
    throw new OAuthError('invalid_request', 'The client_id is not registered at this broker.')
  const redirectUri = only(source, 'redirect_uri')
  if (!redirectsTo(client, redirectUri))
    throw new OAuthError(
      'invalid_request',
      'The redirect_uri is not registered for this client. Send one that exactly matches a registered one.',
    )
  const mode =
    (source.getAll('response_mode').at(0) ?? modeInside(source)) === 'form_post'
      ? 'form_post'
      : 'query'
  const states = source.getAll('state')
  return {
    client,
    reply: {
      redirectUri,
      mode,
      state: states.length === 1 && states[0] !== '' ? states[0] : undefined,
    },
  }
}

/**
 * The response_mode inside an unverified request object (OpenID Connect Core 1.0 §6.1). Such a
 * request is always rejected, so this decides only how the error reaches the registered
 * redirect_uri.
 */
function modeInside(source: URLSearchParams): unknown {
  const payload = source.get('request')?.split('.')[1]
  if (payload === undefined) return undefined
  try {
    const claims: unknown = JSON.parse(Buffer.from(payload, 'base64url').toString('utf8'))
    return typeof claims === 'object' && claims !== null && 'response_mode' in claims
      ? claims.response_mode
      : undefined
  } catch {
    return undefined
  }
}

/**
 * Returns the client of a sealed request, if its current registration still allows the request.
 * @throws OAuthError that must not redirect
 */
export function clientOf(deps: Pick<Deps, 'clients'>, request: SignInRequest): Client {
  const client = deps.clients.find(request.clientId)
  if (client === undefined || !redirectsTo(client, request.reply.redirectUri))
    throw new OAuthError(
      'invalid_request',
      'The application is no longer registered at this broker, or its address has changed. Start the sign-in again from the application.',
    )
  if (audienceFor(client, request.audience) === undefined)
    throw new OAuthError(
      'invalid_target',
      'The application is no longer registered for the resource that it requested.',
    )
  return client
}

/**
 * Returns the request reduced to the client's current scopes and demands.
 * @throws OAuthError that must not redirect
 */
export function asRegistered(client: Client, request: SignInRequest): SignInRequest {
  const scope = splitList(request.scope).filter((each) => client.metadata.scopes.includes(each))
  if (scope.length === 0)
    throw new OAuthError(
      'invalid_scope',
      'The application is no longer registered for the scopes that it requested.',
    )
  return {
    ...request,
    scope: scope.join(' '),
    maxAgeSeconds: lowest(request.maxAgeSeconds, client.metadata.maxAuthAgeSeconds),
  }
}

function only(source: URLSearchParams, name: string): string {
  const [value, another] = source.getAll(name)
  if (another !== undefined)
    throw new OAuthError('invalid_request', `Send the parameter ${name} once only.`)
  if (!value) throw new OAuthError('invalid_request', `The parameter ${name} is missing.`)
  return value
}

/** Reads the rest of the request. @throws OAuthError that redirects to the instance */
export async function readRequest(
  deps: Pick<Deps, 'keys'>,
  client: Client,
  reply: Reply,
  source: URLSearchParams,
  now: number,
): Promise<SignInRequest> {
  const params = readParams(source, ['resource'])
  rejectUnsupported(params)
  checkResponse(client, params)
  const claims = readClaims(params.get('claims'))
  const hinted = await readIdTokenHint(deps, client, params.get('id_token_hint'), now)
  if (hinted !== undefined && claims.sub !== undefined && hinted !== claims.sub)
    throw new OAuthError(
      'invalid_request',
      'id_token_hint and the claims parameter name different users.',
    )
  const maxAge = readMaxAge(params.get('max_age'))
  const byValues = weakestOf(splitList(params.get('acr_values')))
  const request: SignInRequest = {
    clientId: client.clientId,
    reply,
    scope: readScope(client, params.get('scope'), claims.scopes),
    audience: readAudience(client, params.get('resource')),
    nonce: params.get('nonce'),
    codeChallenge: readChallenge(client, params),
    jkt: readThumbprint(params.get('dpop_jkt')),
    prompt: readPrompt(params.get('prompt')),
    maxAgeSeconds: lowest(maxAge, client.metadata.maxAuthAgeSeconds),
    loginHint: params.get('login_hint'),
    sub: hinted ?? claims.sub,
    acr: isStronger(claims.acr, byValues) ? claims.acr : byValues,
    wantsAuthTime: claims.authTime || maxAge !== undefined ? true : undefined,
  }
  if (Buffer.byteLength(JSON.stringify(request)) > MOST_BYTES)
    throw new OAuthError(
      'invalid_request',
      'The request is too long: shorten state, nonce or login_hint.',
    )
  return request
}

function rejectUnsupported(params: Params): void {
  // OpenID Connect Core 1.0 §6 and §7.2.1. Parameters of a pushed request have replaced its
  // request_uri before.
  if (params.has('request'))
    throw new OAuthError(
      'request_not_supported',
      'Request objects are not supported: send the parameters, or push them to /par.',
    )
  if (params.has('request_uri'))
    throw new OAuthError('request_uri_not_supported', 'Only a request_uri from /par is supported.')
  if (params.has('registration'))
    throw new OAuthError(
      'registration_not_supported',
      'The registration parameter is not supported.',
    )
}

function checkResponse(client: Client, params: Params): void {
  const type = params.get('response_type')
  if (type === undefined)
    throw new OAuthError('invalid_request', 'The parameter response_type is missing.')
  if (type !== 'code')
    throw new OAuthError(
      'unsupported_response_type',
      'Unsupported response_type. Supported value: code.',
    )
  if (!client.metadata.grants.includes('authorization_code'))
    throw new OAuthError(
      'unauthorized_client',
      'The client is not registered for the grant authorization_code.',
    )
  const mode = params.get('response_mode') ?? 'query'
  if (mode !== 'query' && mode !== 'form_post')
    throw new OAuthError('invalid_request', 'The response_mode must be query or form_post.')
}

const CLIENT_SCOPES: readonly string[] = [...OPERATOR_SCOPES, ...SSF_SCOPES]

/**
 * Returns the granted scopes. Unregistered scopes are dropped (RFC 6749 §3.3), and offline_access
 * if the client may not refresh; at least one must remain. Without openid the client gets no ID
 * token and no user claims.
 */
function readScope(
  client: Client,
  asked: string | undefined,
  forClaims: readonly string[],
): string {
  const { scopes, grants } = client.metadata
  const named = splitList(asked)
  const granted = [...new Set([...named, ...(named.includes('openid') ? forClaims : [])])].filter(
    (scope) =>
      scopes.includes(scope) &&
      !CLIENT_SCOPES.includes(scope) &&
      (scope !== 'offline_access' || grants.includes('refresh_token')),
  )
  if (granted.length === 0)
    throw new OAuthError(
      'invalid_scope',
      `Request at least one of these scopes: ${scopes.join(' ')}.`,
    )
  return granted.join(' ')
}

/** Returns the one audience (RFC 8707 §2), which must be registered for the client. */
function readAudience(client: Client, resource: string | undefined): string {
  const audience = audienceFor(client, resource)
  if (audience === undefined)
    throw new OAuthError(
      'invalid_target',
      'Send one resource only, and one that the client is registered for.',
    )
  return audience
}

/**
 * Returns the PKCE challenge (RFC 7636, RFC 9700 §2.1.1). Public clients must send S256; others too
 * unless registered otherwise.
 */
function readChallenge(client: Client, params: Params): string | undefined {
  const challenge = params.get('code_challenge')
  const method = params.get('code_challenge_method')
  if (challenge === undefined) {
    if (client.metadata.requirePkce || isPublic(client))
      throw new OAuthError(
        'invalid_request',
        'Send a code_challenge with code_challenge_method S256 (RFC 7636).',
      )
    if (method !== undefined)
      throw new OAuthError(
        'invalid_request',
        'Send code_challenge and code_challenge_method together, or neither.',
      )
    return undefined
  }
  // A missing method means plain (RFC 7636 §4.3), which does not protect against a reader of the
  // request.
  if (method !== 'S256')
    throw new OAuthError('invalid_request', 'The code_challenge_method must be S256.')
  if (!isCodeChallenge(challenge))
    throw new OAuthError(
      'invalid_request',
      'The code_challenge must be a SHA-256 hash in base64url (43 characters).',
    )
  return challenge
}

/** Returns `dpop_jkt` (RFC 9449 §10), the SHA-256 thumbprint of a key in base64url. */
function readThumbprint(value: string | undefined): string | undefined {
  if (value !== undefined && !isCodeChallenge(value))
    throw new OAuthError(
      'invalid_request',
      'The dpop_jkt must be the SHA-256 thumbprint of a key in base64url (43 characters).',
    )
  return value
}

const PROMPTS: readonly string[] = ['none', 'login', 'select_account', 'consent'] satisfies Prompt[]

function readPrompt(value: string | undefined): Prompt[] {
  const prompts = splitList(value)
  const unknown = prompts.find((prompt) => !PROMPTS.includes(prompt))
  if (unknown !== undefined)
    throw new OAuthError(
      'invalid_request',
      `Unsupported prompt ${printable(unknown)}. Supported values: ${PROMPTS.join(', ')}.`,
    )
  if (prompts.length > 1 && prompts.includes('none'))
    throw new OAuthError('invalid_request', 'Send prompt=none without other prompt values.')
  return prompts as Prompt[]
}

function readMaxAge(value: string | undefined): number | undefined {
  if (value === undefined) return undefined
  if (!/^\d{1,9}$/.test(value))
    throw new OAuthError('invalid_request', 'The max_age must be a whole number of seconds.')
  return Number(value)
}

/** Returns the `sub` of an ID token that the broker issued to this client, expired or not. */
async function readIdTokenHint(
  deps: Pick<Deps, 'keys'>,
  client: Client,
  jwt: string | undefined,
  now: number,
): Promise<string | undefined> {
  if (jwt === undefined) return undefined
  const claims = await deps.keys.verify(jwt, { typ: TYP.idToken, now, allowExpired: true })
  const audiences = [claims?.aud].flat()
  if (
    claims === undefined ||
    typeof claims.sub !== 'string' ||
    !audiences.includes(client.clientId)
  )
    throw new OAuthError(
      'invalid_request',
      'The id_token_hint is not an ID token of this issuer for this client.',
    )
  return claims.sub
}
