import { createHmac } from 'node:crypto'
import type { Context } from 'hono'
import { getCookie, setCookie } from 'hono/cookie'
import type { Deps } from './deps.ts'
import { newSecret } from '../runtime/ids.ts'
import { equalInConstantTime } from '../runtime/compare.ts'

/**
 * Protects the broker's forms against forged requests. It requires both a MAC over a cookie that
 * only this browser has, and a matching origin in the request's headers.
 */

/**
 * The cookie that identifies a browser, not a user. Its value is random, created when a form is
 * first shown. The prefix `__Host-` keeps a neighboring host from setting it.
 */
const BROWSER_COOKIE = '__Host-cmb_browser'
/** The name of the hidden field in every protected form. */
export const CSRF_FIELD = 'csrf'

type Need = Pick<Deps, 'sealer' | 'random'>

function mac(key: Parameters<typeof createHmac>[1], browser: string, purpose: string): string {
  // The separator is unambiguous, because a browser's value contains no newline.
  return createHmac('sha256', key).update(`${browser}\n${purpose}`).digest('base64url')
}

/**
 * Returns the value for the form's hidden field, and sets the browser's cookie if it has none.
 * @param purpose the form's purpose, with every value that must not be replaced (`logout:<sealed
 * request>`)
 */
export function csrfToken(deps: Need, c: Context, purpose: string): string {
  let browser = browserOf(c)
  if (browser === undefined) {
    browser = newSecret(deps.random)
    c.set('cmbBrowser', browser)
    setCookie(c, BROWSER_COOKIE, browser, {
      path: '/',
      secure: true,
      httpOnly: true,
      sameSite: 'Lax',
    })
  }
  const [current] = deps.sealer.macKeys('csrf')
  if (current === undefined) throw new Error('There is no MAC key for csrf.')
  return mac(current.key, browser, purpose)
}

/** Returns the value of the browser's cookie: the one it sent, or the one that this answer sets. */
function browserOf(c: Context): string | undefined {
  const sent = getCookie(c, BROWSER_COOKIE)
  if (sent !== undefined && /^[\w-]{43}$/.test(sent)) return sent
  return c.get('cmbBrowser') as string | undefined
}

/**
 * Returns whether the request comes from the broker's own page in the same browser.
 * @param own the origin of the page; the operators' listener has its own
 */
export function csrfHolds(
  deps: Need & Pick<Deps, 'config'>,
  c: Context,
  purpose: string,
  presented: string | undefined,
  own: string = deps.config.issuer,
): boolean {
  if (!sameOrigin(own, c)) return false
  const browser = browserOf(c)
  if (browser === undefined || presented === undefined) return false
  return deps.sealer
    .macKeys('csrf')
    .some(({ key }) => equalInConstantTime(mac(key, browser, purpose), presented))
}

/**
 * Checks Fetch Metadata and `Origin`, if the browser sends them. A client that is not a browser
 * sends neither, and has no cookies to abuse.
 */
function sameOrigin(own: string, c: Context): boolean {
  const site = c.req.header('Sec-Fetch-Site')
  if (site !== undefined && site !== 'same-origin' && site !== 'none') return false
  const origin = c.req.header('Origin')
  return origin === undefined || origin === new URL(own).origin
}
