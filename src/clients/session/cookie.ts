import type { Context } from 'hono'
import { deleteCookie, getCookie, setCookie } from 'hono/cookie'
import { sha256 } from '../../runtime/compare.ts'
import { newSecret, type Random } from '../../runtime/ids.ts'

/**
 * The browser's side of a session: 256 random bits in a `__Host-` cookie, of which the store has
 * the hash. Refuses to be read by scripts, sent over plain HTTP, planted by a neighboring host, or
 * sent with another site's form.
 */

export const SESSION_COOKIE = '__Host-cmb_session'
const ATTRIBUTES = { path: '/', secure: true, httpOnly: true, sameSite: 'Lax' } as const

export function newSessionCookie(random: Random): { value: string; hash: string } {
  const value = newSecret(random)
  return { value, hash: sha256(value) }
}

/**
 * How the store knows the browser that asks. Undefined where what it sent cannot be one of ours.
 */
export function sessionCookieHash(c: Context): string | undefined {
  const value = getCookie(c, SESSION_COOKIE)
  return value !== undefined && /^[\w-]{43}$/.test(value) ? sha256(value) : undefined
}

/**
 * Outlives the browser's window only until `staySignedInUntil`, epoch seconds: the user said "Stay
 * signed in" to Microsoft.
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
