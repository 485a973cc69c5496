import type { Context } from 'hono'
import { getCookie, setCookie } from 'hono/cookie'
import type { FreshDemand } from '../../../db/store.ts'
import type { Deps } from '../deps.ts'
import type { MicrosoftIdentity } from '../../microsoft/interface.ts'
import { equalInConstantTime, sha256 } from '../../runtime/compare.ts'
import { newSecret } from '../../runtime/ids.ts'
import type { ContextProof } from '../../clients/session/fresh-proof.ts'
import type { Who } from '../../clients/session/users-cookie.ts'
import type { SignInRequest } from './request.ts'

/**
 * What travels through the browser, because nothing is kept before Microsoft's callback: sealed, each for one place, valid for a while, and
 * where it matters bound to the browser it was made for.
 */

/** What the user signs in for: an instance's request, or a page of the broker. */
export type Errand = { kind: 'instance'; request: SignInRequest } | OwnErrand

/** `fresh`: the page shows more to a user who has just entered the password. */
export interface OwnErrand {
  kind: 'own'
  returnTo: string
  fresh?: true | undefined
  /** A user who is signed in wants to sign in with another account. */
  another?: true | undefined
}

/** What one further visit may be for: Microsoft's own challenge, the tenant's authentication context that proves MFA, a fresh sign-in. */
export type Demand = 'challenge' | 'context' | FreshDemand

/** What the visits of one sign-in proved of one user so far. */
export interface Earlier extends Who {
  acrs: string[]
  context?: ContextProof | undefined
}

/** One visit to Microsoft: what went there, to be checked against what comes back. */
export interface Visit {
  id: string
  errand: Errand
  nonce: string
  verifier: string
  /** When the browser was first sent there. */
  startedAt: number
  /** The request demands a fresh sign-in: Microsoft's `auth_time` has to show it. */
  fresh: boolean
  /** When the browser was last sent there with `prompt=login`, and the head of the log at that moment. */
  login?: { at: number; seq: number } | undefined
  tid?: string | undefined
  authContext?: string | undefined
  /** What Microsoft was asked for in one further visit each; there is no second for any of them. */
  asked?: readonly Demand[] | undefined
  /** What the visits before this one proved. */
  earlier?: Earlier | undefined
  /** On a computer that several users share. */
  shared?: true | undefined
}

/** A user whom Microsoft has identified, by one visit. */
export interface Came {
  visit: Visit
  identity: MicrosoftIdentity
}

interface Travels {
  /** To be taken up again from any browser, like the address of /authorize itself. */
  again: Errand
  /** In the link that leads to Microsoft. */
  start: Errand
  /** In the form that asks for consent, once everything else was checked for that session. */
  consent: { request: SignInRequest; sid: string }
  /** In the form that asks which session ends, where a user has as many as are allowed. What came back is judged again with it. */
  limit: Came & { id: string }
  /** As Microsoft's `state`. */
  visit: Visit
}

const SECONDS: Record<keyof Travels, number> = { again: 86_400, start: 3600, consent: 600, limit: 600, visit: 600 }
const BOUND: Record<keyof Travels, boolean> = { again: false, start: true, consent: true, limit: true, visit: true }

interface Envelope<T> {
  until: number
  /** SHA-256 of the browser's cookie. */
  browser?: string | undefined
  value: T
}

const COOKIE = '__Host-cmb_signin'
const isOurs = (value: string | undefined): value is string => value !== undefined && /^[\w-]{43}$/.test(value)

/** Names a browser, not a user. It stays over several sign-ins: two tabs may be at it at once. */
function browserOf(c: Context): string | undefined {
  const sent = getCookie(c, COOKIE)
  return isOurs(sent) ? sent : (c.get('signinBrowser') as string | undefined)
}

/** The cookie by which a browser is known again did not come back. */
export const keptNothing = (c: Context): boolean => !isOurs(getCookie(c, COOKIE))

function nameBrowser(deps: Pick<Deps, 'random'>, c: Context): string {
  const known = browserOf(c)
  if (known !== undefined) return known
  const made = newSecret(deps.random)
  c.set('signinBrowser', made)
  setCookie(c, COOKIE, made, { path: '/', secure: true, httpOnly: true, sameSite: 'Lax' })
  return made
}

/** SHA-256 of the cookie that names the browser. */
export const browserHash = (deps: Pick<Deps, 'random'>, c: Context): string => sha256(nameBrowser(deps, c))

export function seal<K extends keyof Travels>(deps: Pick<Deps, 'sealer' | 'random'>, c: Context, place: K, value: Travels[K], now: number): string {
  const envelope: Envelope<Travels[K]> = { until: now + SECONDS[place], browser: BOUND[place] ? browserHash(deps, c) : undefined, value }
  return deps.sealer.seal(`signin/${place}`, JSON.stringify(envelope))
}

export type Opened<T> =
  | { how: 'good'; value: T; until: number }
  /** Ours, but too old, or of another browser: its content may be shown the way to start again, and nothing more. */
  | { how: 'late' | 'elsewhere'; value: T }
  | { how: 'foreign' }

export function open<K extends keyof Travels>(
  deps: Pick<Deps, 'sealer'>,
  c: Context,
  place: K,
  sealed: string | undefined,
  now: number,
): Opened<Travels[K]> {
  const opened = sealed === undefined ? undefined : deps.sealer.open(`signin/${place}`, sealed)
  if (opened === undefined) return { how: 'foreign' }
  const { until, browser, value } = JSON.parse(opened.toString('utf8')) as Envelope<Travels[K]>
  const sent = browserOf(c)
  if (BOUND[place] && (browser === undefined || sent === undefined || !equalInConstantTime(browser, sha256(sent)))) return { how: 'elsewhere', value }
  return until < now ? { how: 'late', value } : { how: 'good', value, until }
}
