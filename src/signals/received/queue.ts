import type { Context } from 'hono'
import { FairLimiter } from '../../runtime/concurrency.ts'
import { remoteOf } from '../../runtime/remote-address.ts'
import type { Deps } from '../deps.ts'
import { OAuthError } from '../../protocol/error.ts'

/**
 * Limits the work that senders of signals cause, without a rate limit that could drop the end of a
 * session. A few signals of one kind are processed at a time; sources take turns. A repeat joins
 * the equal signal that still waits. A full queue rejects a signal: its sender gets no
 * acknowledgment and sends it again.
 */

export const AT_ONCE = 8
/**
 * The most waiting signals, in total and, below, of one source, so that no source fills the queue
 * for the others.
 */
export const MOST_WAITING = 1_000
export const MOST_OF_ONE = 250
const RETRY_AFTER_SECONDS = 2

interface Signal {
  /** A key that signals with the same effect share. */
  key: string
  source: string
}

export class SignalQueue {
  readonly #limiter = new FairLimiter(AT_ONCE, AT_ONCE)
  /** Waiting signals by key. */
  readonly #waiting = new Map<string, Promise<unknown>>()

  get size(): number {
    return this.#waiting.size
  }

  /**
   * Adds a signal.
   * @returns the result of `work`, and whether an equal earlier signal does it; undefined if the
   * queue is full
   */
  add<T>(
    { key, source }: Signal,
    work: () => Promise<T>,
  ): { done: Promise<T>; merged: boolean } | undefined {
    // Never merged with a running signal, which may have read the sessions before this one arrived.
    const equal = this.#waiting.get(key)
    if (equal !== undefined) return { done: equal as Promise<T>, merged: true }
    if (this.size >= MOST_WAITING || this.#limiter.waitingOf(source) >= MOST_OF_ONE)
      return undefined
    const { promise: done, resolve } = Promise.withResolvers<T>()
    this.#waiting.set(key, done)
    this.#limiter.enter(source, (end) => {
      this.#waiting.delete(key)
      resolve(work().finally(end))
    })
    return { done, merged: false }
  }
}

type SignalKind = 'front_channel' | 'graph' | 'security_event' | 'upstream_logout'

/**
 * Does `work` for a request when its turn comes.
 * @throws OAuthError 503 with Retry-After if the queue is full
 */
export type InTurn = <T>(c: Context, key: string, work: () => Promise<T>) => Promise<T>

export function inTurn(
  deps: Pick<Deps, 'config' | 'metrics' | 'log' | 'rateLimits'>,
  kind: SignalKind,
): InTurn {
  const queue = new SignalQueue()
  const { signals } = deps.metrics
  for (const outcome of ['merged', 'queue_full']) signals.inc({ kind, outcome }, 0)
  return async (c, key, work) => {
    const address = remoteOf(c, deps.config)
    const added = queue.add({ key, source: address ?? 'unknown' }, work)
    if (added === undefined) {
      signals.inc({ kind, outcome: 'queue_full' })
      if (deps.rateLimits.mayLog({ address }))
        deps.log.warn('signal_queue_full', { kind, from: address, waiting: queue.size })
      throw new OAuthError(
        'temporarily_unavailable',
        `Too many signals are waiting. Send this one again in ${RETRY_AFTER_SECONDS} s.`,
        {
          headers: { 'Retry-After': String(RETRY_AFTER_SECONDS) },
        },
      )
    }
    if (added.merged) signals.inc({ kind, outcome: 'merged' })
    return added.done
  }
}

/**
 * The answer if the issuer's keys cannot be read at the moment: the signal is neither accepted nor
 * rejected, and its sender repeats it.
 */
export function later({ metrics }: Pick<Deps, 'metrics'>, c: Context, kind: SignalKind): Response {
  metrics.signals.inc({ kind, outcome: 'keys_unavailable' })
  return c.body(null, 503, { 'Cache-Control': 'no-store', 'Retry-After': '30' })
}
