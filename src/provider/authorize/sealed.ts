import type { FreshDemand } from '../../../db/types.ts'
import type { Deps } from '../deps.ts'
import type { MicrosoftIdentity } from '../../microsoft/interface.ts'
import { equalInConstantTime } from '../../runtime/compare.ts'
import type { ContextProof, UserKey } from '../../clients/session/browser.ts'
import { openSealed, sealUntil } from '../../keys/sealed-in-browser.ts'
import type { SignInRequest } from './request.ts'
import type { Visitor } from './visitor.ts'

/**
 * What travels through the browser, because nothing is kept before Microsoft's callback: sealed,
 * each for one place, valid for a while, and where it matters bound to the browser it was made for.
 */

/** What the user signs in for: an instance's request, or a page of the broker. */
export type SignInPurpose = { kind: 'instance'; request: SignInRequest } | OwnPurpose

/** `fresh`: the page shows more to a user who has just entered the password. */
export interface OwnPurpose {
  kind: 'own'
  returnTo: string
  fresh?: true | undefined
  /** A user who is signed in wants to sign in with another account. */
  another?: true | undefined
}

/**
 * What one further visit may be for: Microsoft's own challenge, the tenant's authentication context
 * that proves MFA, a fresh sign-in.
 */
export type Demand = 'challenge' | 'context' | FreshDemand

/** What the visits of one sign-in proved of one user so far. */
export interface Earlier extends UserKey {
  acrs: string[]
  context?: ContextProof | undefined
}

/** One visit to Microsoft: what went there, to be checked against what comes back. */
export interface Visit {
  id: string
  purpose: SignInPurpose
  nonce: string
  verifier: string
  /** When the browser was first sent there. */
  startedAt: number
  /** The request demands a fresh sign-in: Microsoft's `auth_time` has to show it. */
  fresh: boolean
  /**
   * When the browser was last sent there with `prompt=login`, and the head of the log at that
   * moment.
   */
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
export interface CallbackResult {
  visit: Visit
  identity: MicrosoftIdentity
}

interface SealedPayloads {
  /** To be taken up again from any browser, like the address of /authorize itself. */
  again: SignInPurpose
  /** In the link that leads to Microsoft. */
  start: SignInPurpose
  /** In the form that asks for consent, once everything else was checked for that session. */
  consent: { request: SignInRequest; sid: string }
  /**
   * In the form that asks which session ends, where a user has as many as are allowed. It is judged
   * again when the form is sent.
   */
  limit: CallbackResult & { id: string }
  /** As Microsoft's `state`. */
  visit: Visit
}

const SECONDS: Record<keyof SealedPayloads, number> = {
  again: 86_400,
  start: 3600,
  consent: 600,
  limit: 600,
  visit: 600,
}

interface Bound<T> {
  /** SHA-256 of the cookie that names the browser. Left out: any browser may open it. */
  browser?: string | undefined
  value: T
}

export function seal<K extends keyof SealedPayloads>(
  { sealer }: Pick<Deps, 'sealer'>,
  visitor: Visitor,
  place: K,
  value: SealedPayloads[K],
  now: number,
): string {
  const bound: Bound<SealedPayloads[K]> = {
    browser: place === 'again' ? undefined : visitor.hash(),
    value,
  }
  return sealUntil(sealer, `signin/${place}`, bound, now + SECONDS[place])
}

export type Opened<T> =
  | { how: 'good'; value: T; until: number }
  /**
   * Ours, but too old, or of another browser: its content may be shown the way to start again, and
   * nothing more.
   */
  | { how: 'late' | 'elsewhere'; value: T }
  | { how: 'foreign'; value?: undefined }

export function open<K extends keyof SealedPayloads>(
  { sealer }: Pick<Deps, 'sealer'>,
  { sent }: Visitor,
  place: K,
  sealed: string | undefined,
  now: number,
): Opened<SealedPayloads[K]> {
  const opened = openSealed(sealer, `signin/${place}`, sealed)
  if (opened === undefined) return { how: 'foreign' }
  const { until } = opened
  const { browser, value } = opened.value as Bound<SealedPayloads[K]>
  if (
    place !== 'again' &&
    (browser === undefined || sent === undefined || !equalInConstantTime(browser, sent))
  )
    return { how: 'elsewhere', value }
  return until < now ? { how: 'late', value } : { how: 'good', value, until }
}
