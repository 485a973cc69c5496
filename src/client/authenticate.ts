/**
 * Decides who an OAuth request comes from (RFC 6749 §2.3, RFC 7523). Refuses more than one method at once, and answers an unknown client
 * as it answers a wrong secret, after the same work.
 */
import type { Client, SecretHash } from '../protocol/client-metadata.ts'
import { equalInConstantTime, sha256 } from '../protocol/compare.ts'
import { OAuthError } from '../protocol/error.ts'
import type { AuthenticateDeps } from './authenticate-deps.ts'
import { verifyAssertion } from './assertion.ts'
import type { ClientCredentialsInput } from './interface.ts'

/**
 * @throws OAuthError invalid_request (two methods, or two client ids), invalid_client (401, with WWW-Authenticate where Basic was tried)
 * @throws StoreUnavailable where an assertion's `jti` cannot be recorded
 */
export async function authenticateClient(deps: AuthenticateDeps, input: ClientCredentialsInput): Promise<Client> {
  const attempt = readAttempt(input)
  const named = input.params.get('client_id')
  if (attempt.method !== 'assertion') {
    if (attempt.clientId === undefined) throw rejected(attempt)
    if (named !== undefined && named !== attempt.clientId)
      throw new OAuthError('invalid_request', 'The parameter client_id names another client than the one that authenticates.')
  }
  const client = await identify(deps, attempt, input.now)
  if (!client) throw rejected(attempt)
  if (named !== undefined && named !== client.clientId)
    throw new OAuthError('invalid_request', 'The parameter client_id names another client than the one that authenticates.')
  return client
}

type Attempt =
  | { method: 'basic' | 'post'; clientId: string | undefined; secret: string }
  | { method: 'assertion'; assertion: string; assertionType: string | undefined }
  | { method: 'none'; clientId: string | undefined }

/** RFC 6749 §2.3: a client must not use more than one method in a request. */
function readAttempt({ authorization, params }: ClientCredentialsInput): Attempt {
  const secret = params.get('client_secret')
  const assertion = params.get('client_assertion')
  const ways = [authorization, secret, assertion ?? params.get('client_assertion_type')].filter((way) => way !== undefined)
  if (ways.length > 1)
    throw new OAuthError('invalid_request', 'Authenticate the client in one way only: Authorization header, client_secret or client_assertion.')
  if (authorization !== undefined) return readBasic(authorization)
  if (secret !== undefined) return { method: 'post', clientId: params.get('client_id'), secret }
  if (assertion !== undefined) return { method: 'assertion', assertion, assertionType: params.get('client_assertion_type') }
  return { method: 'none', clientId: params.get('client_id') }
}

/** RFC 6749 §2.3.1: id and secret are each form-encoded before they are joined. */
function readBasic(authorization: string): Attempt {
  const encoded = /^basic +([A-Za-z0-9+/]+={0,2}) *$/i.exec(authorization)?.[1]
  if (encoded === undefined) return { method: 'basic', clientId: undefined, secret: '' }
  const decoded = Buffer.from(encoded, 'base64').toString('utf8')
  const colon = decoded.indexOf(':')
  if (colon < 0) return { method: 'basic', clientId: undefined, secret: '' }
  return { method: 'basic', clientId: formDecode(decoded.slice(0, colon)), secret: formDecode(decoded.slice(colon + 1)) ?? '' }
}

function formDecode(text: string): string | undefined {
  if (!/[%+]/.test(text)) return text
  try {
    return decodeURIComponent(text.replaceAll('+', ' '))
  } catch {
    return undefined
  }
}

async function identify(deps: AuthenticateDeps, attempt: Attempt, now: number): Promise<Client | undefined> {
  if (attempt.method === 'assertion') return verifyAssertion(deps, attempt, now)
  const client = deps.clients.find(attempt.clientId ?? '')
  if (attempt.method === 'none') return client?.metadata.authMethod === 'none' ? client : undefined
  const method = client?.metadata.authMethod
  const takesSecrets = method === 'client_secret_basic' || method === 'client_secret_post'
  const good = secretMatches(attempt.secret, takesSecrets ? client?.secrets : undefined, now)
  return good ? client : undefined
}

const NOBODY: SecretHash = { id: '', hash: sha256('nobody has this secret'), createdAt: 0, expiresAt: 0 }

/** Always two comparisons, whether there are two secrets, one, or no such client: time tells nothing. */
function secretMatches(secret: string, hashes: readonly SecretHash[] | undefined, now: number): boolean {
  const presented = sha256(secret)
  let good = false
  for (let index = 0; index < Math.max(2, hashes?.length ?? 0); index++) {
    const candidate = hashes?.[index] ?? NOBODY
    const matches = equalInConstantTime(presented, candidate.hash)
    good ||= matches && (candidate.expiresAt === undefined || candidate.expiresAt > now)
  }
  return good
}

/** RFC 6749 §5.2: 401, and the challenge where the Authorization header was used. One text for every cause. */
function rejected(attempt: Attempt): OAuthError {
  const headers = attempt.method === 'basic' ? { 'WWW-Authenticate': 'Basic realm="Case Manager Identity Broker", charset="UTF-8"' } : {}
  const text =
    attempt.method === 'none'
      ? 'This client has to authenticate, or it is not registered here.'
      : 'The client is not registered here, may not authenticate in this way, or its credential is not the right one.'
  return new OAuthError('invalid_client', text, { headers })
}

/** For endpoints that a public client has no business at (RFC 7662 §2.1). @throws OAuthError invalid_client */
export function mustBeConfidential(client: Client): Client {
  if (client.metadata.authMethod === 'none') throw new OAuthError('invalid_client', 'A client without a credential cannot use this endpoint.')
  return client
}
