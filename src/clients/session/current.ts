import type { Context } from 'hono'
import type { Standing } from '../../../db/types.ts'
import type { Deps } from '../deps.ts'
import { RAISES_FLOOR } from '../../protocol/revocation.ts'
import { sessionCookieHash } from './cookie.ts'

/** Whose browser this is, by its cookie and the store's word alone. A browser without a cookie costs no query. */
export async function currentStanding(deps: Pick<Deps, 'store'>, c: Context, now: number): Promise<Standing> {
  const cookieHash = sessionCookieHash(c)
  return cookieHash === undefined ? { state: 'unknown' } : deps.store.standingByCookie(cookieHash, now)
}

/** The session that this browser had was revoked in a way that demands a fresh sign-in. */
export const endedElsewhere = (standing: Standing): boolean =>
  standing.state === 'ended' && standing.session.ended !== undefined && RAISES_FLOOR[standing.session.ended.reason] !== false
