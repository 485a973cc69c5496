import { randomBytes } from 'node:crypto'
import {
  checkSessions,
  receiveLogout,
  requireToken,
  type GuardVariables,
} from '@case-manager/guard/hono'
import type { Guard } from '@case-manager/guard'
import { Hono, type Context } from 'hono'
import { getCookie, setCookie, deleteCookie } from 'hono/cookie'
import { html } from 'hono/html'
import { SCRIPT, STYLE } from './assets.ts'
import { casesOf, sealedCaseOf } from './cases.ts'
import { eventsOf } from './events.ts'
import { SignInFailed, type RelyingParty } from './oidc.ts'
import {
  CasesPage,
  FinalPage,
  ProblemPage,
  SealedPage,
  SignedOutPage,
  StaysSealedPage,
  WelcomePage,
  wordsOf,
  type Place,
} from './pages.tsx'
import type { InstanceSession, Sessions } from './sessions.ts'
import type { createSessionCheck } from './session-check.ts'

export interface InstanceParts {
  place: Place
  /** The instance's own address, without a trailing slash. */
  url: string
  guard: Guard
  relyingParty: RelyingParty
  sessions: Sessions
  goesOn: ReturnType<typeof createSessionCheck>
}

type App = Hono<GuardVariables>

export function createInstance(parts: InstanceParts): App {
  const app: App = new Hono<GuardVariables>()
  const { place } = parts
  app.use(securityHeaders(place))
  app.get('/style.css', (c) =>
    c.body(STYLE, 200, {
      'content-type': 'text/css; charset=utf-8',
      'cache-control': 'max-age=300',
    }),
  )
  app.get('/app.js', (c) =>
    c.body(SCRIPT, 200, {
      'content-type': 'text/javascript; charset=utf-8',
      'cache-control': 'max-age=300',
    }),
  )
  const cookies = cookiesOf(parts)
  app.use(
    checkSessions(parts.guard, {
      claims: (c: Context) => cookies.session(c)?.claims,
      end(c, ended) {
        const session = cookies.session(c)
        if (session !== undefined) parts.sessions.end(session, ended.reasonClass)
      },
      unavailable: () => unavailable(place),
    }),
  )
  pages(app, parts, cookies)
  signInAndOut(app, parts, cookies)
  api(app, parts, cookies)
  app.notFound((c) =>
    c.html(
      <ProblemPage
        place={place}
        title="Not found"
        words="There is nothing at this address."
        again="/"
      />,
      404,
    ),
  )
  app.onError((error, c) => {
    const failed =
      error instanceof SignInFailed
        ? error
        : new SignInFailed('Something went wrong here.', 503, { cause: error })
    return c.html(
      <ProblemPage place={place} title="That did not work" words={failed.message} again="/" />,
      failed.status,
    )
  })
  return app
}

/** Returns the answer where the guard does not know whether the session is live. */
const unavailable = async (place: Place): Promise<Response> => {
  const page = (
    <ProblemPage
      place={place}
      title="One moment"
      words="Case Manager cannot reach the broker at the moment, so it shows nothing. You are not signed out."
      again="/"
    />
  )
  return new Response(await html`${page}`, {
    status: 503,
    headers: { 'content-type': 'text/html; charset=UTF-8', 'retry-after': '1' },
  })
}

const securityHeaders =
  ({ issuer }: Place) =>
  async (c: Context, next: () => Promise<void>): Promise<void> => {
    await next()
    const policy = `default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src data:; form-action 'self' ${issuer}; frame-ancestors 'none'; base-uri 'none'`
    c.header('Content-Security-Policy', policy)
    c.header('X-Content-Type-Options', 'nosniff')
    // Not `no-referrer`, with which browsers send `Origin: null` with the page's own forms.
    c.header('Referrer-Policy', 'same-origin')
    if (c.res.headers.get('cache-control') === null) c.header('Cache-Control', 'no-store')
  }

/**
 * Returns the instance's cookies. Cookies ignore ports, so each instance on one machine needs its
 * own cookie names.
 */
function cookiesOf({ place, sessions, url }: InstanceParts) {
  const name = place.name.toLowerCase().replaceAll(/[^a-z0-9]+/g, '_')
  const options = {
    path: '/',
    httpOnly: true,
    sameSite: 'Lax',
    secure: url.startsWith('https:'),
  } as const
  return {
    session: (c: Context): InstanceSession | undefined => sessions.find(getCookie(c, name)),
    end: (c: Context): ReturnType<Sessions['endOf']> => sessions.endOf(getCookie(c, name)),
    open: (c: Context, session: InstanceSession): void =>
      setCookie(c, name, sessions.open(session), options),
    clear: (c: Context): void => void deleteCookie(c, name, options),
    /** The cookie that binds a sign-in to this browser. */
    browser: (c: Context): string | undefined => getCookie(c, `${name}_browser`),
    setBrowser(c: Context): string {
      const value = randomBytes(32).toString('base64url')
      setCookie(c, `${name}_browser`, value, options)
      return value
    },
  }
}
type Cookies = ReturnType<typeof cookiesOf>

