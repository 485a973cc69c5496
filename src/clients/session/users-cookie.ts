import type { Context } from 'hono'
import { getCookie, setCookie } from 'hono/cookie'
import type { User } from '../../../db/types.ts'
import type { Deps } from '../deps.ts'

/** What one browser keeps of the users who signed in with it, sealed in a cookie that outlives their sessions. */

export type Who = Pick<User, 'tid' | 'oid'>

/** Of a browser that many users share, the latest ones. */
const MOST_USERS = 8

export const isSame = (a: Who, b: Who): boolean => a.tid === b.tid && a.oid === b.oid

/** @param place where the sealed value belongs: a value of another cookie does not open here */
export function usersCookie<T extends Who>({ name, place, seconds }: { name: string; place: string; seconds: number }) {
  /** The latest user first. */
  const read = (deps: Pick<Deps, 'sealer'>, c: Context): T[] => {
    const sealed = getCookie(c, name)
    const opened = sealed === undefined ? undefined : deps.sealer.open(place, sealed)
    return opened === undefined ? [] : (JSON.parse(opened.toString('utf8')) as T[])
  }
  /** Puts `user` first, in place of what was kept of the same user. */
  const put = (deps: Pick<Deps, 'sealer'>, c: Context, user: T, others: readonly T[]): void => {
    const users = [user, ...others.filter((one) => !isSame(one, user))].slice(0, MOST_USERS)
    const sealed = deps.sealer.seal(place, JSON.stringify(users))
    setCookie(c, name, sealed, { path: '/', secure: true, httpOnly: true, sameSite: 'Lax', maxAge: seconds })
  }
  return { read, put }
}
