import type { Context } from 'hono'
import { getCookie, setCookie } from 'hono/cookie'
import type { User } from '../../db/types.ts'
import type { Deps } from '../deps.ts'

/**
 * Who last signed in with this browser, sealed in a cookie that outlives the session. It signs nobody in and chooses nothing: it only lets the
 * failed sign-in of a user be told from one that a stranger made up.
 */

const COOKIE = '__Host-cmb_known'
const PLACE = 'session/known_user'
const SECONDS = 90 * 86_400

interface Known extends Pick<User, 'tid' | 'oid'> {
  until: number
}

export function rememberUser(deps: Pick<Deps, 'sealer'>, c: Context, { tid, oid }: User, now: number): void {
  const known: Known = { tid, oid, until: now + SECONDS }
  setCookie(c, COOKIE, deps.sealer.seal(PLACE, JSON.stringify(known)), { path: '/', secure: true, httpOnly: true, sameSite: 'Lax', maxAge: SECONDS })
}

export function knownUser(deps: Pick<Deps, 'sealer'>, c: Context, now: number): Pick<User, 'tid' | 'oid'> | undefined {
  const sealed = getCookie(c, COOKIE)
  const opened = sealed === undefined ? undefined : deps.sealer.open(PLACE, sealed)
  const known = opened === undefined ? undefined : (JSON.parse(opened.toString('utf8')) as Known)
  return known === undefined || known.until <= now ? undefined : { tid: known.tid, oid: known.oid }
}
