/**
 * A client's public keys, or those of its workload's issuer: from the registration, or fetched
 * through a cache, from `jwks_uri` or by the discovery document of the issuer. An attacker cannot
 * force the broker to fetch them often.
 */
import { z } from 'zod'
import type { Client, ClientMetadata } from '../protocol/client-metadata.ts'
import type { ClientRegistry, FetchedKeys, KeySource } from './interface.ts'
import type { AuthenticateDeps } from './deps.ts'

type Jwk = Record<string, unknown>

const FRESH_SECONDS = 3600
/**
 * The longest use of fetched keys while fetching fails. After that an attacker who blocks the
 * client's server cannot keep a removed key valid.
 */
const STALE_SECONDS = 86_400
/**
 * The shortest interval between two fetches. An unknown `kid` causes a fetch, but no sooner than
 * this after the last one, failed or not.
 */
const TRY_NO_SOONER_SECONDS = 10
const fetchedSchema = z.object({ keys: z.array(z.record(z.string(), z.unknown())).max(100) })
const TIMEOUT_MS = 3000
const MAX_BYTES = 64 * 1024

/**
 * Returns the client's keys, fetched if they are older than an hour. `refresh` fetches newer keys;
 * undefined if that failed or was tried too recently.
 */
export async function clientKeys(
  deps: AuthenticateDeps,
  client: Client,
  now: number,
): Promise<{ keys: Jwk[]; refresh: () => Promise<Jwk[] | undefined> }> {
  const source = keySource(client.metadata)
  if (source === undefined)
    return { keys: client.metadata.jwks?.keys ?? [], refresh: async () => undefined }
  const cached = cacheOf(deps.clients, client.clientId, source)
  const refresh = async (): Promise<Jwk[] | undefined> => {
    if (!cached.pending && now - cached.triedAt < TRY_NO_SOONER_SECONDS) return undefined
    return fetchOnce(deps, client.clientId, cached, now)
  }
  if (
    now - cached.fetchedAt >= FRESH_SECONDS &&
    (cached.pending || now - cached.triedAt >= TRY_NO_SOONER_SECONDS)
  )
    await fetchOnce(deps, client.clientId, cached, now)
  return { keys: now - cached.fetchedAt < STALE_SECONDS ? cached.keys : [], refresh }
}

function cacheOf(registry: ClientRegistry, clientId: string, source: KeySource): FetchedKeys {
  const { keys } = registry.fetched
  let cached = keys.get(clientId)
  if (cached?.uri !== source.uri || cached.issuer !== source.issuer)
    keys.set(clientId, (cached = { ...source, keys: [], fetchedAt: -Infinity, triedAt: -Infinity }))
  return cached
}

function fetchOnce(
  deps: AuthenticateDeps,
  clientId: string,
  cached: FetchedKeys,
  now: number,
): Promise<Jwk[] | undefined> {
  cached.pending ??= fetchKeys(deps, clientId, cached, now).finally(
    () => (cached.pending = undefined),
  )
  return cached.pending
}

/**
 * Fetches the keys. If the client's server is down, the previous keys remain. Success and failure
 * both delay the next fetch.
 */
async function fetchKeys(
  deps: AuthenticateDeps,
  clientId: string,
  cached: FetchedKeys,
  now: number,
): Promise<Jwk[] | undefined> {
  const { uri, issuer } = cached
  cached.triedAt = now
  try {
    const address = issuer === undefined ? uri : await jwksUriOf(deps, uri, issuer)
    const { keys } = fetchedSchema.parse(await read(deps, address))
    // Keys of unknown types are ignored (RFC 7517 §5).
    cached.keys = keys.filter(({ kty }) => kty === 'EC' || kty === 'RSA')
    cached.fetchedAt = now
    return cached.keys
  } catch (cause) {
    deps.log.warn('jwks_uri_failed', {
      client_id: clientId,
      problem: cause instanceof Error ? cause.message : 'unknown',
    })
    return undefined
  }
}

/**
 * Returns where a client's keys are fetched; undefined if they are registered by value, or it has
 * none. An issuer has its metadata below its address (OpenID Connect Discovery 1.0 §4).
 */
export function keySource({ jwks, jwksUri, workload }: ClientMetadata): KeySource | undefined {
  if (jwksUri !== undefined) return { uri: jwksUri }
  if (workload === undefined || jwks !== undefined) return undefined
  const { issuer } = workload
  return { uri: `${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`, issuer }
}

/** Returns the `jwks_uri` of an issuer's metadata; undefined if they do not name the issuer (§4.3). */
export const jwksUriIn = (metadata: unknown, issuer: string): string | undefined =>
  z.object({ issuer: z.literal(issuer), jwks_uri: z.string() }).safeParse(metadata).data?.jwks_uri

async function jwksUriOf(deps: AuthenticateDeps, uri: string, issuer: string): Promise<string> {
  const found = jwksUriIn(await read(deps, uri), issuer)
  if (found === undefined) throw new Error(`${uri} has no jwks_uri of the issuer ${issuer}`)
  return found
}

/**
 * Reads an address.
 * @throws Error if it answers anything but 200 with JSON
 */
async function read({ outbound }: AuthenticateDeps, address: string): Promise<unknown> {
  const answer = await outbound.request(address, {
    method: 'GET',
    headers: { accept: 'application/jwk-set+json, application/json' },
    timeoutMs: TIMEOUT_MS,
    maxBytes: MAX_BYTES,
  })
  if (answer.status !== 200) throw new Error(`${address} answered ${answer.status}`)
  return JSON.parse(answer.body)
}
