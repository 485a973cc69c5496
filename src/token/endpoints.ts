/**
 * Owns what instances call with their tokens: `/token`, `/introspect`, `/revoke` and `/userinfo`. Refuses whoever does not authenticate,
 * whatever the store says is over, and everything that the specifications do not name.
 */
import { Hono } from 'hono'
import type { Context } from 'hono'
import type { Deps } from '../deps.ts'
import { OAuthError } from '../protocol/error.ts'
import { allowOrigin, preflight } from './cors.ts'
import { tokenEndpoint } from './endpoint.ts'
import type { TokenDeps } from './grant.ts'
import { introspect } from './introspect.ts'
import { refreshTokens } from './refresh-token.ts'
import { revokeToken } from './revoke.ts'
import { userinfo } from './userinfo.ts'

type Endpoint = (deps: TokenDeps, c: Context) => Promise<Response>

export function tokenEndpoints(deps: Deps): Hono {
  const room = new Hono()
  const withTokens: TokenDeps = { ...deps, refreshTokens: refreshTokens(deps.sealer) }
  const mount = (path: string, methods: string[], endpoint: Endpoint, fromBrowsers: boolean): void => {
    room.on(methods, path, (c) => {
      if (fromBrowsers) allowOrigin(c, deps.clients)
      return endpoint(withTokens, c)
    })
    if (fromBrowsers) room.options(path, (c) => preflight(c, deps.clients, methods.join(', ')))
    room.all(path, (c) => wrongMethod(c, methods))
  }
  mount('/token', ['POST'], tokenEndpoint, true)
  mount('/introspect', ['POST'], introspect, false)
  mount('/revoke', ['POST'], revokeToken, true)
  mount('/userinfo', ['GET', 'POST'], userinfo, true)
  return room
}

/** RFC 6749 §3.2: the token endpoint is for POST; RFC 9110 §15.5.6 wants to hear which methods there are. */
function wrongMethod(c: Context, methods: string[]): never {
  throw new OAuthError(
    'invalid_request',
    `Use ${methods.join(' or ')} here, not ${/^[A-Z]{1,10}$/.test(c.req.method) ? c.req.method : 'this method'}.`,
    { status: 405, headers: { Allow: methods.join(', ') } },
  )
}
