import { type Context, Hono } from 'hono'
import { bodyLimit } from 'hono/body-limit'
import { isForm } from '../../clients/form.ts'
import { clientLogo } from '../../clients/logos.ts'
import { remoteOf } from '../../runtime/remote-address.ts'
import type { Deps } from '../deps.ts'
import { pageErrors } from '../../pages/errors.tsx'
import { appLogo } from '../../pages/look.ts'
import { described } from '../../protocol/described.ts'
import { OAuthError } from '../../protocol/error.ts'
import { mustBeWithin } from '../../runtime/rate-limits.ts'
import { currentStanding } from '../../clients/session/current.ts'
import { takenForShared } from '../../clients/session/shared-computer.ts'
import { authorize, serve } from './authorize.ts'
import { callback } from './callback.ts'
import { askConsent, decideConsent } from './consent.tsx'
import { AUTHORIZE, PUSH } from './described.ts'
import { readOwnErrand, servesOwn, signInForOwnPage } from './own-pages.ts'
import { grantingConsentPage } from './pages.tsx'
import { pushRequest, usePushed } from './pushed.ts'
import { asRegistered, clientOf } from './request.ts'
import { type Errand, open } from './sealed.ts'
import { endAndSignIn } from './session-limit.ts'
import { servingSession } from './session-serves.ts'
import { stalePage } from './stale.tsx'
import { visitMicrosoft } from './to-microsoft.ts'
import { parseForm } from '../../protocol/params.ts'

/**
 * Owns the sign-in: the authorization endpoint (OpenID Connect Core 1.0 §3.1.2), pushed requests, Microsoft and back, and the code. Refuses to
 * send a browser to an address that does not match a registered one exactly, and to open a session without proof of MFA.
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

/** What browsers are sent to: errors are pages. */
function pages(deps: Deps): Hono {
  const endpoints = new Hono()
  const limit = bodyLimit({
    maxSize: 64 * 1024,
    onError: () => {
      throw new OAuthError('invalid_request', 'The request is larger than 64 kB.', { status: 413 })
    },
  })
  endpoints.get(
    '/authorize',
    described(AUTHORIZE.get, (c: Context) => authorize(deps, c, query(c), deps.clock.now())),
  )
  endpoints.post(
    '/authorize',
    limit,
    described(AUTHORIZE.post, async (c: Context) => authorize(deps, c, await form(c), deps.clock.now())),
  )
  endpoints.get('/signin/start', (c) => signInForOwnPage(deps, c, readOwnErrand(query(c)), deps.clock.now()))
  endpoints.get('/signin/continue', (c) => takeUpAgain(deps, c, deps.clock.now()))
  endpoints.get('/signin/microsoft', (c) => start(deps, c, deps.clock.now()))
  endpoints.get('/signin/callback', (c) => {
    mustBeWithin(deps.rateLimits, 'callback', { address: remoteOf(c, deps.config) })
    return callback(deps, c, deps.clock.now())
  })
  endpoints.get('/signin/consent', (c) => askConsent(deps, c, c.req.query('request'), deps.clock.now()))
  endpoints.post('/signin/consent', limit, async (c) => decideConsent(deps, c, await form(c), deps.clock.now()))
  endpoints.post('/signin/session-limit', limit, async (c) => endAndSignIn(deps, c, await form(c), deps.clock.now()))
  endpoints.get('/assets/apps/:id', async (c) => {
    const client = deps.clients.find(c.req.param('id'))
    const image = client === undefined ? undefined : await clientLogo(deps, client, deps.clock.now())
    return client === undefined || image === undefined ? c.notFound() : appLogo(client.clientId, image).serve(c)
  })
  endpoints.get('/signin/granting-consent', (c) => grantingConsentPage(deps, c))
  endpoints.onError(pageErrors(deps, (t) => t.signIn.notSaved, { asker: (c) => deps.clients.find(c.req.query('client_id') ?? '') }))
  return endpoints
}

const query = (c: Context): URLSearchParams => new URL(c.req.url).searchParams

async function form(c: Context): Promise<URLSearchParams> {
  if (!isForm(c)) throw new OAuthError('invalid_request', 'Send the parameters as application/x-www-form-urlencoded in the body.', { status: 415 })
  return parseForm(await c.req.text())
}

/** A request that was checked before, from any browser: as good as the address of /authorize it came by. */
async function takeUpAgain(deps: Deps, c: Context, now: number): Promise<Response> {
  const opened = open(deps, c, 'again', c.req.query('request'), now)
  if (opened.how !== 'good') return stalePage(deps, c, opened.how, undefined, now)
  return takeUp(deps, c, opened.value, now)
}

const takeUp = (deps: Deps, c: Context, errand: Errand, now: number): Promise<Response> =>
  errand.kind === 'own' ? signInForOwnPage(deps, c, errand, now) : serve(deps, c, errand.request, now)

async function start(deps: Deps, c: Context, now: number): Promise<Response> {
  const opened = open(deps, c, 'start', c.req.query('request'), now)
  if (opened.how !== 'good') return stalePage(deps, c, opened.how, opened.how === 'foreign' ? undefined : opened.value, now)
  const another = c.req.query('account') === 'another' || (opened.value.kind === 'own' && opened.value.another === true)
  if (!another && (await isServed(deps, c, opened.value, now))) return takeUp(deps, c, opened.value, now)
  const shared = takenForShared(deps, c, c.req.query('computer'))
  return visitMicrosoft(deps, c, await begun(deps, opened.value, now), { another, shared, now })
}

/** An old page of a second tab: the user has signed in in the first one since. */
async function isServed(deps: Deps, c: Context, errand: Errand, now: number): Promise<boolean> {
  const standing = await currentStanding(deps, c, now)
  if (errand.kind === 'own') return servesOwn(standing, errand, now)
  const client = clientOf(deps, errand.request)
  return servingSession(standing, asRegistered(client, errand.request), now, client.metadata.maxAuthenticationSeconds) !== undefined
}

/** Beginning a sign-in consumes the pushed request; a user who was shown the page in time may go back to it. */
async function begun(deps: Deps, errand: Errand, now: number): Promise<Errand> {
  if (errand.kind === 'own') return errand
  const request = asRegistered(clientOf(deps, errand.request), errand.request)
  await usePushed(deps, request, now)
  return { kind: 'instance', request: { ...request, pushed: undefined } }
}
