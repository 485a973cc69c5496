import type { Context } from 'hono'
import { getCookie, setCookie } from 'hono/cookie'
import { equalInConstantTime, sha256 } from '../../runtime/compare.ts'

/** The cookie that binds a visit to Microsoft to the browser that made it. */

const COOKIE = '__Host-cmb_setup_visit'
const SECONDS = 900

/** Sets the cookie. @returns its hash, for the sealed `state` */
export function bindBrowser(c: Context, secret: string): string {
  setCookie(c, COOKIE, secret, {
    path: '/',
    secure: true,
    httpOnly: true,
    sameSite: 'Lax',
    maxAge: SECONDS,
  })
  return sha256(secret)
}

export function isBoundBrowser(c: Context, hash: string): boolean {
  const sent = getCookie(c, COOKIE)
  return sent !== undefined && equalInConstantTime(sha256(sent), hash)
}
