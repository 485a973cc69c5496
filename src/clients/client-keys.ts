/**
 * A client's public keys: by value from its registration, or by `jwks_uri` through a cache that a
 * stranger cannot make us refetch at will.
 */
import type { Client } from '../protocol/client-metadata.ts'
import type { ClientRegistry, FetchedKeys } from './interface.ts'
import type { AuthenticateDeps } from './deps.ts'
import { jwksSchema } from './metadata-fields.ts'

type Jwk = Record<string, unknown>

const FRESH_SECONDS = 3600
/**
 * Where fetching fails, keys count for so long. An attacker who keeps us from the client's server
 * cannot keep a key valid that it has removed.
 */
const STALE_SECONDS = 86_400
/** An unknown `kid` makes us look again, but not more often than this; the same after a failure. */
const TRY_NO_SOONER_SECONDS = 10
const TIMEOUT_MS = 3000
const MAX_BYTES = 64 * 1024

/** `refresh` answers fresher keys, or undefined where there are none to be had now. */
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
 * A client's server that is down leaves the keys we have, for a day; neither success nor failure is
 * retried at once.
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
