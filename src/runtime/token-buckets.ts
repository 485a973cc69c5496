/**
 * A bucket of tokens for each key: it holds at most `burst`, one is taken for each request, and `perSecond` are put back. At most `mostKeys`
 * buckets are remembered; when there are more, the one that was used longest ago is forgotten.
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
  | { outcome: 'empty'; retryAfterSeconds: number; /** The first time since it last held a token. */ first: boolean }

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
    const fullAtMs = Math.min(Math.max(before?.fullAtMs ?? nowMs, nowMs), nowMs + this.#burst * this.#tokenMs)
    const missing = fullAtMs - nowMs - (this.#burst - 1) * this.#tokenMs
    if (missing > 0) {
      this.#remember(key, { fullAtMs, empty: true })
      return { outcome: 'empty', retryAfterSeconds: Math.max(1, Math.ceil(missing / 1000)), first: before?.empty !== true }
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
