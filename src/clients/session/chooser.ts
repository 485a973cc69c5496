import type { Context } from 'hono'
import { deleteCookie, getCookie, setCookie } from 'hono/cookie'

/** After an explicit sign-out the next sign-in on that browser asks Microsoft for its account chooser, whatever the instance hints at. */
const COOKIE = '__Host-cmb_choose'
const SECONDS = 600

export function chooseAccountNext(c: Context): void {
  setCookie(c, COOKIE, '1', { path: '/', secure: true, httpOnly: true, sameSite: 'Lax', maxAge: SECONDS })
}

export const mustChooseAccount = (c: Context): boolean => getCookie(c, COOKIE) === '1'

/** The user has chosen. */
export function accountChosen(c: Context): void {
  deleteCookie(c, COOKIE, { path: '/', secure: true })
}
