import { type Context, Hono } from 'hono'
import { bodyLimit } from 'hono/body-limit'
import type { Deps } from '../deps.ts'
import { pageErrors } from '../../pages/errors.tsx'
import { messagePage } from '../../pages/message.tsx'
import { allows, READ_ONLY, type Right } from '../../clients/caller.ts'
import type { Checks } from '../checks/checks.ts'
import { auditDownload, auditPage } from './audit.tsx'
import { clientPage } from './client.tsx'
import { closeDeliveries } from './close.tsx'
import { deliveriesPage, redrive, tryNow } from './deliveries.tsx'
import { CONSOLE_SHEET, formHolds, type ConsoleRequest } from './desk.tsx'
import { redriveFailed } from './failed-work.tsx'
import { guardsPage } from './guards.tsx'
import { liftNow, liftPage } from './lift.tsx'
import { LivePages } from './live.ts'
import { lockCheckPage, lockNow, lockPage } from './lock.tsx'
import { locksPage } from './locks.tsx'
import { nothingHere } from './nothing.tsx'
import { overviewPage } from './overview.tsx'
import { visitorOf } from './pass.ts'
import { pickUsersPage } from './pick-users.tsx'
import { BOARD, queueBoard } from './queue-board.ts'
import { clientsPage, keysPage } from './registered.tsx'
import { evidenceDownload, revocationPage, revocationsPage } from './revocations.tsx'
import { freshPage, revokePage } from './revoke.tsx'
import { checkPage, revokeNow } from './revoke-check.tsx'
import { revokeUsersNow, usersCheckPage } from './revoke-users.tsx'
import { searchPage } from './search.tsx'
import { sessionsPage } from './sessions.tsx'
import { changeStream } from './stream.tsx'
import { userPage } from './user.tsx'
import { webhooksPage } from './webhooks.tsx'
import { closedPage, comeBack, notSignedInPage, goSignIn, leave, ownPath, rejectedPage, signedOutPage } from './sign-in.tsx'
import { parseForm } from '../../protocol/params.ts'
import { hasNul, NUL_IN_ADDRESS } from '../../protocol/stored-text.ts'

/**
 * The operators' console, /ops: what is pending, delivered, enforced and revoked, seen by operators and acted on by administrators of the
 * operators' tenant. It refuses every other user, a user whose session has ended, and a form that did not come from its own page.
 */
export function consoleEndpoints(deps: Deps, checks: Checks): Hono {
  const endpoints = new Hono()
  const unchanged = { title: 'Nothing was changed', what: 'The audit log could not be written, so nothing was done.' }
  endpoints.get(CONSOLE_SHEET.path, CONSOLE_SHEET.serve)
  endpoints.use('/ops/*', async (c, next) => (deps.connection.current().operatorTenant === undefined ? closedPage(deps, c) : next()))
  endpoints.get('/ops/sign-in', (c) =>
    goSignIn(deps, c, { returnTo: ownPath(c.req.query('return_to')), fresh: c.req.query('fresh') === 'yes' }, deps.clock.now()),
  )
  endpoints.get('/ops/callback', (c) => comeBack(deps, c, deps.clock.now()))
  endpoints.get('/ops/signed-out', (c) => signedOutPage(deps, c))
  mountPages(endpoints, deps, checks)
  mountForms(endpoints, deps)
  mountLive(endpoints, deps)
  mountBoard(endpoints, deps)
  endpoints.onError(pageErrors(deps, unchanged))
  return endpoints
}

/** Streams end with the broker: an open one would hold its last request. */
const live = new WeakMap<Deps, LivePages>()
export const closeConsole = (deps: Deps): void => live.get(deps)?.close()

/** Who asks, or the page that says why not. */
async function enter(deps: Deps, c: Context, touch = true): Promise<ConsoleRequest | Response> {
  const now = deps.clock.now()
  const visitor = await visitorOf(deps, c, now, touch)
  if (visitor.is === 'nobody') return notSignedInPage(deps, c, visitor.why)
  if (visitor.is === 'rejected') return rejectedPage(deps, c, visitor.why, visitor.session)
  const request = { deps, c, operator: visitor.operator, now }
  return hasNul(c.req.url) ? nothingHere(request, NUL_IN_ADDRESS, '/ops', 400) : request
}

