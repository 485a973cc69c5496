/** Owns what anybody may know of the broker: its metadata, its public keys, and what programs may ask of it. */
import { Hono } from 'hono'
import type { Context } from 'hono'
import type { Deps } from '../deps.ts'
import { sha256 } from '../protocol/compare.ts'
import { providerMetadata } from './metadata.ts'
import { openApiPage } from './openapi-page.tsx'
import type { Document as OpenApi } from './openapi.ts'

interface Document {
  body: string
  etag: string
}

const METADATA_SECONDS = 3600
/** Short, because guards are told of an emergency by the feed, but other libraries know only this. */
const JWKS_SECONDS = 300

/** @param openApi generates the document; asked once, when it is first read, because it describes the routes that are mounted by then */
export function discoveryEndpoints(deps: Pick<Deps, 'config' | 'keys'>, openApi: () => Promise<OpenApi>): Hono {
  const room = new Hono()
  const metadata = documentOf(providerMetadata(deps.config.issuer))
  const jwks = jwksDocument(deps)
  publish(room, '/.well-known/openid-configuration', METADATA_SECONDS, () => metadata)
  // RFC 8414 §3: the same, where OAuth libraries look for it.
  publish(room, '/.well-known/oauth-authorization-server', METADATA_SECONDS, () => metadata)
  publish(room, '/jwks', JWKS_SECONDS, jwks)
  let generated: Promise<OpenApi> | undefined
  const document = () => (generated ??= openApi())
  publish(room, '/openapi.json', METADATA_SECONDS, async () => documentOf(await document()))
  room.get('/openapi', async (c) => openApiPage(c, await document(), deps.config.entra.simulated))
  return room
}

/** Public, so any origin may read it: there are no cookies and no secrets here. */
function publish(room: Hono, path: string, seconds: number, read: () => Document | Promise<Document>): void {
  room.get(path, async (c) => {
    const { body, etag } = await read()
    c.header('Access-Control-Allow-Origin', '*')
    c.header('Cache-Control', `public, max-age=${seconds}`)
    c.header('ETag', etag)
    if (knows(c, etag)) return c.body(null, 304)
    return c.body(body, 200, { 'Content-Type': 'application/json' })
  })
  room.options(path, (c) =>
    c.body(null, 204, {
      Allow: 'GET, HEAD, OPTIONS',
      'Access-Control-Allow-Origin': '*',
      'Access-Control-Allow-Methods': 'GET, HEAD',
      'Access-Control-Allow-Headers': '*',
      'Access-Control-Max-Age': '86400',
    }),
  )
}

/** RFC 9110 §13.1.2 */
const knows = (c: Context, etag: string): boolean =>
  (c.req.header('if-none-match') ?? '').split(',').some((each) => each.trim() === '*' || each.trim().replace(/^W\//, '') === etag)

function documentOf(value: unknown): Document {
  const body = JSON.stringify(value)
  return { body, etag: `"${sha256(body).slice(0, 22)}"` }
}

/** Written anew only when the keys changed. */
function jwksDocument(deps: Pick<Deps, 'keys'>): () => Document {
  let of: unknown
  let document = documentOf({ keys: [] })
  return () => {
    const jwks = deps.keys.jwks()
    if (jwks !== of) document = documentOf((of = jwks))
    return document
  }
}
