import { Hono } from 'hono'
import type { Checks } from '../checks/checks.ts'
import type { Deps } from '../deps.ts'
import { adminApi } from './api.ts'
import { callerByToken, unauthorised, type AdminEnv } from './caller.ts'

/** The admin API over HTTP: it wants an access token of a registered client with `broker:operate` or `broker:administer`. */
export function adminEndpoints(deps: Deps, checks: Checks): Hono<AdminEnv> {
  const endpoints = new Hono<AdminEnv>()
  endpoints.use('/admin/v1/*', async (c, next) => {
    const caller = await callerByToken(deps, c.req.header('authorization'), deps.clock.now())
    if (caller === undefined) return unauthorised()
    c.set('caller', caller)
    return next()
  })
  endpoints.route('/', adminApi(deps, checks))
  return endpoints
}
