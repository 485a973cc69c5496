import type { Context } from 'hono'
import { deleteCookie, getCookie, setCookie } from 'hono/cookie'
import { sha256 } from '../../runtime/compare.ts'
import { newSecret, type Random } from '../../runtime/ids.ts'
import { SESSION_COOKIE } from './interface.ts'

/**
 * The browser's side of a session: 256 random bits in a `__Host-` cookie, of which the store has the hash. Refuses to be read by scripts,
 * sent over plain HTTP, planted by a neighboring host, or sent with another site's form.
 */

const ATTRIBUTES = { path: '/', secure: true, httpOnly: true, sameSite: 'Lax' } as const

export interface NewCookie {
  value: string
  hash: string
}

export function newSessionCookie(random: Random): NewCookie {
  const value = newSecret(random)
  return { value, hash: sha256(value) }
}

/** What the browser sent, where it can be one of ours at all. */
export function readSessionCookie(c: Context): string | undefined {
  const value = getCookie(c, SESSION_COOKIE)
  return value !== undefined && /^[\w-]{43}$/.test(value) ? value : undefined
}

/** How the store knows the browser that asks. */
export function sessionCookieHash(c: Context): string | undefined {
  const value = readSessionCookie(c)
  return value === undefined ? undefined : sha256(value)
}

/** Outlives the browser's window only until `staySignedInUntil`, epoch seconds: the user said "Stay signed in" to Microsoft. */
export function setSessionCookie(c: Context, value: string, options: { staySignedInUntil?: number | undefined } = {}): void {
  const until = options.staySignedInUntil
  setCookie(c, SESSION_COOKIE, value, { ...ATTRIBUTES, ...(until === undefined ? {} : { expires: new Date(until * 1000) }) })
}

export function clearSessionCookie(c: Context): void {
  deleteCookie(c, SESSION_COOKIE, ATTRIBUTES)
}
