import type { Deps } from '../deps.ts'
import { type Done, signedOutAddress } from '../../pages/signed-out.ts'
import type { ReasonClass } from '../../protocol/revocation.ts'
import { open, seal } from './sealed.ts'
import type { LogoutRequest } from './request.ts'

/**
 * Chooses where the browser goes after a sign-out: the registered address, the signed-out page, or
 * Microsoft's own sign-out and back.
 */

const addressesOf = (clients: Deps['clients'], clientId: string | undefined): readonly string[] =>
  clients.find(clientId ?? '')?.metadata.postLogoutRedirectUris ?? []
const withState = (address: string): string =>
  `${address}${address.includes('?') ? '&' : '?'}state=`

/**
 * Returns the registered address with the request's `state` (RP-Initiated Logout 1.0 §3). Undefined
 * if it is no longer registered.
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
  // Appended as text, because a URL parser would normalize the registered address.
  const [address = '', fragment] = request.returnTo.split('#', 2)
  const joined = `${withState(address)}${encodeURIComponent(request.state)}`
  return fragment === undefined ? joined : `${joined}#${fragment}`
}

/** Drops a return address that the client no longer has: a sealed value may be a day old. */
export function asRegistered({ clients }: Pick<Deps, 'clients'>, done: Done): Done {
  const { back, clientId } = done
  if (back === undefined) return done
  const isRegistered = addressesOf(clients, clientId).some(
    (one) => back === one || back.startsWith(withState(one)),
  )
  return isRegistered ? done : { ...done, back: undefined }
}

/** Reasons that the user did not cause and may not expect. */
const UNEXPECTED: ReadonlySet<ReasonClass | undefined> = new Set<ReasonClass>([
  'ended_elsewhere',
  'administrator',
  'account',
])

/**
 * Returns whether the user must read the signed-out page, because the app's own page cannot say
 * this: a sign-out on all devices, a remaining step or session, or another cause.
 */
const mustBeRead = ({ scope, microsoft, elsewhere = 0, why }: Done): boolean =>
  scope === 'everywhere' || microsoft !== undefined || elsewhere > 0 || UNEXPECTED.has(why)

/**
 * Returns the next address after a sign-out: the app, unless the user must read the signed-out page
 * first.
 */
export function goOn(
  deps: Pick<Deps, 'sealer' | 'clients'>,
  request: LogoutRequest,
  done: Done,
  now: number,
): string {
  const back = returnAddress(deps, request)
  return back === undefined || mustBeRead(done)
    ? signedOutAddress(deps.sealer, { ...done, back }, now)
    : back
}

/**
 * Returns the address of Microsoft's sign-out. Microsoft returns to one fixed registered address,
 * so a cookie keeps the rest.
 * @returns the address, and the cookie's value if the address is Microsoft's
 */
export async function goToMicrosoft(
  deps: Pick<Deps, 'sealer' | 'microsoft' | 'log'>,
  done: Done,
  now: number,
): Promise<{ to: string; after?: string }> {
  const { account } = done
  if (account === undefined) return { to: signedOutAddress(deps.sealer, done, now) }
  try {
    const to = await deps.microsoft.logoutUrl({ tid: account.tid, logoutHint: account.loginHint })
    return { to, after: seal(deps.sealer, 'after', done, now) }
  } catch (cause) {
    deps.log.warn('microsoft_logout_unreachable', {
      tid: account.tid,
      cause: cause instanceof Error ? cause.message : String(cause),
    })
    return { to: signedOutAddress(deps.sealer, { ...done, microsoft: 'unreachable' }, now) }
  }
}

/**
 * Returns the next address after Microsoft's sign-out. The user has read the signed-out page
 * before, so it is the app.
 */
export function backFromMicrosoft(
  deps: Pick<Deps, 'sealer' | 'clients'>,
  after: string | undefined,
  now: number,
): string {
  const opened = after === undefined ? undefined : open(deps.sealer, 'after', after, now)
  if (opened === undefined) return '/logout/done'
  const done = asRegistered(deps, opened)
  return done.back ?? signedOutAddress(deps.sealer, { ...done, microsoft: 'left' }, now)
}
