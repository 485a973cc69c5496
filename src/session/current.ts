import type { Context } from 'hono'
import type { Standing } from '../../db/types.ts'
import type { Deps } from '../deps.ts'
import { sessionCookieHash } from './cookie.ts'

/** Whose browser this is, by its cookie and the store's word alone. A browser without a cookie costs no query. */
export async function currentStanding(deps: Pick<Deps, 'store'>, c: Context, now: number): Promise<Standing> {
  const cookieHash = sessionCookieHash(c)
  return cookieHash === undefined ? { state: 'unknown' } : deps.store.standingByCookie(cookieHash, now)
}
