import { type Context, Hono } from 'hono'
import { bodyLimit } from 'hono/body-limit'
import type { Deps } from '../deps.ts'
import { pageErrors } from '../../pages/errors.tsx'
import { messagePage } from '../../pages/message.tsx'
import { TENANT_CONSOLE } from '../../pages/places.ts'
import { inEnglish } from '../../pages/texts.ts'
import { allows, READ_ONLY, type Right } from '../../audit/caller.ts'
import { Problem } from '../../audit/problem.ts'
import { sessionCookieHash } from '../../session/cookie.ts'
import { currentStatus } from '../../session/current.ts'
import { administratorOf } from '../../session/tenant-administrator.ts'
import { recordActor } from '../acts/scope.ts'
import type { Checks } from '../checks/checks.ts'
import { auditRoutes } from './audit.tsx'
import { clientRoutes } from './client.tsx'
import { freshPage } from './confirm.tsx'
import { deliveryRoutes } from './deliveries.tsx'
import { deliveryPageRoutes } from './delivery.tsx'
import { CONSOLE_SHEET, formHolds, nothingHere } from './layout.tsx'
import { NEEDS_ADMINISTRATOR, NOT_OURS, type NavPath } from './texts/layout.ts'
import * as words from './texts/endpoints.ts'
import { redriveFailed } from './failed-work.tsx'
import type { LivePages } from './live.ts'
import { keyRoutes } from './keys.tsx'
import { lockRoutes } from './locks.tsx'
import { problemRoutes } from './problems.tsx'
import { overviewPage } from './overview.tsx'
import { consoleAccessOf } from './console-session.ts'
import { registeredRoutes } from './registered.tsx'
import { reportRoutes } from './reports.tsx'
import { revocationRoutes } from './revocations.tsx'
import { revokeRoutes } from './revoke.tsx'
import { searchRoutes } from './search.tsx'
import { secretRoutes } from './secrets.tsx'
import { sessionRoutes } from './sessions.tsx'
import { signInsRoutes } from './sign-ins.tsx'
import { type InvitationAddress, tenantHome, tenantHomeRoutes } from './tenant-home.tsx'
import { tenantRoutes } from './tenant.tsx'
import { tenantsRoutes } from './tenants.tsx'
import { userRoutes } from './user.tsx'
import { usersRoutes } from './users.tsx'
import {
  closedPage,
  consoleCallback,
  notSignedInPage,
  leave,
  rejectedPage,
  signedOutPage,
  signInAt,
} from './sign-in.tsx'
import { parseForm } from '../../protocol/params.ts'
import { hasNul, NUL_IN_ADDRESS } from '../../protocol/stored-text.ts'
import { type ConsoleRequest, linkOf, type Mounted } from './request.ts'

const ROUTES: readonly Mounted[] = [
  ...auditRoutes,
  ...clientRoutes,
  ...deliveryRoutes,
  ...deliveryPageRoutes,
  ...keyRoutes,
  ...lockRoutes,
  ...problemRoutes,
  ...registeredRoutes,
  ...reportRoutes,
  ...revocationRoutes,
  ...revokeRoutes,
  ...searchRoutes,
  ...secretRoutes,
  ...sessionRoutes,
  ...signInsRoutes,
  ...tenantsRoutes,
  ...tenantRoutes,
  ...userRoutes,
  ...usersRoutes,
  { path: '/fresh', tenant: true, page: freshPage },
  { path: '/microsoft/redrive', form: redriveFailed },
]

/**
 * The operators' console, /ops: what is pending, delivered, enforced and revoked, seen by operators
 * and acted on by administrators of the operators' tenant. Rejects every other user, a user whose
 * session has ended, and a form that did not come from its own page.
 * @param live the caller closes it at shutdown, because an open stream does not end by itself
 */
export function consoleEndpoints(deps: Deps, checks: Checks, live: LivePages): Hono {
  const endpoints = new Hono()
  endpoints.use('/ops/*', async (c, next) =>
    c.req.path === CONSOLE_SHEET['/ops'].path ||
    deps.connection.current().operatorTenant !== undefined
      ? next()
      : closedPage(deps, c),
  )
  endpoints.get('/ops/sign-in', (c) => signInAt(deps, c, checks))
  endpoints.get('/ops/callback', (c) => consoleCallback(deps, c, checks, deps.clock.now()))
  endpoints.get('/ops/signed-out', (c) => signedOutPage(deps, c))
  const signOut: Mounted = {
    path: '/sign-out',
    need: 'audit',
    form: ({ c, viewer, now }) => leave(deps, c, viewer, now),
  }
  mount(endpoints, deps, '/ops', (c) => operatorAt(deps, c, checks), [
    { path: '', page: (request) => overviewPage(request, checks) },
    signOut,
    ...ROUTES,
  ])
  mountLive(endpoints, deps, live)
  return endpoints
}

/**
 * The same console for the administrators of one tenant, at /tenant on the public listener. It has
 * only the routes whose flag `tenant` is set. Each of them passes the administrator's `tid` to the
 * store, so that no request reads or changes anything of another tenant. Rejects every other user.
 */
