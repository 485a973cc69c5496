import type { Context } from 'hono'
import { getCookie, setCookie } from 'hono/cookie'
import { type Browser, readBrowser } from '../../clients/session/browser.ts'
import { sha256 } from '../../runtime/compare.ts'
import { newSecret } from '../../runtime/ids.ts'
import type { Deps } from '../deps.ts'

/** The browser of a sign-in request, read once. The steps below do not get the request itself. */
export interface Visitor extends Browser {
  /** SHA-256 of the browser's cookie. Undefined: the browser sent none. */
  sent: string | undefined
  /** Returns the same hash, and sets a new cookie if the browser sent none. */
  hash(): string
}

const COOKIE = '__Host-cmb_signin'

/**
 * Reads the cookie that names the browser (not the user). It stays for several sign-ins, because
 * two tabs may sign in at once.
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
