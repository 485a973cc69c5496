import type { Context } from 'hono'
import { remoteOf } from '../../runtime/remote-address.ts'
import type { ClientRegistry } from '../../clients/interface.ts'
import type { Deps } from '../deps.ts'
import type { Client } from '../../protocol/client-metadata.ts'

/**
 * Cross-origin calls from browser code: allowed only for origins that registered clients name, and
 * never with cookies.
 */

type Needs = Pick<Deps, 'clients' | 'config' | 'log' | 'rateLimits'>

const names = (client: Client | undefined, origin: string): boolean =>
  client?.metadata.allowedOrigins.includes(origin) === true

/**
 * Logs a rejected origin and what to register. The browser itself reports only a failed request.
 */
function logRejected(
  { config, log, rateLimits }: Needs,
  c: Context,
  origin: string,
  client?: Client,
): void {
  const from = remoteOf(c, config)
  // The broker's own pages send an Origin header too.
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

/** Allows an origin that any client names. The client itself is not known yet. */
export function allowOrigin(c: Context, clients: ClientRegistry): boolean {
  const origin = c.req.header('origin')
  if (origin === undefined) return false
  c.header('Vary', 'Origin')
  if (!clients.list().some((client) => names(client, origin))) return false
  c.header('Access-Control-Allow-Origin', origin)
  c.header('Access-Control-Expose-Headers', 'WWW-Authenticate, X-Request-Id')
  return true
}

/** Withdraws the permission unless the authenticated client itself names the origin. */
export function onlyFor(deps: Needs, c: Context, client: Client | undefined): void {
  const origin = c.req.header('origin')
  if (origin === undefined || names(client, origin)) return
  c.header('Access-Control-Allow-Origin', undefined)
  logRejected(deps, c, origin, client)
}

/** Answers a preflight request (Fetch §4.8). */
export function preflight(deps: Needs, c: Context, methods: string): Response {
  const origin = c.req.header('origin')
  if (allowOrigin(c, deps.clients)) {
    c.header('Access-Control-Allow-Methods', methods)
    c.header('Access-Control-Allow-Headers', 'Authorization, Content-Type, DPoP')
    c.header('Access-Control-Max-Age', '600')
  } else if (origin !== undefined) logRejected(deps, c, origin)
  c.header('Allow', `${methods}, OPTIONS`)
  return c.body(null, 204)
}
