import { type Context, Hono } from 'hono'
import { bodyLimit } from 'hono/body-limit'
import type { Deps } from '../deps.ts'
import { pageErrors } from '../../pages/errors.tsx'
import { messagePage } from '../../pages/message.tsx'
import { allows, READ_ONLY } from '../../clients/caller.ts'
import type { Checks } from '../checks/checks.ts'
import { auditRoutes } from './audit.tsx'
import { clientPage } from './client.tsx'
import { deliveryRoutes } from './deliveries.tsx'
import {
  CONSOLE_SHEET,
  formHolds,
  NOT_OURS,
  type ConsoleRequest,
  type Mounted,
  nothingHere,
} from './layout.tsx'
import { redriveFailed } from './failed-work.tsx'
import { guardsPage } from './guards.tsx'
import { liftRoutes } from './lift.tsx'
import type { LivePages } from './live.ts'
import { lockRoutes } from './lock.tsx'
import { locksPage } from './locks.tsx'
import { overviewPage } from './overview.tsx'
import { visitorOf } from './console-session.ts'
import { BOARD, queueBoard } from './queue-board.ts'
import { registeredRoutes } from './registered.tsx'
import { revocationRoutes } from './revocations.tsx'
import { freshPage } from './revoke.tsx'
import { revokeRoutes } from './revoke-check.tsx'
import { revokeUsersRoutes } from './revoke-users.tsx'
import { searchPage } from './search.tsx'
import { sessionsPage } from './sessions.tsx'
import { changeStream } from './stream.tsx'
import { userPage } from './user.tsx'
import { webhooksPage } from './webhooks.tsx'
import {
  closedPage,
  comeBack,
  notSignedInPage,
  goSignIn,
  leave,
  ownPath,
  rejectedPage,
  signedOutPage,
} from './sign-in.tsx'
import { parseForm } from '../../protocol/params.ts'
import { hasNul, NUL_IN_ADDRESS } from '../../protocol/stored-text.ts'

/**
 * The operators' console, /ops: what is pending, delivered, enforced and revoked, seen by operators
 * and acted on by administrators of the operators' tenant. It refuses every other user, a user
 * whose session has ended, and a form that did not come from its own page.
 * @param live closed by the module that wires the console: an open stream would hold its last
 * request
 */
export function consoleEndpoints(deps: Deps, checks: Checks, live: LivePages): Hono {
  const endpoints = new Hono()
  const unchanged = {
    title: 'Nothing was changed',
    what: 'The audit log could not be written, so nothing was done.',
  }
  endpoints.get(CONSOLE_SHEET.path, CONSOLE_SHEET.serve)
  endpoints.use('/ops/*', async (c, next) =>
    deps.connection.current().operatorTenant === undefined ? closedPage(deps, c) : next(),
  )
  endpoints.get('/ops/sign-in', (c) =>
    goSignIn(
      deps,
      c,
      { returnTo: ownPath(c.req.query('return_to')), fresh: c.req.query('fresh') === 'yes' },
      deps.clock.now(),
    ),
  )
  endpoints.get('/ops/callback', (c) => comeBack(deps, c, deps.clock.now()))
  endpoints.get('/ops/signed-out', (c) => signedOutPage(deps, c))
  mountPages(endpoints, deps, checks)
  mountForms(endpoints, deps)
  mountLive(endpoints, deps, live)
  mountBoard(endpoints, deps)
  endpoints.onError(pageErrors(deps, unchanged))
  return endpoints
}

/** Who asks, or the page that says why not. */
async function enter(deps: Deps, c: Context, touch = true): Promise<ConsoleRequest | Response> {
  const now = deps.clock.now()
  const visitor = await visitorOf(deps, c, now, touch)
  if (visitor.is === 'nobody') return notSignedInPage(deps, c, visitor.why)
  if (visitor.is === 'rejected') return rejectedPage(deps, c, visitor.why, visitor.session)
  const request = { deps, c, operator: visitor.operator, now }
  return hasNul(c.req.url) ? nothingHere(request, NUL_IN_ADDRESS, '/ops', 400) : request
}

