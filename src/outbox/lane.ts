import type { DeliveryRef, EarlyCursor } from '../../db/types.ts'
import type { TargetState } from './interface.ts'

/** The lane of one target: what waits for it, its circuit breaker, and the calls under way. */

/** `early`: before it is due. Its failure is not counted as an attempt. */
export interface Waiting {
  ref: DeliveryRef
  early: boolean
}

/**
 * What waits in one lane: urgent deliveries first, then one of each wide revocation in turn, and
 * one of those that no user waits for.
 */
class PriorityQueue {
  readonly #ids = new Set<string>()
  readonly #urgent = new Line()
  /** Lines of bulk in the order of their turns. */
  readonly #bulk = new Map<string, Line>()

  get size(): number {
    return this.#ids.size
  }

  has(id: string): boolean {
    return this.#ids.has(id)
  }

  /** How many wait in the line that this one would join. */
  sizeFor(ref: DeliveryRef): number {
    return (ref.priority === 'urgent' ? this.#urgent : this.#bulk.get(lineOf(ref)))?.size ?? 0
  }

  add(one: Waiting): void {
    this.#ids.add(one.ref.id)
    if (one.ref.priority === 'urgent') return this.#urgent.add(one)
    const name = lineOf(one.ref)
    let line = this.#bulk.get(name)
    if (line === undefined) this.#bulk.set(name, (line = new Line()))
    return line.add(one)
  }

  nextUrgent(): Waiting | undefined {
    return this.#taken(this.#urgent.next())
  }

  nextBulk(): Waiting | undefined {
    for (const [name, line] of this.#bulk) {
      this.#bulk.delete(name)
      const one = line.next()
      // Its next turn comes after all others.
      if (line.size > 0) this.#bulk.set(name, line)
      if (one !== undefined) return this.#taken(one)
    }
    return undefined
  }

  clear(): void {
    this.#ids.clear()
    this.#urgent.clear()
    this.#bulk.clear()
  }

  #taken(one: Waiting | undefined): Waiting | undefined {
    if (one !== undefined) this.#ids.delete(one.ref.id)
    return one
  }
}

const lineOf = ({ priority, seq }: DeliveryRef): string =>
  priority === 'bulk' ? `bulk ${seq ?? ''}` : priority

/**
 * First come, first served. (An array that is shifted, or a `Map` walked from its front, gets
 * slower with each entry that is taken.)
 */
class Line {
  #line: Waiting[] = []
  #taken = 0

  get size(): number {
    return this.#line.length - this.#taken
  }

  add(one: Waiting): void {
    this.#line.push(one)
  }

  next(): Waiting | undefined {
    const one = this.#line[this.#taken]
    if (one === undefined) return undefined
    this.#taken++
    if (this.#taken * 2 >= this.#line.length) {
      this.#line = this.#line.slice(this.#taken)
      this.#taken = 0
    }
    return one
  }

  clear(): void {
    this.#line = []
    this.#taken = 0
  }
}

/**
 * The circuit breaker of one target: whether it may be called. Pure; its clock is handed in and
 * must be monotonic. Three failures in a row open it: then the lane calls one delivery at a time, a
 * few seconds apart, until one succeeds, so that a target gets its deliveries within 5 s of its
 * return.
 */

const OPENS_AFTER = 3
/** Between probes, less or more a tenth: with the time a probe takes, under 5 s. */
export const PROBE_MS = 2_500
/** While open: a new delivery may be the probe, this long after the last call. */
const FRESH_MS = 500
/**
 * How long a target's own Retry-After delays probes at most. Each delivery honors it in full; the
 * target may be back before.
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
   * Its last answer was not a success, or there was none yet: the lane probes with deliveries that
   * are not yet due.
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
   * True where everything that is pending may be tried at once: the breaker was open, or this is
   * the first success since the start (what was known before is lost). Not after one or two
   * failures: a delivery that fails among others that succeed keeps its own schedule.
   */
  succeeded(): boolean {
    const recovered = this.open || !this.#hasSucceeded
    this.#hasSucceeded = true
    this.#failures = 0
    this.#known = true
    this.#heldUntilMs = Number.NEGATIVE_INFINITY
    return recovered
  }

  /** True where this failure opened it. */
  failed(nowMs: number, retryAfterSeconds: number | undefined): boolean {
    this.#known = true
    this.#failures++
    if (retryAfterSeconds !== undefined)
      this.#heldUntilMs = nowMs + Math.min(retryAfterSeconds, MAX_HOLD_SECONDS) * 1000
    return this.#failures === OPENS_AFTER
  }
}

/** Calls to one target at a time. */
const CONCURRENCY = 8
/** Of these, calls for bulk: an urgent delivery finds a free place, however slow the target is. */
const BULK_CONCURRENCY = 6

/** Of a failure or rejection, for logs and operators. */
export interface Failing {
  client_id: string
  address: string
  cause: string
}

/** What this process knows of one target: its breaker, what waits for it and what is under way. */
export class Lane {
  readonly targetId: string
  readonly breaker = new Breaker()
  readonly waiting = new PriorityQueue()
  readonly running = new Set<string>()
  runningBulk = 0
  /** The store may have deliveries that are due and not in `waiting`. */
  more = false
  /** The store may have deliveries that are not yet due. */
  hasPending = false
  /**
   * The target has answered again: how far the lane is in trying, once, everything that is not yet
   * due.
   */
  released: EarlyCursor | undefined
  reading = false
  pausedUntilMs = 0
  probes = 0
  /** Its last answer, where that was a failure or a rejection. */
  failure: Failing | undefined
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
    }
  }
}
