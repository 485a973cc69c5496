/**
 * Owns the public documents of the broker: its metadata, its public keys, and the description of
 * its API.
 */
import { Hono, type Context } from 'hono'
import type { Deps } from '../deps.ts'
import { JWKS_MAX_AGE_SECONDS } from '../../keys/interface.ts'
import { sha256 } from '../../runtime/compare.ts'
import { providerMetadata } from './metadata.ts'
import type { Document as OpenApi } from './openapi.ts'

interface Document {
  body: string
  etag: string
}

const METADATA_SECONDS = 3600

/**
 * Mounts the public documents.
 * @param openApi generates the API description; called once at the first request, when all routes
 * are mounted
 */
export function discoveryEndpoints(
  deps: Pick<Deps, 'config' | 'keys' | 'clock'>,
  openApi: () => Promise<OpenApi>,
): Hono {
  const endpoints = new Hono()
  const metadata = documentOf(providerMetadata(deps.config))
  const jwks = jwksDocument(deps)
  publish(endpoints, '/.well-known/openid-configuration', maxAge(METADATA_SECONDS), () => metadata)
  // RFC 8414 §3: OAuth libraries look for the metadata here.
  publish(
    endpoints,
    '/.well-known/oauth-authorization-server',
    maxAge(METADATA_SECONDS),
    () => metadata,
  )
  // After an emergency rotation, a cached copy lacks the key that signs now. Guards learn of it
  // from the feed; other libraries only from here.
  publish(
    endpoints,
    '/jwks',
    () => (deps.keys.signsWithNewKey(deps.clock.now()) ? 'no-cache' : maxAge(JWKS_MAX_AGE_SECONDS)),
    jwks,
  )
  // Evidence outlives the keys in /jwks. This archive has the public part of every key that ever
  // signed.
  publish(endpoints, '/.well-known/signing-keys-archive', maxAge(JWKS_MAX_AGE_SECONDS), async () =>
    documentOf({
      keys: (await deps.keys.list()).map(
        ({ publicJwk, state, createdAt, activatedAt, retireAt }) => ({
          ...publicJwk,
          state,
          created_at: createdAt,
          activated_at: activatedAt,
          retire_at: retireAt,
        }),
      ),
    }),
  )
  let generated: Promise<OpenApi> | undefined
  publish(endpoints, '/openapi.json', maxAge(METADATA_SECONDS), async () =>
    documentOf(await (generated ??= openApi())),
  )
  return endpoints
}

/** Publishes a document to every origin. It has no cookies and no secrets. */
function publish(
  endpoints: Hono,
  path: string,
  cacheControl: string | (() => string),
  read: () => Document | Promise<Document>,
): void {
  endpoints.get(path, async (c) => {
    const { body, etag } = await read()
    c.header('Access-Control-Allow-Origin', '*')
    c.header('Cache-Control', typeof cacheControl === 'string' ? cacheControl : cacheControl())
    c.header('ETag', etag)
    if (knows(c, etag)) return c.body(null, 304)
    return c.body(body, 200, { 'Content-Type': 'application/json' })
  })
  endpoints.options(path, (c) =>
    c.body(null, 204, {
      Allow: 'GET, HEAD, OPTIONS',
      'Access-Control-Allow-Origin': '*',
      'Access-Control-Allow-Methods': 'GET, HEAD',
      'Access-Control-Allow-Headers': '*',
      'Access-Control-Max-Age': '86400',
    }),
  )
}

const maxAge = (seconds: number): string => `public, max-age=${seconds}`

/** Returns whether the client's copy is current (RFC 9110 §13.1.2). */
const knows = (c: Context, etag: string): boolean =>
  (c.req.header('if-none-match') ?? '')
    .split(',')
    .some((each) => each.trim() === '*' || each.trim().replace(/^W\//, '') === etag)

function documentOf(value: unknown): Document {
  const body = JSON.stringify(value)
  return { body, etag: `"${sha256(body).slice(0, 22)}"` }
}

/** Returns a function that rebuilds the document only when the keys change. */
function jwksDocument(deps: Pick<Deps, 'keys'>): () => Document {
  let of: unknown
  let document = documentOf({ keys: [] })
  return () => {
    const jwks = deps.keys.jwks()
    if (jwks !== of) document = documentOf((of = jwks))
    return document
  }
}
