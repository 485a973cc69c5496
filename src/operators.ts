import { type Context, Hono } from 'hono'
import { answering, current } from './answers.ts'
import type { Deps } from './deps.ts'
import { adminEndpoints } from './operations/api/api.ts'
import type { Checks } from './operations/checks/checks.ts'
import { administratorAt } from './operations/console/console-session.ts'
import { consoleEndpoints, tenantConsole } from './operations/console/endpoints.tsx'
import { LivePages } from './operations/console/live.ts'
import { setupEndpoints } from './operations/setup/endpoints.tsx'
import { invitationAddress } from './operations/setup/invitation.tsx'
import { pageAssets } from './pages/look.ts'
import { inEnglish } from './pages/texts.ts'
import { openApiDocument } from './provider/discovery/openapi.ts'

/**
 * Returns the apps for operators (`opsApp`) and for the administrators of tenants (`tenantApp`, on
 * the public listener).
 */
export function operatorApps(deps: Deps, checks: Checks, health: readonly Hono[]) {
  const live = new LivePages(deps)
  const opsApp = answering(new Hono().use(inEnglish), deps, { console: '/ops' })
  for (const endpoints of health) opsApp.route('/', endpoints)
  opsApp.get('/', (c) => c.redirect('/ops'))
  opsApp.use(current(deps.followed))
  opsApp.route('/', adminEndpoints(deps, checks))
  opsApp.route('/', consoleEndpoints(deps, checks, live))
  const administrator = (c: Context, now: number) => administratorAt(deps, c, now)
  opsApp.route('/', setupEndpoints(deps, { administrator, checks }))
  opsApp.route('/', pageAssets(deps.config))
  const tenantApp = answering(new Hono(), deps)
  tenantApp.route(
    '/',
    tenantConsole(deps, (tid, now) => invitationAddress(deps, tid, now)),
  )
  return {
    opsApp,
    tenantApp,
    document: (app: Hono) => openApiDocument(deps.config, { app, opsApp }),
    close: () => live.close(),
  }
}
