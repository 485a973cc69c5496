import type { Deps } from '../deps.ts'
import { type Done, signedOutAddress } from '../../pages/signed-out.ts'
import type { ReasonClass } from '../../protocol/revocation.ts'
import { open, seal } from './sealed.ts'
import type { LogoutRequest } from './request.ts'

/**
 * Where the browser goes when there is nothing left to ask: to the registered address, or to the
 * signed-out page; and to Microsoft's own sign-out and back.
 */

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
 * To Microsoft's sign-out, which comes back to one fixed address (it is registered there): the rest
 * waits in a cookie.
 * @returns the address, and the cookie's value where the address is Microsoft's
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
 * Back from Microsoft. The user has read before they left what was done here, so the app is next.
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
