/**
 * Owns the endpoints that instances call: `/token`, `/introspect`, `/revoke` and `/userinfo`.
 * Rejects unauthenticated callers, ended sessions, and requests that the specifications do not
 * allow.
 */
import { Hono, type Context } from 'hono'
import type { Deps } from '../deps.ts'
import { type Description, described } from '../../protocol/described.ts'
import { allowOrigin, preflight } from './cors.ts'
import { INTROSPECT, REVOKE, TOKEN, USERINFO } from './described.ts'
import { tokenEndpoint } from './endpoint.ts'
import { clockIsWrong, type TokenDeps } from './grant.ts'
import { introspect } from './introspect.ts'
import { refreshTokens } from './refresh-token.ts'
import { revokeToken } from './revoke.ts'
import { userinfo } from './userinfo.ts'

type Endpoint = (deps: TokenDeps, c: Context) => Promise<Response>

export function tokenEndpoints(deps: Deps): Hono {
  const endpoints = new Hono()
  const withTokens: TokenDeps = { ...deps, refreshTokens: refreshTokens(deps.sealer) }
  const mount = (
    path: string,
    methods: Readonly<Record<string, Description>>,
    endpoint: Endpoint,
    fromBrowsers: boolean,
  ): void => {
    for (const [method, about] of Object.entries(methods))
      endpoints.on(
        method,
        path,
        described(about, (c: Context) => {
          if (fromBrowsers) allowOrigin(c, deps.clients)
          if (path !== '/revoke') mustTrustClock(deps)
          return endpoint(withTokens, c)
        }),
      )
    if (fromBrowsers)
      endpoints.options(path, (c) => preflight(deps, c, Object.keys(methods).join(', ')))
  }
  mount('/token', { POST: TOKEN }, tokenEndpoint, true)
  mount('/introspect', { POST: INTROSPECT }, introspect, false)
  mount('/revoke', { POST: REVOKE }, revokeToken, true)
  mount('/userinfo', USERINFO, userinfo, true)
  return endpoints
}

/**
 * Rejects the request while the broker's clock is wrong: valid sessions would look expired, and
 * replaced tokens stolen. `/revoke` does not depend on the time.
 */
function mustTrustClock({ clockWatch }: Pick<Deps, 'clockWatch'>): void {
  if (clockWatch.disagrees()) throw clockIsWrong()
}