export function tenantConsole(deps: Deps, invitation: InvitationAddress): Hono {
  const endpoints = new Hono().use(`${TENANT_CONSOLE}/*`, inEnglish)
  const home = (request: ConsoleRequest) =>
    request.viewer.tenant === undefined
      ? nothingHere(request, NOT_OURS, '')
      : tenantHome(request, request.viewer.tenant, invitation)
  mount(endpoints, deps, TENANT_CONSOLE, (c) => administratorAt(deps, c), [
    { path: '', page: home },
    ...tenantHomeRoutes,
    ...ROUTES.filter(({ tenant }) => tenant),
  ])
  return endpoints
}

type Entering = (c: Context) => Promise<ConsoleRequest | Response>

/** Returns the request of a signed-in operator, or the page that says why it is rejected. */
async function operatorAt(
  deps: Deps,
  c: Context,
  checks: Checks,
): Promise<ConsoleRequest | Response> {
  const now = deps.clock.now()
  const access = await consoleAccessOf(deps, c, now, true)
  if (access.is === 'nobody') return notSignedInPage(deps, c, checks, access.why)
  if (access.is === 'rejected') return rejectedPage(deps, c, access.why, access.session)
  const waiting = await waitingNow(deps)
  return withoutNul({ deps, c, viewer: access.operator, now, checks, waiting })
}

/** Counts the deliveries that failed or were rejected, and the open locks. */
async function waitingNow({ store }: Deps): Promise<Record<string, number>> {
  const [deliveries, locks] = await Promise.all([store.deliveryCounts(), store.lockCounts()])
  const lost = deliveries.filter(({ state }) => state === 'failed' || state === 'rejected')
  return {
    '/deliveries': lost.reduce((sum, { count }) => sum + count, 0),
    '/locks': locks.reduce((sum, { open }) => sum + open, 0),
  }
}

/**
 * Returns the request of a tenant's administrator, a redirect to the sign-in, or the page that says
 * why it is rejected.
 */
async function administratorAt(deps: Deps, c: Context): Promise<ConsoleRequest | Response> {
  const now = deps.clock.now()
  const status = await currentStatus(deps, sessionCookieHash(c), now)
  if (status.state !== 'live')
    return c.redirect(linkOf('/signin/start', { return_to: TENANT_CONSOLE }), 303)
  const found = await administratorOf(deps, status.session)
  if (found === undefined) return notYours(deps, c)
  const { session, tenant, actor } = found
  const caller = { actor, source: 'broker', via: 'console', may: 'administer' } as const
  return withoutNul({ deps, c, viewer: { session, tenant, caller }, now })
}

const withoutNul = (request: ConsoleRequest): ConsoleRequest | Response =>
  hasNul(request.c.req.url) ? nothingHere(request, NUL_IN_ADDRESS, '', 400) : request

/**
 * The page for users without the role. It is the same whatever their tenant has set, so that it
 * reveals no setting.
 */
const notYours = (deps: Deps, c: Context): Response =>
  messagePage(c, {
    ...words.NOT_YOURS,
    status: 403,
    config: deps.config,
  })

function mount(
  endpoints: Hono,
  deps: Deps,
  base: keyof typeof CONSOLE_SHEET,
  enter: Entering,
  routes: readonly Mounted[],
): void {
  const limit = bodyLimit({
    maxSize: 64 * 1024,
    onError: (c) =>
      messagePage(c, {
        ...words.TOO_LONG,
        status: 413,
        config: deps.config,
      }),
  })
  endpoints.get(CONSOLE_SHEET[base].path, CONSOLE_SHEET[base].serve)
  for (const { path, at = '', page, form: act, need } of routes) {
    if (page !== undefined)
      endpoints.get(base + path, async (c) => {
        const request = await enter(c)
        if (request instanceof Response) return request
        return rejection(request, need ?? 'audit') ?? orRejected(request, at, () => page(request))
      })
    if (act !== undefined)
      endpoints.post(base + path, limit, async (c) => {
        const request = await enter(c)
        if (request instanceof Response) return request
        const rejected = rejection(request, need ?? 'operate')
        if (rejected !== undefined) return rejected
        const form = parseForm(await c.req.text())
        if (!formHolds(request, form)) return nothingHere(request, NOT_OURS, '', 403)
        await recordActor(deps, request.viewer.caller, request.now)
        return orRejected(request, at, () => act(request, form))
      })
  }
  endpoints.onError(pageErrors(deps, words.NOT_WRITTEN))
}

/** Answers an act that is rejected by a page that says why. */
async function orRejected(
  request: ConsoleRequest,
  back: NavPath,
  answer: () => Response | Promise<Response>,
): Promise<Response> {
  try {
    return await answer()
  } catch (error) {
    if (!(error instanceof Problem)) throw error
    const { status, title, message } = error
    return status === 404
      ? nothingHere(request, message, back)
      : nothingHere(request, `${title}. ${message}`, back, 422)
  }
}

function rejection(request: ConsoleRequest, need: Right): Response | undefined {
  const { may } = request.viewer.caller
  if (allows(may, need)) return undefined
  return nothingHere(request, may === 'audit' ? READ_ONLY : NEEDS_ADMINISTRATOR, '', 403)
}

function mountLive(endpoints: Hono, deps: Deps, pages: LivePages): void {
  endpoints.get('/ops/live', async (c) => {
    const access = await consoleAccessOf(deps, c, deps.clock.now(), false)
    c.header('Cache-Control', 'no-store')
    return access.is === 'operator'
      ? (pages.open(c, access.operator.pass) ?? c.json({ error: 'too_many' }, 503))
      : c.json({ error: 'not_signed_in' }, 401)
  })
}