const ROUTES: readonly Mounted<ConsoleRequest>[] = [
  ...auditRoutes,
  ...deliveryRoutes,
  ...liftRoutes,
  ...lockRoutes,
  ...registeredRoutes,
  ...revocationRoutes,
  ...revokeRoutes,
  ...revokeUsersRoutes,
  { path: '/ops/sessions', page: sessionsPage },
  { path: '/ops/locks', page: locksPage },
  { path: '/ops/fresh', page: freshPage },
  {
    path: '/ops/clients/:id',
    page: (request) => clientPage(request, request.c.req.param('id') ?? ''),
  },
  {
    path: '/ops/users/:sub',
    page: (request) => userPage(request, request.c.req.param('sub') ?? ''),
  },
  { path: '/ops/search', page: searchPage },
  { path: '/ops/guards', page: guardsPage },
  { path: '/ops/webhooks', page: webhooksPage },
  { path: '/ops/microsoft/redrive', form: redriveFailed },
  { path: '/ops/streams', form: changeStream },
]

function mountPages(endpoints: Hono, deps: Deps, checks: Checks): void {
  const overview: Mounted<ConsoleRequest> = {
    path: '/ops',
    page: (request) => overviewPage(request, checks),
  }
  for (const { path, page, need = 'audit' } of [overview, ...ROUTES]) {
    if (page === undefined) continue
    endpoints.get(path, async (c) => {
      const request = await enter(deps, c)
      if (request instanceof Response) return request
      return allows(request.operator.caller.may, need)
        ? page(request)
        : nothingHere(request, READ_ONLY, '/ops', 403)
    })
  }
}

const bodyLimitOf = ({ config }: Deps) =>
  bodyLimit({
    maxSize: 64 * 1024,
    onError: (c) =>
      messagePage(c, {
        title: 'This request is not valid',
        status: 413,
        what: 'The request is too long. Nothing was changed.',
        config,
      }),
  })

function mountForms(endpoints: Hono, deps: Deps): void {
  const limit = bodyLimitOf(deps)
  const signOut: Mounted<ConsoleRequest> = {
    path: '/ops/sign-out',
    need: 'audit',
    form: ({ c, operator, now }) => leave(deps, c, operator, now),
  }
  for (const { path, form: act, need = 'operate' } of [signOut, ...ROUTES]) {
    if (act === undefined) continue
    endpoints.post(path, limit, async (c) => {
      const request = await enter(deps, c)
      if (request instanceof Response) return request
      if (!allows(request.operator.caller.may, need))
        return nothingHere(request, READ_ONLY, '/ops', 403)
      const form = parseForm(await c.req.text())
      if (!formHolds(request, form)) return nothingHere(request, NOT_OURS, '/ops', 403)
      return act(request, form)
    })
  }
}

function mountLive(endpoints: Hono, deps: Deps, pages: LivePages): void {
  endpoints.get('/ops/live', async (c) => {
    const request = await enter(deps, c, false)
    if (request instanceof Response)
      return c.json({ error: 'not_signed_in' }, 401, { 'Cache-Control': 'no-store' })
    return (
      pages.open(c, request.operator.pass) ??
      c.json({ error: 'too_many' }, 503, { 'Cache-Control': 'no-store' })
    )
  })
}

/**
 * Signed-in operators only, its files included, and to look at only: also where bull-board should
 * one day forget that it is read-only.
 */
function mountBoard(endpoints: Hono, deps: Deps): void {
  const board = queueBoard(deps)
  const guard = async (c: Context): Promise<Response | undefined> => {
    const request = await enter(deps, c)
    if (request instanceof Response) return request
    if (c.req.method !== 'GET' && c.req.method !== 'HEAD')
      return c.json({ error: 'The queue is read-only here.' }, 405, { Allow: 'GET, HEAD' })
    if (board === undefined)
      return nothingHere(request, 'This broker has no page for its queue.', '/ops')
    return undefined
  }
  endpoints.use(BOARD, async (c, next) => (await guard(c)) ?? next())
  endpoints.use(`${BOARD}/*`, async (c, next) => (await guard(c)) ?? next())
  if (board !== undefined) endpoints.route(BOARD, board)
}
