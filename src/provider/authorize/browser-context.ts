import type { Context } from 'hono'
import { setCookie } from 'hono/cookie'
import { type Browser, BROWSER_COOKIE, readBrowser } from '../../session/browser.ts'
import { sha256 } from '../../runtime/compare.ts'
import { newSecret } from '../../runtime/ids.ts'
import type { Deps } from '../deps.ts'

/** The browser of a sign-in request, read once. The steps below do not get the request itself. */
export interface BrowserContext extends Browser {
  /** Returns `browserHash`, and sets a new cookie if the browser sent none. */
  hash(): string
}

export function browserContextOf(
  deps: Pick<Deps, 'config' | 'sealer' | 'random'>,
  c: Context,
  now: number,
): BrowserContext {
  const browser = readBrowser(deps, c, now)
  let named = browser.browserHash
  const hash = (): string => {
    if (named !== undefined) return named
    const made = newSecret(deps.random)
    setCookie(c, BROWSER_COOKIE, made, { path: '/', secure: true, httpOnly: true, sameSite: 'Lax' })
    return (named = sha256(made))
  }
  return { ...browser, hash }
}