function pages(
  app: App,
  { goesOn, guard, place, relyingParty, sessions }: InstanceParts,
  cookies: Cookies,
): void {
  app.get('/', async (c) => {
    const session = cookies.session(c)
    const end = cookies.end(c)
    if (session === undefined)
      return c.html(
        end === undefined ? (
          <WelcomePage place={place} canceled={c.req.query('canceled') !== undefined} />
        ) : (
          <SignedOutPage place={place} why={end.why} />
        ),
      )
    if (await goesOn(session))
      return c.html(<CasesPage place={place} user={session} cases={casesOf(place.name)} />)
    const why = cookies.end(c)?.why
    cookies.clear(c)
    return c.html(<SignedOutPage place={place} why={why} />)
  })

  // One act that deserves more than the session: the user proves again who they are, by a passkey.
  app.get('/sealed', async (c) => {
    const session = cookies.session(c)
    if (session === undefined || !(await goesOn(session))) return c.redirect('/')
    const more = guard.stepUp(session.claims, { acr: 'phr', maxAgeSeconds: 300 })
    if (more === undefined)
      return c.html(<SealedPage place={place} user={session} sealed={sealedCaseOf(place.name)} />)
    const browser = cookies.browser(c) ?? cookies.setBrowser(c)
    return c.redirect((await relyingParty.begin(browser, '/sealed', more)).href)
  })

  app.get('/signed-out', (c) => {
    const session = cookies.session(c)
    // Only the answer to a sign-out that began here ends the session. A plain link does not.
    if (session?.signOutState !== undefined && c.req.query('state') === session.signOutState) {
      sessions.end(session, 'signed_out')
      cookies.clear(c)
    }
    return c.html(<FinalPage place={place} />)
  })
}

function signInAndOut(
  app: App,
  { goesOn, guard, place, relyingParty, sessions, url }: InstanceParts,
  cookies: Cookies,
): void {
  app.get('/sign-in', async (c) => {
    const session = cookies.session(c)
    if (session !== undefined && (await goesOn(session))) return c.redirect('/')
    const address = await relyingParty.begin(cookies.browser(c) ?? cookies.setBrowser(c))
    return c.redirect(address.href)
  })

  app.get('/oidc/callback', async (c) => {
    const former = cookies.session(c)
    const done = await relyingParty.finish(new URL(c.req.url).searchParams, cookies.browser(c))
    // The user turned back, or pressed Back in a browser that is signed in already.
    if (done === 'canceled') return c.redirect(former === undefined ? '/?canceled' : '/')
    if (done === 'unmet') return c.html(<StaysSealedPage place={place} />, 403)
    if (done === 'stale') {
      if (former !== undefined && (await goesOn(former))) return c.redirect('/')
      throw new SignInFailed(
        cookies.browser(c) === undefined
          ? 'This browser did not keep the sign-in, or it was started in another browser. Allow cookies for this site, then sign in again.'
          : 'This sign-in is already finished, or too old. Sign in again.',
        400,
      )
    }
    const { session, to } = done
    if (former !== undefined)
      sessions.end(former, former.sub === session.sub ? undefined : 'replaced')
    cookies.open(c, session)
    return c.redirect(to)
  })

  app.post('/sign-out', async (c) => {
    // Rejects forms of other origins. SameSite alone would accept another port of the same host.
    if (c.req.header('origin') !== url) return c.text('Sign out on the page itself.', 403)
    const session = cookies.session(c)
    return session === undefined
      ? c.redirect('/signed-out', 303)
      : c.redirect((await relyingParty.signOut(session)).href, 303)
  })

  app.post('/oidc/backchannel-logout', receiveLogout(guard))
}

function api(app: App, { goesOn, guard, place }: InstanceParts, cookies: Cookies): void {
  const signedOut = (c: Context): Response =>
    c.json({ error: 'signed_out', why: wordsOf(cookies.end(c)?.why) }, 401)
  /** Answers an API request by cookie: 401 as soon as the session has ended. */
  const bySession = async (
    c: Context,
    answer: (session: InstanceSession) => object,
  ): Promise<Response> => {
    const session = cookies.session(c)
    if (session === undefined || !(await goesOn(session))) return signedOut(c)
    return c.json(answer(session))
  }
  app.get('/api/cases', (c) => bySession(c, () => ({ cases: casesOf(place.name) })))
  // Reads the known state without a refresh, because a page that is merely open is not activity.
  app.get('/api/session', (c) => {
    const session = cookies.session(c)
    return session === undefined ? signedOut(c) : c.json({ name: session.name, sid: session.sid })
  })
  app.get('/events', (c) => {
    const session = cookies.session(c)
    if (session === undefined) return signedOut(c)
    return c.body(eventsOf(session), 200, {
      'Content-Type': 'text/event-stream',
      'Cache-Control': 'no-store',
      'X-Accel-Buffering': 'no',
    })
  })
  /** Accepts bearer tokens of other services. The guard decides about them. */
  app.get('/api/whoami', requireToken(guard), (c) => {
    const { client_id, exp, rev, roles, scope, sid, sub, tid } = c.get('claims')
    return c.json({ sub, sid, client_id, tid, scope, roles, rev, exp })
  })
}
