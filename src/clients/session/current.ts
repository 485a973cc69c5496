import type { Session, Standing } from '../../../db/types.ts'
import type { Deps } from '../deps.ts'
import { type ReasonClass, reasonClass, RAISES_FLOOR } from '../../protocol/revocation.ts'

/**
 * Returns the state of a browser's session from the store, found by the hash of its cookie. A
 * browser without a cookie costs no query.
 */
export async function currentStanding(
  deps: Pick<Deps, 'store'>,
  cookieHash: string | undefined,
  now: number,
): Promise<Standing> {
  return cookieHash === undefined
    ? { state: 'unknown' }
    : deps.store.standingByCookie(cookieHash, now)
}

/**
 * Returns the session while it is live. A session marked by Microsoft's answer is live until its
 * end.
 */
export const liveSession = (standing: Standing): Session | undefined =>
  standing.state === 'live' || standing.state === 'marked' ? standing.session : undefined

/** Returns whether the browser's session was revoked for a reason that requires a fresh sign-in. */
export const endedElsewhere = (standing: Standing): boolean =>
  standing.state === 'ended' &&
  standing.session.ended !== undefined &&
  RAISES_FLOOR[standing.session.ended.reason] !== false

/**
 * Returns why a browser's session ended, as a class of reasons that the user may read. Undefined if
 * it has not ended.
 */
export function endedClass(standing: Standing): ReasonClass | undefined {
  if (standing.state !== 'ended') return undefined
  const { ended, markReason } = standing.session
  const reason = ended?.reason ?? (standing.why === 'marked' ? markReason : undefined)
  return reason === undefined ? 'expired' : reasonClass(reason)
}
