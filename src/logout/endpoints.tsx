import { type Context, Hono } from 'hono'
import { bodyLimit } from 'hono/body-limit'
import type { Deps } from '../deps.ts'
import { Notice } from '../page/components.tsx'
import { pageErrors } from '../page/errors.tsx'
import { messagePage } from '../page/message.tsx'
import { currentStanding } from '../session/current.ts'
import { goOn, returnAddress, takeContinuation, toDone } from './after.ts'
import { askWhichSignOut } from './choice.tsx'
import { confirmSignOut } from './confirm.tsx'
import { signedOutPage } from './done.tsx'
import { checkRequest } from './request.ts'
import type { Checked, Refusal } from './types.ts'
import { open, seal } from './sealed.ts'

/**
 * Owns signing out: the end session endpoint (OpenID Connect RP-Initiated Logout 1.0) and the person's choices. Refuses to sign anybody out
 * by a GET or at a client's word alone, and to send a browser anywhere but to an address that the client has registered.
 */
export function logoutEndpoints(deps: Deps): Hono {
  const room = new Hono()
  const limit = bodyLimit({ maxSize: 32 * 1024, onError: (c) => tooLong(deps, c) })
  const form = async (c: Context): Promise<URLSearchParams> => new URLSearchParams(await c.req.text())

  room.get('/logout', async (c) => {
    const now = deps.clock.now()
    return answer(deps, c, await checkRequest(deps, new URL(c.req.url).searchParams, now), now)
  })
  // Another site's POST comes without our cookies (SameSite=Lax); what was checked of it comes back by a GET, which has them.
  room.post('/logout', limit, async (c) => {
    const now = deps.clock.now()
    const checked = await checkRequest(deps, await form(c), now)
    return c.redirect(`/logout/ask?request=${seal(deps.sealer, 'ask', checked, now)}`, 303)
  })
  room.get('/logout/ask', async (c) => {
    const now = deps.clock.now()
    return answer(deps, c, open(deps.sealer, 'ask', c.req.query('request'), now) ?? { refusal: 'malformed' }, now)
  })
  room.post('/logout/confirm', limit, async (c) => confirmSignOut(deps, c, await form(c), deps.clock.now()))
  // Registered at Microsoft as the one address its sign-out comes back to.
  room.get('/logout/return', (c) => {
    const now = deps.clock.now()
    const continued = takeContinuation(deps, c, now)
    if (continued === undefined) return c.redirect('/logout/done', 303)
    return goOn(deps, c, continued.request, { ...continued.done, microsoft: 'left' }, now)
  })
  room.get('/logout/done', async (c) => {
    const now = deps.clock.now()
    return signedOutPage(deps, c, open(deps.sealer, 'done', c.req.query('about'), now), now)
  })
  room.onError(
    pageErrors(deps, {
      title: 'You are still signed in',
      what: 'The sign-out could not be written down, so nothing was changed: you are still signed in everywhere.',
    }),
  )
  return room
}

async function answer(deps: Deps, c: Context, checked: Checked, now: number): Promise<Response> {
  const standing = await currentStanding(deps, c, now)
  const session = standing.state === 'live' || standing.state === 'marked' ? standing.session : undefined
  if (checked.refusal !== undefined) {
    if (session === undefined) return refusedPage(deps, c, checked.refusal)
    return askWhichSignOut(deps, c, { session, request: {}, now, status: 400, notice: refusedNotice(checked.refusal) })
  }
  const { request } = checked
  if (session !== undefined) return askWhichSignOut(deps, c, { session, request, now })
  // Nobody is asked here, so nobody confirms: without an ID token the address stays a link (§3).
  const done = { scope: 'none' as const, clientIds: [], at: now, clientId: request.clientId }
  return request.hint === undefined ? toDone(deps, c, { ...done, back: returnAddress(request) }, now) : goOn(deps, c, request, done, now)
}

const REFUSED: Record<Refusal, string> = {
  malformed: 'The request to sign out could not be read.',
  hint: 'The request to sign out brought an ID token (id_token_hint) that this broker has not issued, or that was changed since.',
  client: 'The request to sign out names a client (client_id) that is not registered here, or not the one its ID token was issued to.',
  address: 'The request to sign out names an address to return to (post_logout_redirect_uri) that its client has not registered.',
  address_without_client: 'The request to sign out names an address to return to (post_logout_redirect_uri) without an id_token_hint or a client_id.',
}

const refusedNotice = (refusal: Refusal) => (
  <Notice kind="bad" title="The instance that sent you here made a mistake">
    {REFUSED[refusal]} You can still sign out, but you will not be taken back.
  </Notice>
)

function refusedPage(deps: Deps, c: Context, refusal: Refusal): Response {
  return messagePage(c, {
    title: 'You cannot be taken back',
    status: 400,
    what: `Nobody is signed in to Case Manager in this browser. ${REFUSED[refusal]}`,
    next: 'Go back to Case Manager by the address you know. Its administrator can mend the request.',
    simulated: deps.config.entra.simulated,
  })
}

const tooLong = (deps: Deps, c: Context): Response =>
  messagePage(c, {
    title: 'You cannot be signed out this way',
    status: 413,
    what: 'Nothing was changed: the request to sign out is longer than any that is needed.',
    next: 'Sign out here instead.',
    links: [{ href: '/logout', label: 'Sign out' }],
    simulated: deps.config.entra.simulated,
  })
