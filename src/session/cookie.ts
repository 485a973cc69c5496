import type { Context } from 'hono'
import { deleteCookie, getCookie, setCookie } from 'hono/cookie'
import { sha256 } from '../runtime/compare.ts'
import { newSecret, type Random } from '../runtime/ids.ts'

/**
 * The session cookie: 256 random bits in a `__Host-` cookie; the store has only their hash. Its
 * attributes keep scripts from reading it, plain HTTP from carrying it, neighboring hosts from
 * setting it, and forms of other sites from sending it.
 */

export const SESSION_COOKIE = '__Host-cmb_session'
const ATTRIBUTES = { path: '/', secure: true, httpOnly: true, sameSite: 'Lax' } as const

export function newSessionCookie(random: Random): { value: string; hash: string } {
  const value = newSecret(random)
  return { value, hash: sha256(value) }
}

/**
 * Returns the hash by which the store finds the session, or undefined if the request has no cookie
 * of the right form.
 */
export const sessionCookieHash = (c: Context): string | undefined => cookieHash(c, SESSION_COOKIE)

/** Returns the hash of a cookie of 256 random bits. Undefined if the request has none. */
export function cookieHash(c: Context, name: string): string | undefined {
  const value = getCookie(c, name)
  return value !== undefined && /^[\w-]{43}$/.test(value) ? sha256(value) : undefined
}

/**
 * Sets the session cookie. It ends with the browser unless the user chose "Stay signed in" at
 * Microsoft; then it expires at `staySignedInUntil` (epoch seconds).
 */
export function setSessionCookie(
  c: Context,
  value: string,
  options: { staySignedInUntil?: number | undefined } = {},
): void {
  const until = options.staySignedInUntil
  setCookie(c, SESSION_COOKIE, value, {
    ...ATTRIBUTES,
    ...(until === undefined ? {} : { expires: new Date(until * 1000) }),
  })
}

export function clearSessionCookie(c: Context): void {
  deleteCookie(c, SESSION_COOKIE, ATTRIBUTES)
}
