import type { Context } from 'hono'
import { readForm } from '../../clients/form.ts'
import { remoteOf } from '../../runtime/remote-address.ts'
import { requestingClient } from '../../clients/authenticate.ts'
import { invalidProof, judgedProof } from '../../clients/dpop.ts'
import { type Client, isPublic } from '../../protocol/client-metadata.ts'
import { OAuthError } from '../../protocol/error.ts'
import { GRANT, type GrantType } from '../../protocol/names.ts'
import { required } from '../../protocol/params.ts'
import { mustBeWithin } from '../../runtime/rate-limits.ts'
import { deviceName } from '../../session/device.ts'
import { exchangeAuthorizationCode } from './authorization-code.ts'
import { clientCredentials } from './client-credentials.ts'
import { onlyFor } from './cors.ts'
import type { Grant, TokenDeps } from './grant.ts'
import { refresh } from './refresh.ts'
import { exchangeToken } from './token-exchange.ts'

const grants: Record<GrantType, Grant> = {
  [GRANT.authorizationCode]: exchangeAuthorizationCode,
  [GRANT.refreshToken]: refresh,
  [GRANT.clientCredentials]: clientCredentials,
  [GRANT.tokenExchange]: exchangeToken,
}

const isGrant = (name: string | undefined): name is GrantType =>
  name !== undefined && Object.hasOwn(grants, name)

/**
 * Parameters that may be repeated (RFC 8707 §2, RFC 8693 §2.1). The broker issues for one target
 * and rejects more as invalid_target.
 */
const REPEATABLE = ['resource', 'audience']

/** Response headers of RFC 6749 §5.1; `Pragma` is for HTTP/1.0 caches. */
const NOT_STORED = { 'Cache-Control': 'no-store', Pragma: 'no-cache' }

/** Answers `POST /token`: authenticates the client, then runs the grant's own function. */
export async function tokenEndpoint(deps: TokenDeps, c: Context): Promise<Response> {
  const now = deps.clock.now()
  const from = remoteOf(c, deps.config)
  let grant = 'unknown'
  let known: Client | undefined
  try {
    const params = await readForm(c, REPEATABLE)
    const asked = params.get('grant_type')
    if (isGrant(asked)) grant = asked
    const client = (known = await requestingClient(deps, c, params, { now }))
    onlyFor(deps, c, client)
    const type = required(params, 'grant_type')
    if (!isGrant(type))
      throw new OAuthError(
        'unsupported_grant_type',
        `Unsupported grant_type. Supported values: ${Object.keys(grants).join(', ')}.`,
      )
    if (!client.metadata.grants.includes(type))
      throw new OAuthError(
        'unauthorized_client',
        `The client is not registered for the grant ${type}.`,
      )
    const requester = () => ({ from, device: deviceName(c.req.header('user-agent')) })
    const jkt = await keyOf(deps, c, client, now)
    const answer = await grants[type](deps, { client, params, jkt, now, requester })
    deps.metrics.tokens.inc({ grant, outcome: 'issued' })
    deps.metrics.clientTokens.inc({
      client: client.clientId,
      outcome: type === GRANT.refreshToken ? 'refreshed' : 'issued',
    })
    return c.json(answer, 200, NOT_STORED)
  } catch (error) {
    deps.metrics.tokens.inc({ grant, outcome: error instanceof OAuthError ? error.code : 'failed' })
    if (known !== undefined && error instanceof OAuthError)
      rejected(deps, { from, clientId: known.clientId, grant }, error)
    throw error
  }
}

/**
 * Returns the thumbprint of the key that the tokens are bound to, or undefined for Bearer tokens. It
 * uses up the proof before the grant is read, so a proof serves one grant at most. Anyone can send
 * proofs for a public client, and the broker remembers each, so their number is limited.
 * @throws OAuthError invalid_dpop_proof, 429
 */
async function keyOf(
  deps: TokenDeps,
  c: Context,
  client: Client,
  now: number,
): Promise<string | undefined> {
  const { clientId, metadata } = client
  if (isPublic(client) && c.req.header('dpop') !== undefined)
    mustBeWithin(deps.rateLimits, 'proofs', { clientId, address: remoteOf(c, deps.config) })
  const proof = await judgedProof(deps, c, now)
  if (proof === undefined && metadata.dpopBound === true)
    throw invalidProof('This client gets bound tokens alone: send a DPoP proof.', false)
  await proof?.use()
  return proof?.jkt
}

/**
 * Counts and logs a rejection with its cause. The client gets one text for causes that it must not
 * tell apart, such as another client's code.
 */
function rejected(
  deps: TokenDeps,
  { from, clientId, grant }: { from: string | undefined; clientId: string; grant: string },
  { code: error, message: problem, cause }: OAuthError,
): void {
  deps.metrics.clientTokens.inc({ client: clientId, outcome: 'rejected' })
  if (!deps.rateLimits.mayLog({ clientId, address: from })) return
  deps.log.info('token_rejected', {
    client_id: clientId,
    grant,
    error,
    problem,
    ...(typeof cause === 'string' && { why: cause }),
    from,
  })
}
