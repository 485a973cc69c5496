/**
 * Authenticates the client of an OAuth request (RFC 6749 §2.3, RFC 7523). Rejects more than one
 * method at once, and treats an unknown client like a wrong secret, with the same work and the same
 * answer.
 */
import type { Context } from 'hono'
import { type Client, isPublic, type SecretHash } from '../protocol/client-metadata.ts'
import { equalInConstantTime, sha256 } from '../runtime/compare.ts'
import { OAuthError } from '../protocol/error.ts'
import type { Params } from '../protocol/params.ts'
import { tooMany } from '../runtime/rate-limits.ts'
import { remoteOf } from '../runtime/remote-address.ts'
import type { AuthenticateDeps } from './deps.ts'
import { type AssertionProblem, stillNames, verifyAssertion } from './assertion.ts'
import type { ClientCredentialsInput } from './interface.ts'

/**
 * Returns the client that sent an OAuth request.
 * @param options.limited `false` at endpoints without a limit: revocations and the reports of
 * guards
 * @throws OAuthError, StoreUnavailable as `authenticateClient` does
 */
export function requestingClient(
  deps: AuthenticateDeps,
  c: Context,
  params: Params,
  { now, limited }: { now: number; limited?: boolean },
): Promise<Client> {
  return authenticateClient(deps, {
    authorization: c.req.header('authorization'),
    params,
    now,
    address: remoteOf(c, deps.config),
    limited,
  })
}

/**
 * Authenticates the client, or logs the cause and throws. The answer has one text for every cause,
 * except that a client whose assertion has a valid signature learns which claim is wrong. Over the
 * limit of failures the answer is 429. Only failures count, so that a stranger cannot lock a client
 * out.
 * @throws OAuthError invalid_request (two methods, or two client ids), invalid_client (401, with
 * WWW-Authenticate if Basic was used), 429
 * @throws StoreUnavailable if an assertion's `jti` cannot be recorded
 */
export async function authenticateClient(
  deps: AuthenticateDeps,
  input: ClientCredentialsInput,
): Promise<Client> {
  const attempt = readAttempt(input)
  const named = input.params.get('client_id')
  if (
    attempt.method !== 'assertion' &&
    attempt.clientId !== undefined &&
    named !== undefined &&
    named !== attempt.clientId
  )
    throw twoClients()
  const identified = await identify(deps, attempt, input.now)
  if (identified.why !== undefined) throw reject(deps, input, attempt, identified)
  const { client } = identified
  if (named !== undefined && named !== client.clientId) throw twoClients()
  return client
}

const twoClients = (): OAuthError =>
  new OAuthError(
    'invalid_request',
    'The parameter client_id and the client authentication name different clients. Send one client.',
  )

/** The causes of a rejection, for the log: the operator's next step depends on the cause. */
const REJECTED = {
  not_named:
    'The request names no client, or its Authorization header is not valid Basic authentication.',
  unknown_client: 'No client with this client_id is registered.',
  other_method: 'The client is registered for another authentication method.',
  wrong_secret: 'The client secret is wrong.',
  expired_secret: 'The client secret has expired.',
} as const
type Why = keyof typeof REJECTED

interface Rejected {
  client?: Client | undefined
  why: Why | AssertionProblem
  problem: string
  mayBeShown?: boolean
}
type Identified = { client: Client; why?: undefined } | Rejected

function reject(
  deps: AuthenticateDeps,
  input: ClientCredentialsInput,
  attempt: Attempt,
  { client, why, problem, mayBeShown }: Rejected,
): OAuthError {
  const key = { clientId: client?.clientId, address: input.address }
  if (deps.rateLimits.mayLog(key)) {
    const { method } = attempt
    deps.log.warn('client_rejected', {
      why,
      problem,
      client_id: key.clientId ?? shown(attempt),
      method,
      from: input.address,
    })
  }
  const exceeded = input.limited === false ? undefined : deps.rateLimits.take('clientFailures', key)
  return exceeded === undefined
    ? rejected(
        attempt,
        mayBeShown === true ? `The client assertion is not valid. ${problem}` : undefined,
      )
    : tooMany(exceeded)
}

/**
 * Returns the client_id for the log, unless it is long: an unknown long client_id may be a secret
 * in the wrong field.
 */
function shown(attempt: Attempt): string | undefined {
  const named = attempt.method === 'assertion' ? undefined : attempt.clientId
  return named !== undefined && named.length <= 32 ? named : undefined
}

type Attempt =
  | { method: 'basic' | 'post'; clientId: string | undefined; secret: string }
  | { method: 'assertion'; assertion: string; assertionType: string | undefined }
  | { method: 'none'; clientId: string | undefined }

/**
 * Returns the client's one authentication attempt. A client must not use more than one method in a
 * request (RFC 6749 §2.3).
 */
function readAttempt({ authorization, params }: ClientCredentialsInput): Attempt {
  const secret = params.get('client_secret')
  const assertion = params.get('client_assertion')
  const ways = [authorization, secret, assertion ?? params.get('client_assertion_type')].filter(
    (way) => way !== undefined,
  )
  if (ways.length > 1)
    throw new OAuthError(
      'invalid_request',
      'Authenticate the client by one method only: Authorization header, client_secret or client_assertion.',
    )
  if (authorization !== undefined) return readBasic(authorization)
  if (secret !== undefined) return { method: 'post', clientId: params.get('client_id'), secret }
  if (assertion !== undefined)
    return { method: 'assertion', assertion, assertionType: params.get('client_assertion_type') }
  return { method: 'none', clientId: params.get('client_id') }
}

