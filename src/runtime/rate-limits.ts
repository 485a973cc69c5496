import { isIPv6 } from 'node:net'
import type { Log } from './log.ts'
import type { Metrics } from './metrics.ts'
import type { SteadyClock } from './clock.ts'
import { OAuthError } from '../protocol/error.ts'

/**
 * Limits the requests of a kind for each key. Sign-outs, revocations and guards' reports are never
 * limited.
 */

/**
 * A token bucket for each key: it holds at most `burst` tokens, each request takes one, and
 * `perSecond` are added. At most `mostKeys` buckets are kept; beyond that, the least recently used
 * is dropped.
 */

export interface Rate {
  perSecond: number
  burst: number
}

interface Bucket {
  /** The time at which the bucket is full again. */
  fullAtMs: number
  /** True if the last request was over the limit. */
  empty: boolean
}

type TakeResult =
  | { outcome: 'taken' }
  | {
      outcome: 'empty'
      retryAfterSeconds: number
      /** True for the first request over the limit since the last one within it. */ first: boolean
    }

export class TokenBuckets {
  readonly #buckets = new Map<string, Bucket>()
  readonly #tokenMs: number
  readonly #burst: number
  readonly #mostKeys: number

  constructor({ perSecond, burst }: Rate, mostKeys = 20_000) {
    this.#tokenMs = 1000 / perSecond
    this.#burst = burst
    this.#mostKeys = mostKeys
  }

  get size(): number {
    return this.#buckets.size
  }

  take(key: string, nowMs: number): TakeResult {
    const before = this.#buckets.get(key)
    // If the clock is set back, a client must not be locked out for the difference.
    const fullAtMs = Math.min(
      Math.max(before?.fullAtMs ?? nowMs, nowMs),
      nowMs + this.#burst * this.#tokenMs,
    )
    const missing = fullAtMs - nowMs - (this.#burst - 1) * this.#tokenMs
    if (missing > 0) {
      this.#remember(key, { fullAtMs, empty: true })
      return {
        outcome: 'empty',
        retryAfterSeconds: Math.max(1, Math.ceil(missing / 1000)),
        first: before?.empty !== true,
      }
    }
    this.#remember(key, { fullAtMs: fullAtMs + this.#tokenMs, empty: false })
    return { outcome: 'taken' }
  }

  #remember(key: string, bucket: Bucket): void {
    this.#buckets.delete(key)
    this.#buckets.set(key, bucket)
    if (this.#buckets.size <= this.#mostKeys) return
    const [oldest] = this.#buckets.keys()
    if (oldest !== undefined) this.#buckets.delete(oldest)
  }
}

/** The rates that an operator sets. Undefined switches a limit off. */
export type RateSettings = Record<
  'clientFailures' | 'authorize' | 'pushedRequests' | 'introspect',
  Rate | undefined
>

/** Returns all limits with their rates. */
const ratesOf = (settings: RateSettings) => ({
  ...settings,
  // A sign-in makes one request to each. If many users share an address, both need the same limit
  // as /authorize.
  par: settings.authorize,
  callback: settings.authorize,
  // Proofs of public clients at /token, by address, and those of a user at /userinfo. The broker
  // remembers each for a minute.
  proofs: settings.authorize,
  // Wrong setup tokens, by address. The limit is for an administrator's typing errors; 256 random
  // bits cannot be guessed.
  setupToken: { perSecond: 6 / 60, burst: 10 },
  // CSV lists downloaded by one administrator of a tenant. The audit log keeps an entry of each for
  // years.
  exports: { perSecond: 6 / 60, burst: 20 },
  // Changes by a receiver to its own stream of security events. The audit log keeps an entry of
  // each for years.
  streamChanges: { perSecond: 10 / 60, burst: 200 },
})
type Limit = keyof ReturnType<typeof ratesOf>

export interface RateLimits {
  /**
   * Counts a request.
   * @returns undefined if it is within the limit, otherwise the seconds to wait
   */
  take(limit: Limit, key: Key): { retryAfterSeconds: number } | undefined
  /**
   * Returns whether another line about a rejected request of this key may be logged, so that an
   * attacker cannot flood the log.
   */
  mayLog(key: Key): boolean
}

/**
 * The key of a limit: a registered client and an address, or a user who is signed in. It never
 * contains a value that the sender can choose freely, such as an unknown client_id.
 */
interface Key {
  clientId?: string | undefined
  address?: string | undefined
  sub?: string | undefined
}

export function createRateLimits(
  { log, metrics, clock }: { log: Log; metrics: Metrics; clock: Pick<SteadyClock, 'steadyMs'> },
  settings: RateSettings,
): RateLimits {
  const buckets = new Map<Limit, TokenBuckets>()
  for (const [limit, rate] of Object.entries(ratesOf(settings)) as [Limit, Rate | undefined][]) {
    if (rate !== undefined) buckets.set(limit, new TokenBuckets(rate))
    metrics.rateLimited.inc({ limit }, 0)
  }
  const lines = new TokenBuckets(LOG_LINES)
  return {
    mayLog: (key) => lines.take(text(key), clock.steadyMs()).outcome === 'taken',
    take(limit, key) {
      const { clientId, address, sub } = key
      const taken = buckets.get(limit)?.take(text(key), clock.steadyMs())
      if (taken?.outcome !== 'empty') return undefined
      metrics.rateLimited.inc({ limit })
      // Logged once for each key and burst, however many requests follow.
      if (taken.first)
        log.warn('rate_limited', {
          limit,
          client_id: clientId,
          sub,
          from: address,
          retryAfterSeconds: taken.retryAfterSeconds,
        })
      return { retryAfterSeconds: taken.retryAfterSeconds }
    },
  }
}

/** The log lines about one client and address: the first of a burst, then a few a minute. */
const LOG_LINES: Rate = { perSecond: 10 / 60, burst: 20 }

const text = ({ clientId, address, sub }: Key): string =>
  JSON.stringify([clientId, address === undefined ? undefined : networkOf(address), sub])

/**
 * Returns the network of an address. One subscriber of an IPv6 network has a /64, so its addresses
 * count as one.
 */
export function networkOf(address: string): string {
  if (!isIPv6(address)) return address
  const [head = '', tail] = address.split('%')[0]?.split('::') ?? []
  const left = head === '' ? [] : head.split(':')
  if (tail === undefined) return left.slice(0, 4).join(':')
  const right = tail === '' ? [] : tail.split(':')
  const all = [
    ...left,
    ...Array.from({ length: Math.max(0, 8 - left.length - right.length) }, () => '0'),
    ...right,
  ]
  return all.slice(0, 4).join(':')
}

/**
 * Counts a request (RFC 6585 §4).
 * @throws OAuthError 429 with Retry-After above the limit
 */
export function mustBeWithin(limits: RateLimits, limit: Limit, key: Key): void {
  const exceeded = limits.take(limit, key)
  if (exceeded !== undefined) throw tooMany(exceeded)
}

export const tooMany = ({ retryAfterSeconds }: { retryAfterSeconds: number }): OAuthError =>
  new OAuthError(
    'temporarily_unavailable',
    `Too many requests. Try again in ${retryAfterSeconds} s.`,
    {
      status: 429,
      headers: { 'Retry-After': String(retryAfterSeconds) },
    },
  )
