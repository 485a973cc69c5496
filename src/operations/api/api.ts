import { Hono } from 'hono'
import type { Deps } from '../deps.ts'
import { auditRoutes } from './audit.ts'
import { backupRoutes } from './backup.ts'
import { clientRoutes } from './clients.ts'
import { deliveryRoutes } from './deliveries.ts'
import { freshSignInRoutes } from './fresh-sign-in.ts'
import { keyRoutes } from './keys.ts'
import { lockRoutes } from './locks.ts'
import { microsoftWorkRoutes } from './microsoft-work.ts'
import { overviewRoutes } from './overview.ts'
import { userRoutes } from './users.ts'
import { revocationRoutes } from './revocations.ts'
import { searchRoutes } from './search.ts'
import { sessionRoutes } from './sessions.ts'
import { streamRoutes } from './streams.ts'
import { tenantRoutes } from './tenants.ts'
import { webhookRoutes } from './webhooks.ts'
import type { AdminEnv } from './caller.ts'
import { deniedActs } from './denied.ts'
import { Problem, problemOf, problemResponse } from '../../clients/problem.ts'
import { methodsAt } from '../../protocol/described.ts'
import type { Checks } from '../checks/checks.ts'

/**
 * The admin API, /admin/v1: one set of routes behind two interfaces, the unix socket that `cmb` uses and HTTP with an access token. It owns no rule
 * about sessions: what ends goes through `revoke`. It refuses a request whose interface has named no caller, and a registration that belongs to another source.
 */
export function adminApi(deps: Deps, checks: Checks): Hono<AdminEnv> {
  const api = new Hono<AdminEnv>()
  const denied = deniedActs(deps)
  api.onError(async (error, c) => {
    await denied(error, c)
    return problemOf(error, deps.log, c)
  })
  // Before the routes: a middleware that is added after them does not run for their answers.
  api.use('/admin/v1/*', async (c, next) => {
    await next()
    c.header('Cache-Control', 'no-store')
  })
  for (const routes of everyRoute(deps, checks)) api.route('/admin/v1', routes)
  api.all('/admin/v1/*', (c) => {
    const methods = methodsAt(api, c.req.path)
    if (methods.length === 0)
      return problemResponse(new Problem(404, 'No such endpoint', 'The admin API has no endpoint at this address; /openapi.json lists all of them.'))
    const allow = methods.join(', ')
    return problemResponse(new Problem(405, 'Method not allowed', `Use ${methods.join(' or ')} at this address.`), { Allow: allow })
  })
  return api
}

const everyRoute = (deps: Deps, checks: Checks): Hono<AdminEnv>[] => [
  clientRoutes(deps),
  sessionRoutes(deps),
  searchRoutes(deps),
  revocationRoutes(deps),
  freshSignInRoutes(deps),
  lockRoutes(deps),
  deliveryRoutes(deps),
  webhookRoutes(deps),
  streamRoutes(deps),
  keyRoutes(deps),
  tenantRoutes(deps),
  microsoftWorkRoutes(deps),
  auditRoutes(deps),
  userRoutes(deps),
  backupRoutes(deps),
  overviewRoutes(deps, checks),
]
