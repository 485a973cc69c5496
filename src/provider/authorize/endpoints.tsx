import { type Context, type Handler, Hono, type MiddlewareHandler } from 'hono'
import { bodyLimit } from 'hono/body-limit'
import { isForm } from '../../clients/form.ts'
import { clientLogo } from '../../clients/logos.ts'
import type { Deps } from '../deps.ts'
import { CSRF_FIELD, csrfHolds } from '../../pages/csrf.ts'
import { pageErrors } from '../../pages/errors.tsx'
import { appLogo } from '../../pages/look.ts'
import { useLocales } from '../../pages/texts.ts'
import { described } from '../../protocol/described.ts'
import { OAuthError } from '../../protocol/error.ts'
import { mustBeWithin } from '../../runtime/rate-limits.ts'
import { currentStatus } from '../../session/current.ts'
import { takenForShared } from '../../session/browser.ts'
import { type Answer, respond, stale } from './answer.tsx'
import { authorize, serve } from './authorize.ts'
import { callback } from './callback.ts'
import { askConsent, decideConsent } from './consent.ts'
import { consentPurpose } from './consent-page.tsx'
import { AUTHORIZE, PUSH } from './described.ts'
import { readOwnPurpose, servesOwn, signInForOwnPage } from './own-pages.ts'
import { grantingConsentPage } from './granting-consent.tsx'
import { pageView, send } from '../page-request.ts'
import { pushRequest, usePushed } from './pushed.ts'
import { asRegistered, clientOf } from './request.ts'
import { open, type SignInPurpose } from './sealed.ts'
import { endAndSignIn, type SentForm } from './session-limit.ts'
import { limitPurpose } from './session-limit-page.tsx'
import { servingSession } from './session-serves.ts'
import { visitMicrosoft } from './to-microsoft.ts'
import { type BrowserContext, browserContextOf } from './browser-context.ts'
import { parseForm } from '../../protocol/params.ts'

/**
 * Owns the sign-in: the authorization endpoint (OpenID Connect Core 1.0 §3.1.2), pushed requests,
 * visits to Microsoft, and codes. Rejects redirect addresses that are not an exact match, and opens
 * no session without proof of MFA.
 */
export function signinEndpoints(deps: Deps): Hono {
  const endpoints = new Hono()
  endpoints.post(
    '/par',
    described(PUSH, (c: Context) => pushRequest(deps, c)),
  )
  endpoints.route('/', pages(deps))
  return endpoints
}

/** Returns the endpoints for browsers, whose errors are pages. */
function pages(deps: Deps): Hono {
  const endpoints = new Hono()
  const limit = bodyLimit({
    maxSize: 64 * 1024,
    onError: () => {
      throw new OAuthError('invalid_request', 'The request is larger than 64 kB.', { status: 413 })
    },
  })
  const step = stepOf(deps)
  const answerRequest = (read: Read) =>
    step((c, browser, now) => answerAuthorize(deps, c, browser, read, now))
  endpoints.get('/authorize', described(AUTHORIZE.get, answerRequest(query)))
  endpoints.post('/authorize', limit, described(AUTHORIZE.post, answerRequest(form)))
  endpoints.get(
    '/signin/start',
    step((c, browser, now) => {
      // A link can only mark a computer as shared. The page's own link can lift the mark.
      if (c.req.query('computer') === 'shared')
        browser.isShared = takenForShared(deps.config, browser, 'shared')
      return signInForOwnPage(deps, browser, readOwnPurpose(query(c)), now)
    }),
  )
  endpoints.get(
    '/signin/continue',
    step((c, browser, now) => resumeRequest(deps, browser, c.req.query('request'), now)),
  )
  endpoints.get(
    '/signin/microsoft',
    step((c, browser, now) => start(deps, browser, query(c), now)),
  )
  endpoints.get(
    '/signin/callback',
    step((c, browser, now) => {
      mustBeWithin(deps.rateLimits, 'callback', { address: browser.remote })
      return callback(deps, browser, query(c), now)
    }),
  )
  mountForms(endpoints, deps, limit)
  endpoints.get('/signin/granting-consent', (c) => {
    const now = deps.clock.now()
    const [view, browser] = [pageView(deps, c), browserContextOf(deps, c, now)]
    return send(deps, c, grantingConsentPage(deps, view, browser, c.req.query('result'), now))
  })
  endpoints.onError(
    pageErrors(deps, (t) => t.signIn.notSaved, {
      asker: (c) => deps.clients.find(c.req.query('client_id') ?? ''),
    }),
  )
  return endpoints
}

