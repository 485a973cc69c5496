import type { Context } from 'hono'
import { deleteCookie, getCookie, setCookie } from 'hono/cookie'
import type { Deps } from '../deps.ts'
import { type Done, signedOutAddress } from '../page/signed-out.ts'
import { open, seal } from './sealed.ts'
import type { LogoutRequest } from './types.ts'

/** Where the browser goes when there is nothing left to ask: to Microsoft's own sign-out first, to the registered address, or to the signed-out page. */

const COOKIE = '__Host-cmb_after_logout'
const ATTRIBUTES = { path: '/', secure: true, httpOnly: true, sameSite: 'Lax' } as const

/** The registered address with the `state` that came, if one came (RP-Initiated Logout 1.0 §3). */
export function returnAddress(request: LogoutRequest): string | undefined {
  if (request.returnTo === undefined || request.state === undefined) return request.returnTo
  // Appended as text: a parser would rewrite what was registered.
  const [address = '', fragment] = request.returnTo.split('#', 2)
  const joined = `${address}${address.includes('?') ? '&' : '?'}state=${encodeURIComponent(request.state)}`
  return fragment === undefined ? joined : `${joined}#${fragment}`
}

export function toDone(deps: Pick<Deps, 'sealer'>, c: Context, done: Done, now: number): Response {
  return c.redirect(signedOutAddress(deps.sealer, done, now), 303)
}

/** The end of a sign-out on our side. */
export function goOn(deps: Pick<Deps, 'sealer'>, c: Context, request: LogoutRequest, done: Done, now: number): Response {
  const address = returnAddress(request)
  return address === undefined ? toDone(deps, c, done, now) : c.redirect(address, 303)
}

/** To Microsoft's sign-out, which comes back to one fixed address (it is registered there): the rest waits in a cookie. */
export function goToMicrosoft(
  deps: Pick<Deps, 'sealer'>,
  c: Context,
  input: { url: string; request: LogoutRequest; done: Done; now: number },
): Response {
  const value = seal(deps.sealer, 'after', { request: input.request, done: input.done }, input.now)
  setCookie(c, COOKIE, value, { ...ATTRIBUTES, maxAge: 1800 })
  return c.redirect(input.url, 303)
}

/** Back from Microsoft. Undefined where this browser is not on its way out. */
export function takeContinuation(deps: Pick<Deps, 'sealer'>, c: Context, now: number): { request: LogoutRequest; done: Done } | undefined {
  const value = getCookie(c, COOKIE)
  if (value === undefined) return undefined
  deleteCookie(c, COOKIE, ATTRIBUTES)
  return open(deps.sealer, 'after', value, now)
}
