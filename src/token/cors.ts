import type { Context } from 'hono'
import type { ClientRegistry } from '../client/interface.ts'
import type { Client } from '../protocol/client-metadata.ts'

/** Cross-origin calls from browser code, only for the origins that registered clients name. Never with cookies. */

/** Before the client is known: an origin that any client names. */
export function allowOrigin(c: Context, clients: ClientRegistry): boolean {
  const origin = c.req.header('origin')
  if (origin === undefined) return false
  c.header('Vary', 'Origin')
  if (!clients.list().some((client) => client.metadata.allowedOrigins.includes(origin))) return false
  c.header('Access-Control-Allow-Origin', origin)
  c.header('Access-Control-Expose-Headers', 'WWW-Authenticate, X-Request-Id')
  return true
}

/** Once it is known: only an origin that this client names. */
export function onlyFor(c: Context, client: Client | undefined): void {
  const origin = c.req.header('origin')
  if (origin !== undefined && !client?.metadata.allowedOrigins.includes(origin)) c.header('Access-Control-Allow-Origin', undefined)
}

/** The browser's question beforehand (Fetch §4.8). */
export function preflight(c: Context, clients: ClientRegistry, methods: string): Response {
  if (allowOrigin(c, clients)) {
    c.header('Access-Control-Allow-Methods', methods)
    c.header('Access-Control-Allow-Headers', 'Authorization, Content-Type')
    c.header('Access-Control-Max-Age', '600')
  }
  c.header('Allow', `${methods}, OPTIONS`)
  return c.body(null, 204)
}
