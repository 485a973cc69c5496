import type { Context } from 'hono'
import { deleteCookie, getCookie, setCookie } from 'hono/cookie'
import type { Config } from '../../config/config.ts'

/**
 * A computer that several users share: the user says so at sign-in, or the setting does. The mark is a property of the browser, kept in a cookie
 * until its window closes: it shortens sessions and adds Microsoft's sign-out, and gives no one anything.
 */

const COOKIE = '__Host-cmb_shared'
const LIKE = { path: '/', secure: true, httpOnly: true, sameSite: 'Lax' } as const

type Need = { config: Pick<Config, 'sessionRules'> }

/** Whether this browser is one, as far as it is known. */
export function isSharedComputer({ config }: Need, c: Context): boolean {
  const policy = config.sessionRules.sharedComputer
  return policy === 'always' || (policy === 'offer' && getCookie(c, COOKIE) === 'yes')
}

/** What the next sign-in takes the computer for. `said`: what the user has just chosen. */
export function takenForShared(deps: Need, c: Context, said: string | undefined): boolean {
  if (deps.config.sessionRules.sharedComputer !== 'offer') return isSharedComputer(deps, c)
  return said === 'shared' || (said !== 'own' && isSharedComputer(deps, c))
}

/** Kept once a user has signed in. */
export function keepSharedComputer(c: Context, shared: boolean): void {
  if (shared) setCookie(c, COOKIE, 'yes', LIKE)
  else if (getCookie(c, COOKIE) !== undefined) deleteCookie(c, COOKIE, LIKE)
}
