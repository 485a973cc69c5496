import { type Context, Hono } from 'hono'
import { bodyLimit } from 'hono/body-limit'
import type { Deps } from '../deps.ts'
import { Notice } from '../../pages/components.tsx'
import { pageErrors } from '../../pages/errors.tsx'
import { messagePage } from '../../pages/message.tsx'
import { openDone } from '../../pages/signed-out.ts'
import { textsOf, type Texts, useLocales } from '../../pages/texts.ts'
import { described } from '../../protocol/described.ts'
import { sessionCookieHash } from '../../clients/session/cookie.ts'
import { currentStanding, endedClass } from '../../clients/session/current.ts'
import {
  asRegistered,
  backFromMicrosoft,
  goOn,
  goToMicrosoft,
  returnAddress,
  toDone,
} from './after.ts'
import { askWhichSignOut } from './choice.tsx'
import { confirmSignOut } from './confirm.tsx'
import { LOGOUT } from './described.ts'
import { signedOutPage } from './done.tsx'
import { checkRequest, type Checked, type Rejection } from './request.ts'
import { open, seal } from './sealed.ts'
import { parseForm } from '../../protocol/params.ts'

/**
 * Owns signing out: the end session endpoint (OpenID Connect RP-Initiated Logout 1.0) and the
 * user's choices. Refuses to sign a user out by a GET or at a client's word alone, and to send a
 * browser anywhere but to an address that the client has registered.
 */
export function logoutEndpoints(deps: Deps): Hono {
  const endpoints = new Hono()
  const limit = bodyLimit({ maxSize: 32 * 1024, onError: (c) => tooLong(deps, c) })
  const form = async (c: Context): Promise<URLSearchParams> => parseForm(await c.req.text())

  endpoints.get(
    '/logout',
    described(LOGOUT.get, async (c: Context) => {
      const now = deps.clock.now()
      return answer(deps, c, await check(deps, c, new URL(c.req.url).searchParams, now), now)
    }),
  )
  // Another site's POST comes without our cookies (SameSite=Lax); what was checked of it comes back
  // by a GET, which has them.
  endpoints.post(
    '/logout',
    limit,
    described(LOGOUT.post, async (c: Context) => {
      const now = deps.clock.now()
      const checked = await check(deps, c, await form(c), now)
      return c.redirect(`/logout/ask?request=${seal(deps.sealer, 'ask', checked, now)}`, 303)
    }),
  )
  endpoints.get('/logout/ask', async (c) => {
    const now = deps.clock.now()
    return answer(
      deps,
      c,
      open(deps.sealer, 'ask', c.req.query('request'), now) ?? { rejection: 'malformed' },
      now,
    )
  })
  endpoints.post('/logout/confirm', limit, async (c) =>
    confirmSignOut(deps, c, await form(c), deps.clock.now()),
  )
  endpoints.get('/logout/microsoft', async (c) => {
    const now = deps.clock.now()
    const done = doneOf(deps, c, now)
    return done === undefined ? c.redirect('/logout/done', 303) : goToMicrosoft(deps, c, done, now)
  })
  // Registered at Microsoft as the one address its sign-out comes back to.
  endpoints.get('/logout/return', (c) => backFromMicrosoft(deps, c, deps.clock.now()))
  endpoints.get('/logout/done', async (c) => {
    const now = deps.clock.now()
    return signedOutPage(deps, c, doneOf(deps, c, now), now)
  })
  endpoints.onError(pageErrors(deps, (t) => t.signOut.notSaved))
  return endpoints
}

function doneOf(deps: Deps, c: Context, now: number) {
  const done = openDone(deps.sealer, c.req.query('about'), now)
  return done && asRegistered(deps, done)
}

function check(deps: Deps, c: Context, sent: URLSearchParams, now: number): Promise<Checked> {
  useLocales(c, deps.config, sent.get('ui_locales'))
  return checkRequest(deps, sent, now)
}

async function answer(deps: Deps, c: Context, checked: Checked, now: number): Promise<Response> {
  const standing = await currentStanding(deps, sessionCookieHash(c), now)
  const session =
    standing.state === 'live' || standing.state === 'marked' ? standing.session : undefined
  if (checked.rejection !== undefined) {
    if (session === undefined) return rejectedPage(deps, c, checked.rejection)
    return askWhichSignOut(deps, c, {
      session,
      request: {},
      now,
      status: 400,
      notice: rejectedNotice(checked.rejection, textsOf(c, deps.config)),
    })
  }
  const { request } = checked
  if (session !== undefined) return askWhichSignOut(deps, c, { session, request, now })
  // The broker asks no question here, so the user confirms nothing: without an ID token the address
  // stays a link (§3).
  const done = {
    scope: 'none' as const,
    why: endedClass(standing),
    clientIds: [],
    at: now,
    clientId: request.clientId,
  }
  return request.hint === undefined
    ? toDone(deps, c, { ...done, back: returnAddress(deps, request) }, now)
    : goOn(deps, c, request, done, now)
}

/** Every reason has its words: a missing one fails the type check. */
const whyTexts = (t: Texts): Record<Rejection, string> => t.signOutRefused.why

const rejectedNotice = (rejection: Rejection, t: Texts) => (
  <Notice kind="bad" title={t.signOutRefused.noticeTitle}>
    {t.signOutRefused.notice({ why: whyTexts(t)[rejection] })}
  </Notice>
)

function rejectedPage(deps: Deps, c: Context, rejection: Rejection): Response {
  const t = textsOf(c, deps.config)
  return messagePage(c, {
    title: t.signOutRefused.title,
    status: 400,
    what: t.signOutRefused.what({ why: whyTexts(t)[rejection] }),
    next: t.signOutRefused.next,
    config: deps.config,
  })
}

function tooLong(deps: Deps, c: Context): Response {
  const t = textsOf(c, deps.config)
  return messagePage(c, {
    title: t.signOut.tooLongTitle,
    status: 413,
    what: t.signOut.tooLong,
    next: t.signOut.tooLongNext,
    links: [{ href: '/logout', label: t.shared.signOut }],
    config: deps.config,
  })
}
