import type { Deps } from '../deps.ts'
import { type Done, openDone, sealDone, signedOutAddress } from '../../pages/signed-out.ts'
import type { ReasonClass } from '../../protocol/revocation.ts'
import type { PageAnswer, PageRequest } from '../page-request.ts'
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

/**
 * Returns what a URL or the browser's cookie says of a sign-out. A sealed value may be a day old, so
 * a return address that the client no longer has is dropped.
 */
export function readDone(
  { sealer, clients }: Pick<Deps, 'sealer' | 'clients'>,
  sealed: string | undefined,
  now: number,
): Done | undefined {
  const done = openDone(sealer, sealed, now)
  if (done?.back === undefined) return done
  const { back, clientId } = done
  const isRegistered = addressesOf(clients, clientId).some(
    (address) => back === address || back.startsWith(withState(address)),
  )
  return isRegistered ? done : { ...done, back: undefined }
}

/** Reasons that need no explanation after a sign-out. */
const EXPECTED: readonly (ReasonClass | undefined)[] = [undefined, 'signed_out', 'expired']

/**
 * Returns whether the user must read the signed-out page, because the app's own page cannot say
 * this: a sign-out on all devices, a remaining step or session, or another cause.
 */
const mustBeRead = ({ scope, microsoft, elsewhere = 0, why }: Done): boolean =>
  scope === 'everywhere' || microsoft !== undefined || elsewhere > 0 || !EXPECTED.includes(why)

/**
 * Goes on after a sign-out: to the app, unless the user must read the signed-out page first. The
 * browser keeps what that page shows, so that an app can link to it.
 */
export function afterSignOut(
  deps: Pick<Deps, 'sealer' | 'clients'>,
  request: LogoutRequest,
  asked: Done,
  now: number,
): PageAnswer {
  const back = returnAddress(deps, request)
  const done = { ...asked, back }
  return {
    to: back === undefined || mustBeRead(done) ? signedOutAddress(deps.sealer, done, now) : back,
    after: sealDone(deps.sealer, done, now),
  }
}

/** Goes to Microsoft's sign-out. Microsoft returns to one fixed address; a cookie keeps the rest. */
export async function goToMicrosoft(
  deps: Pick<Deps, 'sealer' | 'microsoft' | 'log'>,
  done: Done | undefined,
  now: number,
): Promise<PageAnswer> {
  if (done?.account === undefined) return { to: '/logout/done' }
  const { account } = done
  try {
    const to = await deps.microsoft.logoutUrl({ tid: account.tid, logoutHint: account.loginHint })
    return { to, hidesReferrer: true, after: sealDone(deps.sealer, done, now) }
  } catch (cause) {
    deps.log.warn('microsoft_logout_unreachable', {
      tid: account.tid,
      cause: cause instanceof Error ? cause.message : String(cause),
    })
    return { to: signedOutAddress(deps.sealer, { ...done, microsoft: 'unreachable' }, now) }
  }
}

/** Goes on after Microsoft's sign-out: to the page that confirms both sign-outs. */
export function backFromMicrosoft(
  deps: Pick<Deps, 'sealer' | 'clients'>,
  { after, now }: Pick<PageRequest, 'after' | 'now'>,
): PageAnswer {
  const done = readDone(deps, after, now)
  if (done === undefined) return { to: '/logout/done' }
  // The browser keeps that it has left Microsoft too, for an app that links to the page.
  const left: Done = { ...done, microsoft: 'left', account: undefined }
  return { to: signedOutAddress(deps.sealer, left, now), after: sealDone(deps.sealer, left, now) }
}
