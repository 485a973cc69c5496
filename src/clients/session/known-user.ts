import type { Context } from 'hono'
import type { User } from '../../../db/types.ts'
import type { Deps } from '../deps.ts'
import { isSame, usersCookie, type Who } from './users-cookie.ts'

/**
 * Which users have signed in with this browser, the latest first, sealed in a cookie that outlives their sessions. It signs no user in and chooses
 * nothing: by it the broker knows a user's failed sign-in from one that an attacker made up, and a new device from a known one.
 */

const SECONDS = 90 * 86_400

interface Known extends Who {
  until: number
}

const cookie = usersCookie<Known>({ name: '__Host-cmb_known', place: 'session/known_user', seconds: SECONDS })

/** Those whose time has not passed. */
const usersOf = (deps: Pick<Deps, 'sealer'>, c: Context, now: number): Known[] => cookie.read(deps, c).filter(({ until }) => until > now)

export function rememberUser(deps: Pick<Deps, 'sealer'>, c: Context, { tid, oid }: User, now: number): void {
  cookie.put(deps, c, { tid, oid, until: now + SECONDS }, usersOf(deps, c, now))
}

/** The user who signed in last. */
export function knownUser(deps: Pick<Deps, 'sealer'>, c: Context, now: number): Who | undefined {
  const [last] = usersOf(deps, c, now)
  return last && { tid: last.tid, oid: last.oid }
}

/** Whether this user has signed in with this browser in the last 90 days. */
export const isKnownDevice = (deps: Pick<Deps, 'sealer'>, c: Context, user: Who, now: number): boolean =>
  usersOf(deps, c, now).some((one) => isSame(one, user))
