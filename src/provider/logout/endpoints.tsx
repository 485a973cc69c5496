import { type Context, Hono } from 'hono'
import { bodyLimit } from 'hono/body-limit'
import type { Deps } from '../deps.ts'
import { Notice } from '../../pages/components.tsx'
import { pageErrors } from '../../pages/errors.tsx'
import { messageOf } from '../../pages/message.tsx'
import { signedOutAddress } from '../../pages/signed-out.ts'
import { textsOf, type Texts } from '../../pages/texts.ts'
import { described } from '../../protocol/described.ts'
import { endedClass, sessionHere } from '../../session/current.ts'
import { type PageAnswer, type PageRequest, readPageRequest, send } from '../page-request.ts'
import { backFromMicrosoft, afterSignOut, goToMicrosoft, readDone, returnAddress } from './after.ts'
import { askWhichSignOut } from './choice.tsx'
import { confirmSignOut } from './confirm.tsx'
import { LOGOUT } from './described.ts'
import { signedOutPage } from './done.tsx'
import { checkRequest, type Checked } from './request.ts'
import { open, seal } from './sealed.ts'

/**
 * Owns signing out: the end session endpoint (OpenID Connect RP-Initiated Logout 1.0) and the
 * user's choice. Never signs a user out by a GET or by a client's request alone, and redirects only
 * to registered addresses.
 */
export function logoutEndpoints(deps: Deps): Hono {
  const endpoints = new Hono()
  const limit = bodyLimit({
    maxSize: 32 * 1024,
    onError: (c) => send(deps, c, tooLong(textsOf(c, deps.config))),
  })
  endpoints.get(
    '/logout',
    described(LOGOUT.get, async (c: Context) => {
      const request = await readPageRequest(deps, c, { takesLocales: true })
      const checked = await checkRequest(deps, request.fields, request.now)
      return send(deps, c, await answer(deps, request, checked))
    }),
  )
  // A cross-site POST has no cookies (SameSite=Lax). A redirect to a GET, which has them, passes on
  // the checked request.
  endpoints.post(
    '/logout',
    limit,
    described(LOGOUT.post, async (c: Context) => {
      const { fields, now } = await readPageRequest(deps, c, { takesLocales: true })
      const checked = await checkRequest(deps, fields, now)
      return c.redirect(`/logout/ask?request=${seal(deps.sealer, 'ask', checked, now)}`, 303)
    }),
  )
  endpoints.get('/logout/ask', async (c) => {
    const request = await readPageRequest(deps, c)
    const sealed = request.fields.get('request') ?? undefined
    const checked = open(deps.sealer, 'ask', sealed, request.now) ?? { rejection: 'malformed' }
    return send(deps, c, await answer(deps, request, checked))
  })
  endpoints.post('/logout/confirm', limit, async (c) =>
    send(deps, c, await confirmSignOut(deps, await readPageRequest(deps, c))),
  )
  mountMicrosoft(endpoints, deps)
  endpoints.get('/logout/done', async (c) =>
    send(deps, c, await signedOutPage(deps, await readPageRequest(deps, c))),
  )
  endpoints.onError(pageErrors(deps, (t) => t.signOut.notSaved))
  return endpoints
}

/** Mounts the endpoints that lead to Microsoft's own sign-out and back. */
function mountMicrosoft(endpoints: Hono, deps: Deps): void {
  endpoints.get('/logout/microsoft', async (c) => {
    const { fields, now, after, sessionHash } = await readPageRequest(deps, c)
    // An app links here without `about`. The cookie of a browser that signed in again does not
    // count: any page could send its user here, and sign them out.
    const kept = sessionHash === undefined ? after : undefined
    const done = readDone(deps, fields.get('about') ?? kept, now)
    return send(deps, c, await goToMicrosoft(deps, done, now))
  })
  // The one address registered at Microsoft as the return of its sign-out.
  endpoints.get('/logout/return', async (c) =>
    send(deps, c, backFromMicrosoft(deps, await readPageRequest(deps, c))),
  )
}

async function answer(deps: Deps, request: PageRequest, checked: Checked): Promise<PageAnswer> {
  const { now, t } = request
  const { status, session, isByBrowser } = await sessionHere(deps, request, now)
  if (checked.rejection !== undefined) {
    const words = t.signOutRejected
    const detail = words.why[checked.rejection]
    if (session === undefined) return messageOf({ ...words, status: 400, detail })
    return askWhichSignOut(deps, request, {
      session,
      isByBrowser,
      logout: {},
      status: 400,
      notice: (
        <Notice kind="warn" title={words.noticeTitle}>
          <p>{words.notice}</p>
          <p class="soft small">{t.errors.detail({ detail })}</p>
        </Notice>
      ),
    })
  }
  const { request: logout } = checked
  if (session !== undefined) return askWhichSignOut(deps, request, { session, isByBrowser, logout })
  // The user confirms nothing here, so without an ID token the address is only a link (§3).
  const done = {
    scope: 'none' as const,
    why: endedClass(status),
    clientIds: [],
    at: now,
    clientId: logout.clientId,
  }
  return logout.hint === undefined
    ? { to: signedOutAddress(deps.sealer, { ...done, back: returnAddress(deps, logout) }, now) }
    : afterSignOut(deps, logout, done, now)
}

const tooLong = (t: Texts): PageAnswer =>
  messageOf({
    title: t.signOut.tooLongTitle,
    status: 413,
    what: t.signOut.tooLong,
    next: t.signOut.tooLongNext,
    links: [{ href: '/logout', label: t.shared.signOut }],
  })
