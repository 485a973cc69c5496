import type { Context } from 'hono'
import { getCookie, setCookie } from 'hono/cookie'
import { type Browser, readBrowser } from '../../clients/session/browser.ts'
import { sha256 } from '../../runtime/compare.ts'
import { newSecret } from '../../runtime/ids.ts'
import type { Deps } from '../deps.ts'

/**
 * The browser that a request of the sign-in comes from, read once by the endpoint: no step below
 * needs the request itself.
 */
export interface Visitor extends Browser {
  /** SHA-256 of the cookie that names the browser. Undefined: the browser sent none. */
  sent: string | undefined
  /** The same. A browser that sent none is named by the answer. */
  hash(): string
}

const COOKIE = '__Host-cmb_signin'

/**
 * The cookie names a browser, not a user. It stays over several sign-ins: two tabs may be at it at
 * once.
 */
export function visitorOf(
  deps: Pick<Deps, 'config' | 'sealer' | 'random'>,
  c: Context,
  now: number,
): Visitor {
  const value = getCookie(c, COOKIE)
  const sent = value !== undefined && /^[\w-]{43}$/.test(value) ? sha256(value) : undefined
  let named = sent
  const hash = (): string => {
    if (named !== undefined) return named
    const made = newSecret(deps.random)
    setCookie(c, COOKIE, made, { path: '/', secure: true, httpOnly: true, sameSite: 'Lax' })
    return (named = sha256(made))
  }
  return { ...readBrowser(deps, c, now), sent, hash }
}
