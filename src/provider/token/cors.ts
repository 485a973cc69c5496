import type { Context } from 'hono'
import { remoteOf } from '../../runtime/remote-address.ts'
import type { ClientRegistry } from '../../clients/interface.ts'
import type { Deps } from '../deps.ts'
import type { Client } from '../../protocol/client-metadata.ts'

/**
 * Cross-origin calls from browser code, only for the origins that registered clients name. Never
 * with cookies.
 */

type Needs = Pick<Deps, 'clients' | 'config' | 'log' | 'rateLimits'>

const names = (client: Client | undefined, origin: string): boolean =>
  client?.metadata.allowedOrigins.includes(origin) === true

/** A browser says no more than that the request failed, so the log says what to register. */
function logRejected(
  { config, log, rateLimits }: Needs,
  c: Context,
  origin: string,
  client?: Client,
): void {
  const from = remoteOf(c, config)
  // A page of ours has the header too.
  if (
    origin === new URL(config.issuer).origin ||
    !rateLimits.mayLog({ clientId: client?.clientId, address: from })
  )
    return
  const next =
    'If it is an application of yours, add the origin to allowed_origins of its registration.'
  log.warn('origin_rejected', {
    client_id: client?.clientId,
    origin: origin.slice(0, 200),
    path: c.req.path,
    next,
    from,
  })
}

/** Before the client is known: an origin that any client names. */
export function allowOrigin(c: Context, clients: ClientRegistry): boolean {
  const origin = c.req.header('origin')
  if (origin === undefined) return false
  c.header('Vary', 'Origin')
  if (!clients.list().some((client) => names(client, origin))) return false
  c.header('Access-Control-Allow-Origin', origin)
  c.header('Access-Control-Expose-Headers', 'WWW-Authenticate, X-Request-Id')
  return true
}

/** Once it is known: only an origin that this client names. */
export function onlyFor(deps: Needs, c: Context, client: Client | undefined): void {
  const origin = c.req.header('origin')
  if (origin === undefined || names(client, origin)) return
  c.header('Access-Control-Allow-Origin', undefined)
  logRejected(deps, c, origin, client)
}

/** The browser's question beforehand (Fetch §4.8). */
export function preflight(deps: Needs, c: Context, methods: string): Response {
  const origin = c.req.header('origin')
  if (allowOrigin(c, deps.clients)) {
    c.header('Access-Control-Allow-Methods', methods)
    c.header('Access-Control-Allow-Headers', 'Authorization, Content-Type')
    c.header('Access-Control-Max-Age', '600')
  } else if (origin !== undefined) logRejected(deps, c, origin)
  c.header('Allow', `${methods}, OPTIONS`)
  return c.body(null, 204)
}
