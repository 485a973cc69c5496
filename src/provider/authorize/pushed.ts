import type { Context } from 'hono'
import { invalidProof, judgedProof } from '../../clients/dpop.ts'
import { readForm } from '../../clients/form.ts'
import { remoteOf } from '../../runtime/remote-address.ts'
import { requestingClient } from '../../clients/authenticate.ts'
import type { Deps } from '../deps.ts'
import { isPublic } from '../../protocol/client-metadata.ts'
import { sha256 } from '../../runtime/compare.ts'
import { OAuthError } from '../../protocol/error.ts'
import { newSecret } from '../../runtime/ids.ts'
import { mustBeWithin } from '../../runtime/rate-limits.ts'
import { readReturn, readRequest } from './request.ts'

/**
 * Pushed authorization requests (RFC 9126): checked when pushed and again at /authorize, used once
 * within 60 s.
 */

const URN = 'urn:ietf:params:oauth:request_uri:'
const SECONDS = 60
/**
 * Upper bound of a pushed request, because any caller can push for a public client: twice the size
 * of an ID token hint and the other parameters.
 */
const MOST_CHARACTERS = 8192
/** Parameters that authenticate the client and are not part of its request. */
const CREDENTIALS = ['client_secret', 'client_assertion', 'client_assertion_type']

interface Pushed {
  parameters: string
  expiresAt: number
}

export async function pushRequest(deps: Deps, c: Context): Promise<Response> {
  const now = deps.clock.now()
  const params = await readForm(c, ['resource'])
  const client = await requestingClient(deps, c, params, { now })
  // Anyone can push for a public client, so it is limited by address. An authenticated client
  // pushes for all its users from one address.
  if (isPublic(client))
    mustBeWithin(deps.rateLimits, 'par', {
      clientId: client.clientId,
      address: remoteOf(c, deps.config),
    })
  // RFC 9126 §2.1 forbids request_uri here.
  if (params.has('request_uri'))
    throw new OAuthError('invalid_request', 'Leave request_uri out of a pushed request.')
  const source = new URLSearchParams([...params].filter(([name]) => !CREDENTIALS.includes(name)))
  source.set('client_id', client.clientId)
  // RFC 9449 §10.1: a proof binds the code to its key, as dpop_jkt does.
  const proof = await judgedProof(deps, c, now)
  const jkt = proof?.jkt
  if (jkt !== undefined && (params.get('dpop_jkt') ?? jkt) !== jkt)
    throw invalidProof('The dpop_jkt is not the thumbprint of the key of the DPoP proof.', false)
  if (jkt !== undefined) source.set('dpop_jkt', jkt)
  if (source.toString().length > MOST_CHARACTERS)
    throw new OAuthError(
      'invalid_request',
      `A pushed request has at most ${MOST_CHARACTERS} characters.`,
      { status: 413 },
    )
  const { reply } = readReturn(deps, source)
  await readRequest(deps, client, reply, source, now)
  // Each request is stored for 60 s, so this bounds the stored requests and proofs of a client.
  mustBeWithin(deps.rateLimits, 'pushedRequests', { clientId: client.clientId })
  await proof?.use()
  const id = newSecret(deps.random)
  const pushed: Pushed = { parameters: source.toString(), expiresAt: now + SECONDS }
  await deps.store.pushRequest({
    requestHash: sha256(id),
    clientId: client.clientId,
    parameters: JSON.stringify(pushed),
    expiresAt: pushed.expiresAt,
  })
  return c.json({ request_uri: `${URN}${id}`, expires_in: SECONDS }, 201, {
    'Cache-Control': 'no-store',
  })
}

interface PushedReference {
  hash: string
  expiresAt: number
}

/** Returns the hash of a pushed request's request_uri; undefined for any other request_uri. */
export function pushedHash(source: URLSearchParams): string | undefined {
  const [uri, another] = source.getAll('request_uri')
  return another === undefined && uri?.startsWith(URN) ? sha256(uri.slice(URN.length)) : undefined
}

/**
 * Returns the pushed parameters, which replace those of the browser (RFC 9126 §4). It does not
 * consume them, because a page may be reloaded.
 * @throws OAuthError that must not redirect
 */
export async function readPushed(
  deps: Pick<Deps, 'store' | 'clients'>,
  source: URLSearchParams,
  hash: string,
  now: number,
): Promise<{ source: URLSearchParams; pushed: PushedReference }> {
  const clientId = source.get('client_id') ?? ''
  // Checked before the store, because Postgres rejects a NUL character in a client id.
  if (deps.clients.find(clientId) === undefined) throw gone()
  const stored = await deps.store.pushedRequest({
    requestHash: hash,
    clientId,
    now,
    consume: false,
  })
  if (stored === undefined) throw gone()
  const { parameters, expiresAt } = JSON.parse(stored) as Pushed
  return { source: new URLSearchParams(parameters), pushed: { hash, expiresAt } }
}

/**
 * Consumes the pushed request; false if it was already used. A request that was shown in time may
 * be finished later.
 */
export async function usePushed(
  deps: Pick<Deps, 'store'>,
  request: { clientId: string; pushed?: PushedReference | undefined },
  now: number,
): Promise<boolean> {
  const { pushed, clientId } = request
  if (pushed === undefined || pushed.expiresAt <= now) return true
  return (
    (await deps.store.pushedRequest({ requestHash: pushed.hash, clientId, now, consume: true })) !==
    undefined
  )
}

export const gone = (): OAuthError =>
  new OAuthError(
    'invalid_request_uri',
    'The request_uri is unknown, used or expired. Go back to the application and sign in again from there.',
  )
