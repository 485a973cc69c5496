import { createHmac } from 'node:crypto'
import type { Context } from 'hono'
import { getCookie, setCookie } from 'hono/cookie'
import type { Deps } from './deps.ts'
import { newSecret } from '../runtime/ids.ts'
import { equalInConstantTime } from '../runtime/compare.ts'

/**
 * Forms of ours that change something: proof that this browser was shown the page. Two fences, and
 * both must hold: a MAC over a cookie that only this browser has, and where the browser says the
 * request comes from.
 */

/**
 * Names a browser, not a user: random, made when a form is first shown. `__Host-` keeps a
 * neighboring host from planting one.
 */
const BROWSER_COOKIE = '__Host-cmb_browser'
/** The hidden field of every such form. */
export const CSRF_FIELD = 'csrf'

type Need = Pick<Deps, 'sealer' | 'random'>

function mac(key: Parameters<typeof createHmac>[1], browser: string, purpose: string): string {
  // The lengths of both are fixed by the separator: a browser's value holds no newline.
  return createHmac('sha256', key).update(`${browser}\n${purpose}`).digest('base64url')
}

/**
 * The value for the form's hidden field. Sets the browser's cookie where there is none yet.
 * @param purpose what the form is for, with whatever must not be exchanged in it (`logout:<sealed
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

/** The browser's own value: the cookie it sent, or the one that this answer sets. */
function browserOf(c: Context): string | undefined {
  const sent = getCookie(c, BROWSER_COOKIE)
  if (sent !== undefined && /^[\w-]{43}$/.test(sent)) return sent
  return c.get('cmbBrowser') as string | undefined
}

/**
 * Whether a form came from our own page in this very browser.
 * @param own where our pages are: the operators' listener has an origin of its own
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
 * Fetch Metadata and `Origin`, where the browser sends them; a client that is not a browser sends
 * neither and has no cookies to abuse.
 */
function sameOrigin(own: string, c: Context): boolean {
  const site = c.req.header('Sec-Fetch-Site')
  if (site !== undefined && site !== 'same-origin' && site !== 'none') return false
  const origin = c.req.header('Origin')
  return origin === undefined || origin === new URL(own).origin
}