/**
 * Reads Basic credentials. The id and the secret are each form-encoded before they are joined (RFC
 * 6749 §2.3.1).
 */
function readBasic(authorization: string): Attempt {
  const encoded = /^basic +([A-Za-z0-9+/]+={0,2}) *$/i.exec(authorization)?.[1]
  if (encoded === undefined) return { method: 'basic', clientId: undefined, secret: '' }
  const decoded = Buffer.from(encoded, 'base64').toString('utf8')
  const colon = decoded.indexOf(':')
  if (colon < 0) return { method: 'basic', clientId: undefined, secret: '' }
  return {
    method: 'basic',
    clientId: formDecode(decoded.slice(0, colon)),
    secret: formDecode(decoded.slice(colon + 1)) ?? '',
  }
}

function formDecode(text: string): string | undefined {
  if (!/[%+]/.test(text)) return text
  try {
    return decodeURIComponent(text.replaceAll('+', ' '))
  } catch {
    return undefined
  }
}

async function identify(
  deps: AuthenticateDeps,
  attempt: Attempt,
  now: number,
): Promise<Identified> {
  if (attempt.method === 'assertion') return verifyAssertion(deps, attempt, now)
  const client = deps.clients.find(attempt.clientId ?? '')
  const method = client?.metadata.authMethod
  const because = (why: Why): Identified => ({ client, why, problem: REJECTED[why] })
  if (attempt.method === 'none')
    return client !== undefined && method === 'none' ? { client } : because(whyNot(attempt, client))
  const takesSecrets = method === 'client_secret_basic' || method === 'client_secret_post'
  const match = compareSecret(attempt.secret, takesSecrets ? client?.secrets : undefined, now)
  if (typeof match === 'object' && client !== undefined) {
    deps.clients.secretUses.note({ clientId: client.clientId, id: match.id, at: now })
    return { client }
  }
  return because(
    takesSecrets
      ? match === 'expired'
        ? 'expired_secret'
        : 'wrong_secret'
      : whyNot(attempt, client),
  )
}

function whyNot({ clientId }: { clientId: string | undefined }, client: Client | undefined): Why {
  if (clientId === undefined) return 'not_named'
  return client === undefined ? 'unknown_client' : 'other_method'
}

const NOBODY: SecretHash = {
  id: '',
  hash: sha256('nobody has this secret'),
  createdAt: 0,
  expiresAt: 0,
}

/**
 * Compares the secret in constant time. It makes at least two comparisons even for a client with
 * one secret or none, so that the time of the answer reveals nothing.
 */
function compareSecret(
  secret: string,
  hashes: readonly SecretHash[] | undefined,
  now: number,
): SecretHash | 'expired' | 'wrong' {
  const presented = sha256(secret)
  let good: SecretHash | undefined
  let expired = false
  for (let index = 0; index < Math.max(2, hashes?.length ?? 0); index++) {
    const candidate = hashes?.[index] ?? NOBODY
    const matches = equalInConstantTime(presented, candidate.hash)
    const over = candidate.expiresAt !== undefined && candidate.expiresAt <= now
    if (matches && !over) good = candidate
    expired ||= matches && over
  }
  if (good !== undefined) return good
  return expired ? 'expired' : 'wrong'
}

const UNNAMED = "The log of the broker names the cause by this answer's X-Request-Id."

/**
 * The error of a failed authentication (RFC 6749 §5.2): 401, with a challenge if the Authorization
 * header was used.
 * @param text replaces the text that is the same for every cause
 */
function rejected(attempt: Attempt, text?: string): OAuthError {
  const headers =
    attempt.method === 'basic'
      ? { 'WWW-Authenticate': 'Basic realm="Case Manager Identity Broker", charset="UTF-8"' }
      : {}
  const general =
    attempt.method === 'none'
      ? 'This client must authenticate, or it is not registered at this broker.'
      : 'The client is not registered at this broker, is registered for another authentication method, or its credential is wrong.'
  return new OAuthError('invalid_client', text ?? `${general} ${UNNAMED}`, { headers })
}

/**
 * Rejects public clients at endpoints that require authentication (RFC 7662 §2.1): an attacker can
 * use their ids.
 * @throws OAuthError invalid_client
 */
export function mustBeConfidential(client: Client): Client {
  if (isPublic(client))
    throw new OAuthError(
      'invalid_client',
      'A client without a credential cannot use this endpoint. Register a client with a secret or a key, and authenticate it.',
    )
  return client
}

/**
 * Returns whether the credentials that opened a long-lived stream are still valid: false once the
 * client, its secret or its key was removed. An assertion is valid for minutes (RFC 7523 §3), so
 * only its key, and the workload that it names, are checked again.
 */
export async function stillAuthenticated(
  deps: AuthenticateDeps,
  client: Client,
  input: ClientCredentialsInput,
): Promise<boolean> {
  const assertion = input.params.get('client_assertion')
  if (assertion !== undefined) return stillNames(deps, client, assertion, input.now)
  try {
    return mustBeConfidential(await authenticateClient(deps, input)).clientId === client.clientId
  } catch (error) {
    if (error instanceof OAuthError) return false
    throw error
  }
}
