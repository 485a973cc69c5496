import type { Context } from 'hono'
import { getCookie, setCookie } from 'hono/cookie'
import { equalInConstantTime, sha256 } from '../../runtime/compare.ts'
import type { Deps } from '../deps.ts'

/**
 * A visit of a tenant's administrator to Microsoft, begun at the tenant's page. It opens no session
 * and grants no right. It is bound to the browser that left, and used once.
 */

/**
 * `consent`: an administrator consents for every user of the tenant. `confirm`: an administrator
 * signs in to confirm that consent. `assert`: an administrator signs in again to assert the proof of
 * MFA.
 */
export const STEPS = ['consent', 'confirm', 'assert'] as const

export interface AdministratorLogin {
  /** The sealed invitation in the link to the tenant's page. */
  invitation: string
  tid: string
  step: (typeof STEPS)[number]
  /** The proof of MFA that was to be asserted when the browser left. */
  proof: string | undefined
  nonce: string
  verifier: string
  /** The hash of the browser's cookie. */
  browser: string
  departedAt: number
}

/** A request to the tenant's page, or to an address that belongs to it. */
export interface Visiting {
  deps: Deps
  c: Context
  proves: ProvesMfa
  now: number
}

/** Returns whether an identity proves MFA by that policy, as the sign-in itself judges. */
export type ProvesMfa = (
  proof: string,
  identity: { acrs: string[]; amr: string[] | undefined },
) => boolean

const COOKIE = '__Host-cmb_setup_visit'
const SECONDS = 900

/** Sets the cookie of the browser that leaves. @returns its hash, for the sealed `state` */
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

export function isBoundBrowser(c: Context, { browser }: AdministratorLogin): boolean {
  const sent = getCookie(c, COOKIE)
  return sent !== undefined && equalInConstantTime(sha256(sent), browser)
}
