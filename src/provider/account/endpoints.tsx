import { type Context, type Handler, Hono, type MiddlewareHandler } from 'hono'
import { bodyLimit } from 'hono/body-limit'
import type { Session } from '../../../db/types.ts'
import type { Deps } from '../deps.ts'
import { pageErrors } from '../../pages/errors.tsx'
import { type Browser, readBrowser } from '../../session/browser.ts'
import { currentStatus, liveSession } from '../../session/current.ts'
import { chooseLanguage, textsOf } from '../../pages/texts.ts'
import { historyPage } from './history.tsx'
import { homeFor, homeForAnybody, signOutOfApp } from './home.tsx'
import { tooLong } from './rejected-form.ts'
import { readyFor, readyBeforeSignIn } from './ready.tsx'
import { askReport, report, reportedPage } from './report.tsx'
import { sessionsPage } from './sessions.tsx'
import { signOutFrom } from './sign-out.tsx'
import { addressOf, helpFor } from '../help.tsx'
import { type PageAnswer, type PageRequest, readPageRequest, send } from '../page-request.ts'

/**
 * Owns the account pages: a user's sessions, apps, history, and readiness for work. Shows and ends
 * only the user's own sessions.
 */
export function accountEndpoints(deps: Deps): Hono {
  const endpoints = new Hono()
  const limit = bodyLimit({
    maxSize: 8 * 1024,
    onError: (c) => send(deps, c, tooLong(textsOf(c, deps.config))),
  })
  endpoints.get('/account', signedIn(deps, sessionsPage))
  // An open page asks again and again, so the answer is as small as it can be.
  endpoints.get('/account/live', async (c) => {
    const now = deps.clock.now()
    c.header('Cache-Control', 'no-store')
    return c.body(null, (await sessionOf(deps, readBrowser(deps, c, now), now)) ? 204 : 403)
  })
  endpoints.post('/account/sign-out', limit, signedIn(deps, signOutFrom))
  endpoints.get(
    '/account/ready',
    step(deps, (request, session) =>
      session === undefined ? readyBeforeSignIn(deps, request) : readyFor(deps, request, session),
    ),
  )
  endpoints.post('/language', limit, (c) => takeLanguage(deps, c))
  endpoints.route('/', homeEndpoints(deps, limit))
  endpoints.route('/', historyEndpoints(deps, limit))
  endpoints.onError(pageErrors(deps, (t) => t.sessions.notSaved))
  return endpoints
}

const sessionOf = async (deps: Deps, { sessionHash }: Browser, now: number) =>
  liveSession(await currentStatus(deps, sessionHash, now))

/** Returns a handler: it reads the request and its session, runs the act, and sends the answer. */
const step =
  (
    deps: Deps,
    act: (request: PageRequest, session: Session | undefined) => PageAnswer | Promise<PageAnswer>,
  ): Handler =>
  async (c: Context) => {
    const request = await readPageRequest(deps, c)
    const session = await sessionOf(deps, request, request.now)
    const answer = await act(request, session)
    if (session === undefined || !('page' in answer) || answer.page.help !== undefined)
      return send(deps, c, answer)
    const contact = await helpFor(deps, session.user.tid)
    const help = contact && addressOf(contact)
    return send(deps, c, { ...answer, page: { ...answer.page, help } })
  }

/**
 * Returns a handler for signed-in users. It sends other users to sign in and back to `returnTo`.
 */
const signedIn = (
  deps: Deps,
  act: (deps: Deps, request: PageRequest, session: Session) => Promise<PageAnswer>,
  returnTo = '/account',
): Handler =>
  step(deps, (request, session) =>
    session === undefined
      ? { to: `/signin/start?return_to=${returnTo}` }
      : act(deps, request, session),
  )

/** Returns the endpoints of the user's apps. */
function homeEndpoints(deps: Deps, limit: MiddlewareHandler): Hono {
  const endpoints = new Hono()
  endpoints.get(
    '/',
    step(deps, (request, session) =>
      session === undefined ? homeForAnybody(request) : homeFor(deps, request, session),
    ),
  )
  endpoints.post('/', limit, signedIn(deps, signOutOfApp, '/'))
  endpoints.onError(pageErrors(deps, (t) => t.home.notSaved))
  return endpoints
}

/** Returns the endpoints of the security history and of reports of unknown sessions. */
function historyEndpoints(deps: Deps, limit: MiddlewareHandler): Hono {
  const endpoints = new Hono()
  endpoints.get('/account/history', signedIn(deps, historyPage, '/account/history'))
  endpoints.get('/account/report', signedIn(deps, askReport, '/account/history'))
  endpoints.post('/account/report', limit, signedIn(deps, report))
  endpoints.get(
    '/account/reported',
    step(deps, (request, session) => reportedPage(deps, request, session)),
  )
  endpoints.onError(pageErrors(deps, (t) => t.report.notSaved))
  return endpoints
}

/** Stores the chosen language and returns to the page of the broker that the form was on. */
async function takeLanguage({ config }: Pick<Deps, 'config'>, c: Context): Promise<Response> {
  chooseLanguage(c, config, new URLSearchParams(await c.req.text()).get('language'))
  c.header('Cache-Control', 'no-store')
  return c.redirect(previousPage(c, config.issuer), 303)
}

/** Returns the path of the referring page, or /account if another origin referred. */
function previousPage(c: Context, issuer: string): string {
  const from = c.req.header('Referer') ?? ''
  if (!URL.canParse(from)) return '/account'
  const { origin, pathname, search } = new URL(from)
  return origin === issuer && !pathname.startsWith('//') ? `${pathname}${search}` : '/account'
}