/** Mounts the forms of a sign-in and the logo on its pages. */
function mountForms(endpoints: Hono, deps: Deps, limit: MiddlewareHandler): void {
  const step = stepOf(deps)
  endpoints.get(
    '/signin/consent',
    step((c, browser, now) => askConsent(deps, browser, c.req.query('request'), now)),
  )
  endpoints.post(
    '/signin/consent',
    limit,
    step(async (c, browser, now) =>
      decideConsent(deps, browser, await sentForm(deps, c, consentPurpose), now),
    ),
  )
  endpoints.post(
    '/signin/session-limit',
    limit,
    step(async (c, browser, now) =>
      endAndSignIn(deps, browser, await sentForm(deps, c, limitPurpose), now),
    ),
  )
  endpoints.get('/assets/apps/:id', async (c) => {
    const client = deps.clients.find(c.req.param('id'))
    const image =
      client === undefined ? undefined : await clientLogo(deps, client, deps.clock.now())
    return client === undefined || image === undefined
      ? c.notFound()
      : appLogo(client.clientId, image).serve(c)
  })
}

type Read = (c: Context) => URLSearchParams | Promise<URLSearchParams>

/** Returns a handler: it reads the browser, runs the step, and renders its answer. */
const stepOf =
  (deps: Deps) =>
  (take: (c: Context, browser: BrowserContext, now: number) => Answer | Promise<Answer>): Handler =>
  async (c: Context) => {
    const now = deps.clock.now()
    const browser = browserContextOf(deps, c, now)
    return respond(deps, c, browser, await take(c, browser, now), now)
  }

async function answerAuthorize(
  deps: Deps,
  c: Context,
  browser: BrowserContext,
  read: Read,
  now: number,
): Promise<Answer> {
  const input = {
    sent: await read(c),
    isPost: c.req.method === 'POST',
    useLocales: (locales: string | null) => useLocales(c, deps.config, locales),
  }
  return authorize(deps, browser, input, now)
}

const query = (c: Context): URLSearchParams => new URL(c.req.url).searchParams

async function form(c: Context): Promise<URLSearchParams> {
  if (!isForm(c))
    throw new OAuthError(
      'invalid_request',
      'Send the parameters as application/x-www-form-urlencoded in the body.',
      { status: 415 },
    )
  return parseForm(await c.req.text())
}

/** Reads a form that holds a sealed value. */
async function sentForm(
  deps: Deps,
  c: Context,
  purposeOf: (sealed: string) => string,
): Promise<SentForm> {
  const fields = await form(c)
  const sealed = fields.get('request') ?? ''
  return {
    sealed,
    fields,
    isOurs: csrfHolds(deps, c, purposeOf(sealed), fields.get(CSRF_FIELD) ?? undefined),
  }
}

/** Restarts a checked request, from any browser. It is worth no more than its /authorize URL. */
async function resumeRequest(
  deps: Deps,
  browser: BrowserContext,
  sealed: string | undefined,
  now: number,
): Promise<Answer> {
  const opened = open(deps, browser, 'again', sealed, now)
  return opened.how === 'good' ? resume(deps, browser, opened.value, now) : stale(opened, undefined)
}

const resume = (
  deps: Deps,
  browser: BrowserContext,
  purpose: SignInPurpose,
  now: number,
): Promise<Answer> =>
  purpose.kind === 'own'
    ? signInForOwnPage(deps, browser, purpose, now)
    : serve(deps, browser, purpose.request, now)

async function start(
  deps: Deps,
  browser: BrowserContext,
  sent: URLSearchParams,
  now: number,
): Promise<Answer> {
  const opened = open(deps, browser, 'start', sent.get('request') ?? undefined, now)
  if (opened.how !== 'good') return stale(opened, opened.value)
  const { value: purpose } = opened
  const another =
    sent.get('account') === 'another' || (purpose.kind === 'own' && purpose.another === true)
  if (!another && (await isServed(deps, browser, purpose, now)))
    return resume(deps, browser, purpose, now)
  const shared = takenForShared(deps.config, browser, sent.get('computer') ?? undefined)
  return visitMicrosoft(deps, browser, await consumePushed(deps, purpose, now), {
    another,
    shared,
    now,
    attempt: sent.get('request') ?? '',
  })
}

/**
 * Returns whether the browser's session already serves the purpose: the user signed in in another
 * tab.
 */
async function isServed(
  deps: Deps,
  browser: BrowserContext,
  purpose: SignInPurpose,
  now: number,
): Promise<boolean> {
  const status = await currentStatus(deps, browser.sessionHash, now)
  if (purpose.kind === 'own') return servesOwn(status, purpose, now)
  const client = clientOf(deps, purpose.request)
  return (
    servingSession(
      status,
      asRegistered(client, purpose.request),
      now,
      client.metadata.maxAuthenticationSeconds,
    ) !== undefined
  )
}

/**
 * Consumes the pushed request when its sign-in begins. A user who saw the page in time may return
 * to it.
 */
async function consumePushed(
  deps: Deps,
  purpose: SignInPurpose,
  now: number,
): Promise<SignInPurpose> {
  if (purpose.kind === 'own') return purpose
  const request = asRegistered(clientOf(deps, purpose.request), purpose.request)
  await usePushed(deps, request, now)
  return { kind: 'instance', request: { ...request, pushed: undefined } }
}
