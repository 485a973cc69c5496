import type { Context } from 'hono'
import { remoteOf } from '../../runtime/remote-address.ts'
import type { Deps } from '../deps.ts'
import { OAuthError } from '../../protocol/error.ts'

/**
 * Bounds the work that senders of signals cause, without a rate limit that could drop the end of a session. Signals of one kind are processed a few at a
 * time, each source in its turn. A repeat joins the equal signal that still waits. A full queue rejects: the sender has no acknowledgment, and sends again.
 */

export const AT_ONCE = 8
/** Waiting in all, and of one source: no source fills the queue for the others. */
export const MOST_WAITING = 1_000
export const MOST_OF_ONE = 250
const RETRY_AFTER_SECONDS = 2

interface Signal {
  /** Equal for signals that end the same. */
  key: string
  source: string
}

interface Waiting extends Signal {
  done: Promise<unknown>
  start(): void
}

export class SignalQueue {
  #running = 0
  readonly #lines = new Map<string, Waiting[]>()
  readonly #waiting = new Map<string, Waiting>()

  get size(): number {
    return this.#waiting.size
  }

  /** @returns what `work` returns, and whether it is done for an equal signal that came before; undefined where the queue is full */
  add<T>(signal: Signal, work: () => Promise<T>): { done: Promise<T>; merged: boolean } | undefined {
    // Never with one that runs: it may have read the sessions before this signal came.
    const equal = this.#waiting.get(signal.key)
    if (equal !== undefined) return { done: equal.done as Promise<T>, merged: true }
    const line = this.#lines.get(signal.source) ?? []
    if (this.#waiting.size >= MOST_WAITING || line.length >= MOST_OF_ONE) return undefined
    const { promise: done, resolve } = Promise.withResolvers<T>()
    const start = (): void => resolve(this.#run(work))
    const waiting = { ...signal, done, start }
    line.push(waiting)
    this.#lines.set(signal.source, line)
    this.#waiting.set(signal.key, waiting)
    this.#next()
    return { done, merged: false }
  }

  async #run<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work()
    } finally {
      this.#running--
      this.#next()
    }
  }

  #next(): void {
    while (this.#running < AT_ONCE) {
      const [first] = this.#lines
      if (first === undefined) return
      const [source, line] = first
      const next = line.shift()
      // A source that still waits is set again, behind the others.
      this.#lines.delete(source)
      if (line.length > 0) this.#lines.set(source, line)
      if (next === undefined) continue
      this.#waiting.delete(next.key)
      this.#running++
      next.start()
    }
  }
}

type SignalKind = 'front_channel' | 'graph' | 'security_event' | 'upstream_logout'

/** Does `work` for a request in its turn. @throws OAuthError 503 with Retry-After where the queue is full */
export type InTurn = <T>(c: Context, key: string, work: () => Promise<T>) => Promise<T>

export function inTurn(deps: Pick<Deps, 'config' | 'metrics' | 'log' | 'rateLimits'>, kind: SignalKind): InTurn {
  const queue = new SignalQueue()
  const { signals } = deps.metrics
  for (const outcome of ['merged', 'queue_full']) signals.inc({ kind, outcome }, 0)
  return async (c, key, work) => {
    const address = remoteOf(c, deps.config)
    const added = queue.add({ key, source: address ?? 'unknown' }, work)
    if (added === undefined) {
      signals.inc({ kind, outcome: 'queue_full' })
      if (deps.rateLimits.mayLog({ address })) deps.log.warn('signal_queue_full', { kind, from: address, waiting: queue.size })
      throw new OAuthError('temporarily_unavailable', `Too many signals are waiting. Send this one again in ${RETRY_AFTER_SECONDS} s.`, {
        headers: { 'Retry-After': String(RETRY_AFTER_SECONDS) },
      })
    }
    if (added.merged) signals.inc({ kind, outcome: 'merged' })
    return added.done
  }
}
