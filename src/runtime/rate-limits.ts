import { isIPv6 } from 'node:net'
import type { Log } from './log.ts'
import type { Metrics } from './metrics.ts'
import type { SteadyClock } from './clock.ts'
import { OAuthError } from '../protocol/error.ts'

/**
 * How many requests of a kind each key may make. It never limits a sign-out, a revocation or a
 * guard's report.
 */

/**
 * A bucket of tokens for each key: it holds at most `burst`, one is taken for each request, and
 * `perSecond` are put back. At most `mostKeys` buckets are remembered; when there are more, the one
 * that was used longest ago is forgotten.
 */

export interface Rate {
  perSecond: number
  burst: number
}

interface Bucket {
  /** When the bucket is full again. */
  fullAtMs: number
  /** The last request found it empty. */
  empty: boolean
}

type Taken =
  | { outcome: 'taken' }
  | {
      outcome: 'empty'
      retryAfterSeconds: number
      /** The first time since it last held a token. */ first: boolean
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

  take(key: string, nowMs: number): Taken {
    const before = this.#buckets.get(key)
    // A clock that was set back must not lock a client out for as long as the step.
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

/** The rates that an operator sets; undefined switches a limit off. */
export type RateSettings = Record<
  'clientFailures' | 'authorize' | 'pushedRequests' | 'introspect',
  Rate | undefined
>

/** The limits, each with its rate. */
const ratesOf = (settings: RateSettings) => ({
  ...settings,
  // A sign-in is one request of each: where many users share an address, both need the room that
  // /authorize needs.
  par: settings.authorize,
  callback: settings.authorize,
  // Wrong setup tokens, by address: an administrator mistypes a few times, and 256 random bits are
  // not guessed.
  setupToken: { perSecond: 6 / 60, burst: 10 },
  // CSV lists of one administrator of a tenant. The audit log keeps an entry of each for years.
  exports: { perSecond: 6 / 60, burst: 20 },
  // Changes of a receiver's own stream of security events. The audit log keeps an entry of each for
  // years.
  streamChanges: { perSecond: 10 / 60, burst: 200 },
})
type Limit = keyof ReturnType<typeof ratesOf>

export interface RateLimits {
  /** @returns undefined where the request is within the limit, else when to try again */
  take(limit: Limit, key: Key): { retryAfterSeconds: number } | undefined
  /**
   * Whether another line about a rejected request of this key goes to the log: strangers do not
   * decide how much is written.
   */
  mayLog(key: Key): boolean
}

/**
 * A registered client and an address, or a user who is signed in. What a stranger may choose freely
 * (an unknown client_id) is never part of it.
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
      // One line for each key and burst, however many requests follow.
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

/** Lines about one client and address: the first of a burst, then a few a minute. */
const LOG_LINES: Rate = { perSecond: 10 / 60, burst: 20 }

const text = ({ clientId, address, sub }: Key): string =>
  JSON.stringify([clientId, address === undefined ? undefined : network(address), sub])

/** One subscriber of an IPv6 network holds a /64: its addresses count as one. */
function network(address: string): string {
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

/** RFC 6585 §4. @throws OAuthError 429 with Retry-After */
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
