import { type Context, Hono, type MiddlewareHandler } from 'hono'
import { bodyLimit } from 'hono/body-limit'
import type { Session } from '../../../db/types.ts'
import type { Deps } from '../deps.ts'
import { pageErrors } from '../../pages/errors.tsx'
import { sessionCookieHash } from '../../clients/session/cookie.ts'
import { currentStanding } from '../../clients/session/current.ts'
import { endAccess, grantsPage } from './grants.tsx'
import { chooseLanguage } from '../../pages/texts.ts'
import { historyPage } from './history.tsx'
import { homeFor, homeForAnybody } from './home.tsx'
import { tooLong } from './not-taken.ts'
import { readyFor, readyBeforeSignIn } from './ready.tsx'
import { askReport, report, reportedPage } from './report.tsx'
import { askEverywhere, sessionsPage } from './sessions.tsx'
import { signOutFrom } from './sign-out.tsx'
import { parseForm } from '../../protocol/params.ts'

/**
 * Owns what a user sees of themselves: where they are signed in, and whether they are ready.
 * Refuses to show or end another user's sessions.
 */
export function accountEndpoints(deps: Deps): Hono {
  const endpoints = new Hono()
  endpoints.get('/', async (c) => {
    const session = await current(deps, c, deps.clock.now())
    return session === undefined ? homeForAnybody(deps, c) : homeFor(deps, c, session)
  })
  endpoints.get('/account', signedIn(deps, sessionsPage))
  const limit = bodyLimit({ maxSize: 8 * 1024, onError: (c) => tooLong(deps, c) })
  endpoints.get('/account/sign-out', signedIn(deps, askEverywhere))
  endpoints.post('/account/sign-out', limit, signedIn(deps, withForm(signOutFrom)))
  endpoints.get('/account/ready', async (c) => {
    const now = deps.clock.now()
    const session = await current(deps, c, now)
    return session === undefined ? readyBeforeSignIn(deps, c) : readyFor(deps, c, session, now)
  })
  endpoints.post('/language', limit, (c) => takeLanguage(deps, c))
  endpoints.route('/', grantEndpoints(deps, limit))
  endpoints.route('/', historyEndpoints(deps, limit))
  endpoints.onError(pageErrors(deps, (t) => t.sessions.notSaved))
  return endpoints
}

async function current(deps: Deps, c: Context, now: number): Promise<Session | undefined> {
  const standing = await currentStanding(deps, sessionCookieHash(c), now)
  return standing.state === 'live' || standing.state === 'marked' ? standing.session : undefined
}

type Act = (deps: Deps, c: Context, session: Session, now: number) => Promise<Response>

/** For a user who is signed in; another is sent to sign in, and comes back to `returnTo`. */
const signedIn =
  (deps: Deps, act: Act, returnTo = '/account') =>
  async (c: Context): Promise<Response> => {
    const now = deps.clock.now()
    const session = await current(deps, c, now)
    return session === undefined
      ? c.redirect(`/signin/start?return_to=${returnTo}`, 303)
      : act(deps, c, session, now)
  }

const withForm =
  (
    act: (
      deps: Deps,
      c: Context,
      session: Session,
      form: URLSearchParams,
      now: number,
    ) => Promise<Response>,
  ): Act =>
  async (deps, c, session, now) =>
    act(deps, c, session, parseForm(await c.req.text()), now)

/** The apps that use the user's sign-in. */
function grantEndpoints(deps: Deps, limit: MiddlewareHandler): Hono {
  const endpoints = new Hono()
  endpoints.get('/account/apps', signedIn(deps, grantsPage, '/account/apps'))
  endpoints.post('/account/apps', limit, signedIn(deps, withForm(endAccess), '/account/apps'))
  endpoints.onError(pageErrors(deps, (t) => t.grants.notSaved))
  return endpoints
}

/** The security history, and the report of what is not the user's own. */
function historyEndpoints(deps: Deps, limit: MiddlewareHandler): Hono {
  const endpoints = new Hono()
  endpoints.get('/account/history', signedIn(deps, historyPage, '/account/history'))
  endpoints.get('/account/report', signedIn(deps, askReport, '/account/history'))
  endpoints.post('/account/report', limit, signedIn(deps, withForm(report)))
  endpoints.get('/account/reported', (c) => reportedPage(deps, c))
  endpoints.onError(pageErrors(deps, (t) => t.report.notSaved))
  return endpoints
}

/**
 * The choice of a language, from any page: back to that page, if it is one of ours that can be
 * opened again.
 */
async function takeLanguage({ config }: Pick<Deps, 'config'>, c: Context): Promise<Response> {
  chooseLanguage(c, config, new URLSearchParams(await c.req.text()).get('language'))
  c.header('Cache-Control', 'no-store')
  return c.redirect(cameFrom(c, config.issuer), 303)
}

/** The path alone: no page of another origin is gone back to. */
function cameFrom(c: Context, issuer: string): string {
  const from = c.req.header('Referer') ?? ''
  if (!URL.canParse(from)) return '/account'
  const { origin, pathname, search } = new URL(from)
  return origin === issuer && !pathname.startsWith('//') ? `${pathname}${search}` : '/account'
}
