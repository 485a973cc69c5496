/**
 * A client's public keys: from its registration, or from its `jwks_uri` through a cache. An
 * attacker cannot force the broker to fetch them often.
 */
import type { Client } from '../protocol/client-metadata.ts'
import type { ClientRegistry, FetchedKeys } from './interface.ts'
import type { AuthenticateDeps } from './deps.ts'
import { jwksSchema } from './metadata-fields.ts'

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
  const { jwks, jwksUri } = client.metadata
  if (jwksUri === undefined) return { keys: jwks?.keys ?? [], refresh: async () => undefined }
  const cached = cacheOf(deps.clients, client.clientId, jwksUri)
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

function cacheOf(registry: ClientRegistry, clientId: string, uri: string): FetchedKeys {
  const { keys } = registry.fetched
  let cached = keys.get(clientId)
  if (!cached || cached.uri !== uri)
    keys.set(clientId, (cached = { uri, keys: [], fetchedAt: -Infinity, triedAt: -Infinity }))
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
  cached.triedAt = now
  try {
    const answer = await deps.outbound.request(cached.uri, {
      method: 'GET',
      headers: { accept: 'application/jwk-set+json, application/json' },
      timeoutMs: TIMEOUT_MS,
      maxBytes: MAX_BYTES,
    })
    if (answer.status !== 200) throw new Error(`jwks_uri answered ${answer.status}`)
    cached.keys = jwksSchema.parse(JSON.parse(answer.body)).keys
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
