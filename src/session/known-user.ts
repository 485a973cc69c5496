import type { Context } from 'hono'
import { getCookie, setCookie } from 'hono/cookie'
import type { User } from '../../db/types.ts'
import type { Deps } from '../deps.ts'

/**
 * Which users have signed in with this browser, the latest first, sealed in a cookie that outlives their sessions. It signs nobody in and chooses
 * nothing: it lets the failed sign-in of a user be told from one that a stranger made up, and a user's new device from one that they know.
 */

const COOKIE = '__Host-cmb_known'
const PLACE = 'session/known_user'
const SECONDS = 90 * 86_400
/** Of a browser that many users share, the latest ones. */
const MOST = 8

type Who = Pick<User, 'tid' | 'oid'>
interface Known extends Who {
  until: number
}

const isSame = (a: Who, b: Who): boolean => a.tid === b.tid && a.oid === b.oid

/** Those whose time has not passed. A cookie of an earlier version holds one user. */
function usersOf(deps: Pick<Deps, 'sealer'>, c: Context, now: number): Known[] {
  const sealed = getCookie(c, COOKIE)
  const opened = sealed === undefined ? undefined : deps.sealer.open(PLACE, sealed)
  return opened === undefined ? [] : [JSON.parse(opened.toString('utf8')) as Known | Known[]].flat().filter(({ until }) => until > now)
}

export function rememberUser(deps: Pick<Deps, 'sealer'>, c: Context, { tid, oid }: User, now: number): void {
  const user: Known = { tid, oid, until: now + SECONDS }
  const known = [user, ...usersOf(deps, c, now).filter((one) => !isSame(one, user))].slice(0, MOST)
  setCookie(c, COOKIE, deps.sealer.seal(PLACE, JSON.stringify(known)), { path: '/', secure: true, httpOnly: true, sameSite: 'Lax', maxAge: SECONDS })
}

/** The user who signed in last. */
export function knownUser(deps: Pick<Deps, 'sealer'>, c: Context, now: number): Who | undefined {
  const [last] = usersOf(deps, c, now)
  return last && { tid: last.tid, oid: last.oid }
}

/** Whether this user has signed in with this browser in the last 90 days. */
export const isKnownDevice = (deps: Pick<Deps, 'sealer'>, c: Context, user: Who, now: number): boolean =>
  usersOf(deps, c, now).some((one) => isSame(one, user))