function mountPages(endpoints: Hono, deps: Deps, checks: Checks): void {
  const show = (path: string, render: (request: ConsoleRequest) => Response | Promise<Response>, need: Right = 'audit'): void => {
    endpoints.get(path, async (c) => {
      const request = await enter(deps, c)
      if (request instanceof Response) return request
      return allows(request.operator.caller.may, need) ? render(request) : nothingHere(request, READ_ONLY, '/ops', 403)
    })
  }
  show('/ops', (request) => overviewPage(request, checks))
  show('/ops/revocations', revocationsPage)
  show('/ops/revocations/:seq{[0-9]{1,15}}', (request) => revocationPage(request, Number(request.c.req.param('seq'))))
  show('/ops/revocations/:seq{[0-9]{1,15}}/evidence.jsonl', (request) => evidenceDownload(request, Number(request.c.req.param('seq'))))
  show('/ops/deliveries', deliveriesPage)
  show('/ops/sessions', sessionsPage)
  show('/ops/revoke', revokePage)
  show('/ops/revoke/check', checkPage)
  show('/ops/revoke/users', (request) => pickUsersPage(request))
  show('/ops/revoke/users/check', usersCheckPage)
  show('/ops/locks', locksPage)
  show('/ops/lock', lockPage, 'operate')
  show('/ops/lock/check', lockCheckPage, 'operate')
  show('/ops/locks/lift', liftPage)
  show('/ops/fresh', freshPage)
  show('/ops/clients', clientsPage)
  show('/ops/clients/:id', (request) => clientPage(request, request.c.req.param('id') ?? ''))
  show('/ops/users/:sub', (request) => userPage(request, request.c.req.param('sub') ?? ''))
  show('/ops/search', searchPage)
  show('/ops/guards', guardsPage)
  show('/ops/webhooks', webhooksPage)
  show('/ops/keys', keysPage)
  show('/ops/audit', auditPage)
  show('/ops/audit.jsonl', auditDownload)
}

const bodyLimitOf = ({ config }: Deps) =>
  bodyLimit({
    maxSize: 64 * 1024,
    onError: (c) =>
      messagePage(c, { title: 'This request is not valid', status: 413, what: 'The request is too long. Nothing was changed.', config }),
  })

function mountForms(endpoints: Hono, deps: Deps): void {
  const limit = bodyLimitOf(deps)
  const take = (path: string, act: (request: ConsoleRequest, form: URLSearchParams) => Promise<Response>, need: Right = 'operate'): void => {
    endpoints.post(path, limit, async (c) => {
      const request = await enter(deps, c)
      if (request instanceof Response) return request
      if (!allows(request.operator.caller.may, need)) return nothingHere(request, READ_ONLY, '/ops', 403)
      const form = parseForm(await c.req.text())
      if (!formHolds(request, form))
        return nothingHere(
          request,
          'The request does not come from a page of the console in this browser. Nothing was changed. Open the page again.',
          '/ops',
          403,
        )
      return act(request, form)
    })
  }
  take('/ops/deliveries/redrive', redrive)
  take('/ops/deliveries/try', tryNow)
  take('/ops/deliveries/close', closeDeliveries)
  take('/ops/microsoft/redrive', redriveFailed)
  take('/ops/streams', changeStream)
  take('/ops/revoke', revokeNow)
  take('/ops/revoke/users', revokeUsersNow)
  take('/ops/lock', lockNow)
  take('/ops/locks/lift', liftNow)
  take('/ops/sign-out', ({ c, operator, now }) => leave(deps, c, operator, now), 'audit')
}

function mountLive(endpoints: Hono, deps: Deps): void {
  const pages = new LivePages(deps)
  live.set(deps, pages)
  endpoints.get('/ops/live', async (c) => {
    const request = await enter(deps, c, false)
    if (request instanceof Response) return c.json({ error: 'not_signed_in' }, 401, { 'Cache-Control': 'no-store' })
    return pages.open(c, request.operator.pass) ?? c.json({ error: 'too_many' }, 503, { 'Cache-Control': 'no-store' })
  })
}

/** Signed-in operators only, its files included, and to look at only: also where bull-board should one day forget that it is read-only. */
function mountBoard(endpoints: Hono, deps: Deps): void {
  const board = queueBoard(deps)
  const guard = async (c: Context): Promise<Response | undefined> => {
    const request = await enter(deps, c)
    if (request instanceof Response) return request
    if (c.req.method !== 'GET' && c.req.method !== 'HEAD') return c.json({ error: 'The queue is read-only here.' }, 405, { Allow: 'GET, HEAD' })
    if (board === undefined) return nothingHere(request, 'This broker has no page for its queue.', '/ops')
    return undefined
  }
  endpoints.use(BOARD, async (c, next) => (await guard(c)) ?? next())
  endpoints.use(`${BOARD}/*`, async (c, next) => (await guard(c)) ?? next())
  if (board !== undefined) endpoints.route(BOARD, board)
}
