import type { Context } from 'hono'
import { deleteCookie, getCookie, setCookie } from 'hono/cookie'
import type { Deps } from '../deps.ts'
import { type Done, signedOutAddress } from '../../pages/signed-out.ts'
import { inLocation } from '../location.ts'
import type { ReasonClass } from '../../protocol/revocation.ts'
import { open, seal } from './sealed.ts'
import type { LogoutRequest } from './request.ts'

/**
 * Where the browser goes when there is nothing left to ask: to the registered address, or to the
 * signed-out page; and to Microsoft's own sign-out and back.
 */

const COOKIE = '__Host-cmb_after_logout'
const ATTRIBUTES = { path: '/', secure: true, httpOnly: true, sameSite: 'Lax' } as const

const addressesOf = (clients: Deps['clients'], clientId: string | undefined): readonly string[] =>
  clients.find(clientId ?? '')?.metadata.postLogoutRedirectUris ?? []
const withState = (address: string): string =>
  `${address}${address.includes('?') ? '&' : '?'}state=`

/**
 * The registered address with the `state` that came, if one came (RP-Initiated Logout 1.0 §3).
 * Undefined where it is not registered any more.
 */
export function returnAddress(
  { clients }: Pick<Deps, 'clients'>,
  request: LogoutRequest,
): string | undefined {
  if (
    request.returnTo === undefined ||
    !addressesOf(clients, request.clientId).includes(request.returnTo)
  )
    return undefined
  if (request.state === undefined) return request.returnTo
  // Appended as text: a parser would rewrite what was registered.
  const [address = '', fragment] = request.returnTo.split('#', 2)
  const joined = `${withState(address)}${encodeURIComponent(request.state)}`
  return fragment === undefined ? joined : `${joined}#${fragment}`
}

/**
 * What travelled through the browser may be a day old: an address that the client has lost
 * meanwhile is left out.
 */
export function asRegistered({ clients }: Pick<Deps, 'clients'>, done: Done): Done {
  const { back, clientId } = done
  if (back === undefined) return done
  const isRegistered = addressesOf(clients, clientId).some(
    (one) => back === one || back.startsWith(withState(one)),
  )
  return isRegistered ? done : { ...done, back: undefined }
}

export function toDone(deps: Pick<Deps, 'sealer'>, c: Context, done: Done, now: number): Response {
  return c.redirect(signedOutAddress(deps.sealer, done, now), 303)
}

/** Ends of a session that the user did not cause and may not expect. */
const UNEXPECTED: ReadonlySet<ReasonClass | undefined> = new Set<ReasonClass>([
  'ended_elsewhere',
  'administrator',
  'account',
])

/**
 * The app that asked cannot say these on its own page: more than this device, a step that is left,
 * devices that stay, another cause.
 */
const mustBeRead = ({ scope, microsoft, elsewhere = 0, why }: Done): boolean =>
  scope === 'everywhere' || microsoft !== undefined || elsewhere > 0 || UNEXPECTED.has(why)

/**
 * The end of a sign-out on our side: straight back to the app, unless the user has something to
 * read first.
 */
export function goOn(
  deps: Pick<Deps, 'sealer' | 'clients'>,
  c: Context,
  request: LogoutRequest,
  done: Done,
  now: number,
): Response {
  const back = returnAddress(deps, request)
  return back === undefined || mustBeRead(done)
    ? toDone(deps, c, { ...done, back }, now)
    : c.redirect(inLocation(back), 303)
}

/**
 * To Microsoft's sign-out, which comes back to one fixed address (it is registered there): the rest
 * waits in a cookie.
 */
export async function goToMicrosoft(
  deps: Pick<Deps, 'sealer' | 'microsoft' | 'log'>,
  c: Context,
  done: Done,
  now: number,
): Promise<Response> {
  const { account } = done
  if (account === undefined) return toDone(deps, c, done, now)
  try {
    const url = await deps.microsoft.logoutUrl({ tid: account.tid, logoutHint: account.loginHint })
    setCookie(c, COOKIE, seal(deps.sealer, 'after', done, now), { ...ATTRIBUTES, maxAge: 1800 })
    // The address of the page before holds a sealed text: Microsoft need not see it.
    c.header('Referrer-Policy', 'no-referrer')
    return c.redirect(url, 303)
  } catch (cause) {
    deps.log.warn('microsoft_logout_unreachable', {
      tid: account.tid,
      cause: cause instanceof Error ? cause.message : String(cause),
    })
    return toDone(deps, c, { ...done, microsoft: 'unreachable' }, now)
  }
}

/**
 * Back from Microsoft. The user has read before they left what was done here, so the app is next.
 */
export function backFromMicrosoft(
  deps: Pick<Deps, 'sealer' | 'clients'>,
  c: Context,
  now: number,
): Response {
  const value = getCookie(c, COOKIE)
  if (value !== undefined) deleteCookie(c, COOKIE, ATTRIBUTES)
  const opened = value === undefined ? undefined : open(deps.sealer, 'after', value, now)
  if (opened === undefined) return c.redirect('/logout/done', 303)
  const done = asRegistered(deps, opened)
  return done.back === undefined
    ? toDone(deps, c, { ...done, microsoft: 'left' }, now)
    : c.redirect(inLocation(done.back), 303)
}
