import type { DeliveryRef, EarlyCursor } from '../../db/types.ts'
import type { TargetState } from './interface.ts'

/** The lane of one target: its waiting deliveries, its circuit breaker, and its running calls. */

/**
 * The kind of attempt. `early`: before it is due, and a failure does not count as an attempt.
 * `probe`: early, while the target is down, with less time to answer.
 */
export type AttemptKind = 'due' | 'early' | 'probe'

/** A waiting delivery. */
export interface Waiting {
  ref: DeliveryRef
  how: AttemptKind
}

/**
 * The waiting deliveries of one lane: urgent ones first, then by turns one of each wide revocation
 * and one of the deliveries that no user waits for.
 */
class PriorityQueue {
  readonly #ids = new Set<string>()
  /** The lines that are not empty, in the order of their turns. */
  readonly #lines = new Map<string, Waiting[]>()

  get size(): number {
    return this.#ids.size
  }

  has(id: string): boolean {
    return this.#ids.has(id)
  }

  /** Returns the length of the line that this delivery would join. */
  sizeFor(ref: DeliveryRef): number {
    return this.#lines.get(lineOf(ref))?.length ?? 0
  }

  add(waiting: Waiting): void {
    this.#ids.add(waiting.ref.id)
    const name = lineOf(waiting.ref)
    const line = this.#lines.get(name) ?? []
    line.push(waiting)
    this.#lines.set(name, line)
  }

  nextUrgent(): Waiting | undefined {
    return this.#next('urgent')
  }

  nextBulk(): Waiting | undefined {
    const name = [...this.#lines.keys()].find((line) => line !== 'urgent')
    return name === undefined ? undefined : this.#next(name)
  }

  clear(): void {
    this.#ids.clear()
    this.#lines.clear()
  }

  #next(name: string): Waiting | undefined {
    const line = this.#lines.get(name)
    const waiting = line?.shift()
    if (line === undefined || waiting === undefined) return undefined
    this.#ids.delete(waiting.ref.id)
    // Put at the end, so that its next turn comes after all others.
    this.#lines.delete(name)
    if (line.length > 0) this.#lines.set(name, line)
    return waiting
  }
}

const lineOf = ({ priority, seq }: DeliveryRef): string =>
  priority === 'bulk' ? `bulk ${seq ?? ''}` : priority

/**
 * The consecutive failures that open a target's circuit breaker. While it is open, the lane calls
 * one delivery at a time, a few seconds apart, until one succeeds, so that a target gets its
 * deliveries within 5 s of its return. The breaker is pure; its clock is passed in and must be
 * monotonic.
 */

const OPENS_AFTER = 3
/** The time between probes, varied by 10 %. With the duration of a probe it is below 5 s. */
export const PROBE_MS = 2_500
/** The time after the last call from which a new delivery may be the probe of an open breaker. */
const FRESH_MS = 500
/**
 * The longest delay of probes by a target's Retry-After. The deliveries themselves wait for the
 * full time; the target may be back earlier.
 */
const MAX_HOLD_SECONDS = 60

export class Breaker {
  #failures = 0
  #known = false
  #hasSucceeded = false
  #calledMs = Number.NEGATIVE_INFINITY
  #heldUntilMs = Number.NEGATIVE_INFINITY

  get open(): boolean {
    return this.#failures >= OPENS_AFTER
  }

  /**
   * True if the last answer was not a success or there was none yet. The lane then also probes with
   * deliveries that are not yet due.
   */
  get suspect(): boolean {
    return !this.#known || this.#failures > 0
  }

  get failuresInARow(): number {
    return this.#failures
  }

  get state(): TargetState['breaker'] {
    if (this.open) return 'open'
    if (this.#failures > 0) return 'failing'
    return this.#known ? 'closed' : 'unknown'
  }

  mayProbe(nowMs: number, random: number): boolean {
    return nowMs >= this.#heldUntilMs && nowMs - this.#calledMs >= PROBE_MS * (0.9 + 0.2 * random)
  }

  mayTryFresh(nowMs: number): boolean {
    return nowMs >= this.#heldUntilMs && nowMs - this.#calledMs >= FRESH_MS
  }

  called(nowMs: number): void {
    this.#calledMs = nowMs
  }

  /**
   * Records a success. Returns true if everything pending may be attempted at once: the breaker was
   * open, or this is the first success since the start (its earlier state is lost). After one or
   * two failures it returns false, because a single delivery that fails while others succeed keeps
   * its own schedule.
   */
  succeeded(): boolean {
    const recovered = this.open || !this.#hasSucceeded
    this.#hasSucceeded = true
    this.#failures = 0
    this.#known = true
    this.#heldUntilMs = Number.NEGATIVE_INFINITY
    return recovered
  }

  /** Records a failure. Returns true if it opened the breaker. */
  failed(nowMs: number, retryAfterSeconds: number | undefined): boolean {
    this.#known = true
    this.#failures++
    if (retryAfterSeconds !== undefined)
      this.#heldUntilMs = nowMs + Math.min(retryAfterSeconds, MAX_HOLD_SECONDS) * 1000
    return this.#failures === OPENS_AFTER
  }
}

/** The most calls to one target at a time. */
const CONCURRENCY = 8
/**
 * The most of these calls that bulk may use, so that an urgent delivery finds a free one even if
 * the target is slow.
 */
const BULK_CONCURRENCY = 6

/** A failure or rejection, for logs and operators. */
export interface Failing {
  client_id: string
  address: string
  cause: string
}

/**
 * The state of one target in this process: its breaker, its waiting deliveries and its running
 * calls.
 */
export class Lane {
  readonly targetId: string
  readonly breaker = new Breaker()
  readonly waiting = new PriorityQueue()
  readonly running = new Set<string>()
  runningBulk = 0
  /** True if the store may have due deliveries that are not in `waiting`. */
  more = false
  /** True if the store may have deliveries that are not due yet. */
  hasPending = false
  /**
   * Set after the target has recovered: the position up to which deliveries that are not due yet
   * have been attempted once.
   */
  released: EarlyCursor | undefined
  reading = false
  pausedUntilMs = 0
  probes = 0
  /** The last answer, if it was a failure or a rejection. */
  failure: Failing | undefined
  /** The time at which the target last accepted or rejected a delivery. */
  answeredAtMs: number | undefined
  constructor(targetId: string) {
    this.targetId = targetId
  }

  get hasPlace(): boolean {
    return this.running.size < CONCURRENCY
  }

  get mayBeginBulk(): boolean {
    return this.waiting.size > 0 && this.hasPlace && this.runningBulk < BULK_CONCURRENCY
  }

  state(): TargetState {
    return {
      targetId: this.targetId,
      breaker: this.breaker.state,
      failuresInARow: this.breaker.failuresInARow,
      waiting: this.waiting.size,
      running: this.running.size,
      lastFailure: this.failure?.cause,
      answeredAtMs: this.answeredAtMs,
    }
  }
}
