import type { Session, Standing } from '../../../db/types.ts'
import type { Deps } from '../deps.ts'
import { type ReasonClass, reasonClass, RAISES_FLOOR } from '../../protocol/revocation.ts'

/**
 * The session of a browser, by the hash of its cookie and the store's word alone. A browser without
 * a cookie costs no query.
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

/** The session, while it is live. One that Microsoft's word has marked lives on until its end. */
export const liveSession = (standing: Standing): Session | undefined =>
  standing.state === 'live' || standing.state === 'marked' ? standing.session : undefined

/** The session that this browser had was revoked in a way that demands a fresh sign-in. */
export const endedElsewhere = (standing: Standing): boolean =>
  standing.state === 'ended' &&
  standing.session.ended !== undefined &&
  RAISES_FLOOR[standing.session.ended.reason] !== false

/**
 * Why the session of a browser has ended, in the words that its user may read. Undefined where it
 * has not.
 */
export function endedClass(standing: Standing): ReasonClass | undefined {
  if (standing.state !== 'ended') return undefined
  const { ended, markReason } = standing.session
  const reason = ended?.reason ?? (standing.why === 'marked' ? markReason : undefined)
  return reason === undefined ? 'expired' : reasonClass(reason)
}
