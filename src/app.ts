import { Hono } from 'hono'
import { answering, current } from './answers.ts'
import type { Deps } from './deps.ts'
import { createChecks } from './operations/checks/checks.ts'
import { healthEndpoints } from './operations/health/endpoints.ts'
import { operatorHealthEndpoints } from './operations/health/operators.ts'
import type { operatorApps } from './operators.ts'
import { pageAssets } from './pages/look.ts'
import { accountEndpoints } from './provider/account/endpoints.tsx'
import { provesMfa } from './provider/authorize/mfa.ts'
import { signinEndpoints } from './provider/authorize/endpoints.tsx'
import { discoveryEndpoints } from './provider/discovery/endpoints.ts'
import { logoutEndpoints } from './provider/logout/endpoints.tsx'
import { tokenEndpoints } from './provider/token/endpoints.ts'
import { feedEndpoints } from './revocation/feed-endpoints.ts'
import { signalEndpoints } from './signals/received/endpoints.ts'
import { ssfEndpoints } from './signals/sent/endpoints.ts'
import { setupVisits } from './operations/setup/visits.ts'

type Operators = ReturnType<typeof operatorApps>

interface App {
  app: Hono
  /**
   * The operators' app. It answers health checks itself and passes every other request to
   * `operators`.
   */
  opsApp: Hono
  /** Loads the modules for operators, once. */
  operators(): Promise<Operators>
  /** Closes the event streams of the console's pages. */
  closeConsole(): void
}

/**
 * Mounts the public endpoints. The endpoints of operators and of tenants' administrators are loaded
 * at their first request.
 */
export function createApp(
  deps: Deps,
  checks = createChecks(deps),
  isEnding: () => boolean = () => false,
): App {
  let loading: Promise<Operators> | undefined
  let loaded: Operators | undefined
  const operators = (): Promise<Operators> =>
    (loading ??= import('./operators.ts').then(
      ({ operatorApps }) => (loaded = operatorApps(deps, checks, health)),
    ))
  const app = answering(new Hono(), deps)
  const opsApp = answering(new Hono(), deps)
  const health = [healthEndpoints(deps), operatorHealthEndpoints(deps, checks, isEnding)]
  for (const endpoints of health) opsApp.route('/', endpoints)
  opsApp.all('*', async (c) => (await operators()).opsApp.fetch(c.req.raw, c.env))
  app.route('/', healthEndpoints(deps))
  app.use(current(deps.followed))
  for (const endpoints of [
    discoveryEndpoints(deps, async () => (await operators()).document(app)),
    tokenEndpoints(deps),
    feedEndpoints(deps),
    // Mounted before the sign-in: Microsoft redirects to one address for both, and this handler
    // takes the answers to sign-ins that began at /setup.
    setupVisits(deps, provesMfa),
    signinEndpoints(deps),
    signalEndpoints(deps),
    ssfEndpoints(deps),
    logoutEndpoints(deps),
    accountEndpoints(deps),
    pageAssets(deps.config),
  ])
    app.route('/', endpoints)
  for (const path of ['/tenant', '/tenant/*'])
    app.all(path, async (c) => (await operators()).tenantApp.fetch(c.req.raw, c.env))
  return { app, opsApp, operators, closeConsole: () => loaded?.close() }
}
