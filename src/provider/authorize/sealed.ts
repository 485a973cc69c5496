import type { FreshDemand, Identified } from '../../../db/types.ts'
import type { Deps } from '../deps.ts'
import type { MicrosoftIdentity } from '../../microsoft/interface.ts'
import { equalInConstantTime } from '../../runtime/compare.ts'
import type { ContextProof, UserKey } from '../../session/browser.ts'
import { openSealed, sealUntil } from '../../keys/sealed-in-browser.ts'
import type { SignInRequest } from './request.ts'
import type { BrowserContext } from './browser-context.ts'

/**
 * Values sealed into URLs and forms, because the broker stores nothing before Microsoft's callback.
 * Each is valid for one purpose, for a limited time, and mostly in one browser.
 */

/** The purpose of a sign-in: an instance's request, or a page of the broker. */
export type SignInPurpose = { kind: 'instance'; request: SignInRequest } | OwnPurpose

/** Returns the client that the user signs in to. Undefined for a page of the broker. */
export const clientIdOf = (purpose: SignInPurpose): string | undefined =>
  purpose.kind === 'instance' ? purpose.request.clientId : undefined

/** A page of the broker. With `fresh` it needs a recent sign-in. */
export interface OwnPurpose {
  kind: 'own'
  returnTo: string
  fresh?: true | undefined
  /** The user wants to sign in with another account. */
  another?: true | undefined
}

/**
 * The reason for another visit: Microsoft's own challenge, the tenant's MFA authentication context,
 * or a fresh sign-in.
 */
export type Demand = 'challenge' | 'context' | FreshDemand

/** Proof about one user from earlier visits of this sign-in. */
export interface Earlier extends UserKey {
  acrs: string[]
  context?: ContextProof | undefined
}

/** One visit to Microsoft: the values that its callback is checked against. */
export interface UpstreamLogin {
  id: string
  purpose: SignInPurpose
  nonce: string
  verifier: string
  /** Time at which the browser first left for Microsoft. */
  startedAt: number
  /** True if Microsoft's `auth_time` must prove a fresh sign-in. */
  fresh: boolean
  /** Time of the last departure with `prompt=login`, and the head of the log at that time. */
  login?: { at: number; seq: number } | undefined
  tid?: string | undefined
  authContext?: string | undefined
  /** Demands that another visit was made for. Each is made at most once. */
  asked?: readonly Demand[] | undefined
  /** Proof from earlier visits. */
  earlier?: Earlier | undefined
  /** True on a computer that several users share. */
  shared?: true | undefined
}

/** A user whom Microsoft identified in one visit. */
export interface CallbackResult {
  visit: UpstreamLogin
  identity: MicrosoftIdentity
}

/** An administrator's visit to Microsoft's page of consent; afterwards, what Microsoft answered. */
export interface AdminConsent {
  outcome?: 'granted' | 'rejected' | undefined
  tid?: string | undefined
  /** Microsoft's error number. */
  code?: number | undefined
}

interface SealedPayloads {
  /** A purpose to restart, in any browser, like the URL of /authorize. */
  again: SignInPurpose
  /** A purpose in the link that leads to Microsoft. */
  start: SignInPurpose
  /** A checked request in the consent form, for one session. */
  consent: { request: SignInRequest; sid: string }
  /**
   * A sign-in in the form that asks which sessions to end. It is judged again when the form
   * arrives.
   */
  limit: CallbackResult & { id: string; identified: Identified }
  /** A visit in Microsoft's `state`. */
  visit: UpstreamLogin
  adminConsent: AdminConsent
}

const SECONDS: Record<keyof SealedPayloads, number> = {
  again: 86_400,
  start: 3600,
  consent: 600,
  limit: 600,
  visit: 600,
  adminConsent: 3600,
}

interface Bound<T> {
  /** SHA-256 of the browser's cookie. Undefined: any browser may open the value. */
  browser?: string | undefined
  value: T
}

export function seal<K extends keyof SealedPayloads>(
  { sealer }: Pick<Deps, 'sealer'>,
  browser: BrowserContext,
  place: K,
  value: SealedPayloads[K],
  now: number,
): string {
  const bound: Bound<SealedPayloads[K]> = {
    browser: place === 'again' ? undefined : browser.hash(),
    value,
  }
  return sealUntil(sealer, `signin/${place}`, bound, now + SECONDS[place])
}

export type Opened<T> =
  | { how: 'good'; value: T; until: number }
  /** Sealed by the broker, but expired or made for another browser: usable only to start again. */
  | { how: 'late' | 'elsewhere'; value: T }
  | { how: 'foreign'; value?: undefined }

export function open<K extends keyof SealedPayloads>(
  { sealer }: Pick<Deps, 'sealer'>,
  { browserHash: sent }: BrowserContext,
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
