import type { Clock } from './clock.ts'

/**
 * The lease: until when a guard may accept tokens without asking. It begins when the broker last
 * knew the log, and is counted by two clocks that need not show the same time (docs/feed.md, "The
 * lease").
 */

/** The treatment of valid tokens without a lease: reject them, or ask the broker about each. */
export type WithoutLease = 'reject' | 'introspect'

/** A reading of the broker's clock: it showed `brokerMs` between two times of this machine. */
export interface Anchor {
  /** The name of the clock of one process of the broker. */
  clock: string
  brokerMs: number
  /** The times at which the request was sent and its answer received. */
  sentMs: number
  receivedMs: number
}

export interface Grant {
  clock: string
  /** The time at which the broker last knew the log, by that clock. */
  knownMs: number
  seconds: number
}

/** The most that both clocks together may gain or lose, as a share of the time. */
const DRIFT = 0.001
/** The share of the lease lost to drift at which a new anchor is due. */
const LOST = 0.02
/** The step of the two clocks together, each of which may go in steps of 10 ms. */
const STEPS_MS = 20
/** The shortest time between two anchors whose rates are compared. Less time says too little. */
const RATE_MS = 60_000
const DEFAULT_MS = 30_000

export class Lease {
  /** The difference in speed of the clocks in ppm, if it is more than a lease allows for. */
  driftPpm: number | undefined
  readonly #clock: Clock
  readonly #problem: (error: Error) => void
  /** At most two anchors, both of the same clock. */
  #anchors: Anchor[] = []
  #rateFrom: Anchor | undefined
  #lengthMs: number | undefined
  #untilMs = -Infinity
  #wasHeld = false
  #ranOut = 0
  /** The latest reading of the clock. */
  #readMs = -Infinity

  constructor(clock: Clock, problem: (error: Error) => void) {
    this.#clock = clock
    this.#problem = problem
  }

  /** The milliseconds that are left. 0 without a lease. */
  get leftMs(): number {
    const nowMs = this.#noteEnd()
    return Math.max(0, this.#untilMs - nowMs)
  }

  get held(): boolean {
    return this.leftMs > 0
  }

  /** The number of times that the lease ran out. */
  get ranOut(): number {
    this.#noteEnd()
    return this.#ranOut
  }

  /**
   * The length of the lease that the client is registered with, or the default until it is known.
   */
  get lengthMs(): number {
    return this.#lengthMs ?? DEFAULT_MS
  }

  /**
   * Adds an anchor. Each of two anchors of the same clock is safe, and the one that gives the
   * longer lease counts.
   */
  anchor(anchor: Anchor): void {
    this.#noteEnd()
    // The clock went back meanwhile.
    if (anchor.sentMs > anchor.receivedMs) return
    if (this.#anchors.some(({ clock }) => clock !== anchor.clock)) {
      this.#anchors = []
      this.#rateFrom = undefined
    }
    this.#compareRate(anchor)
    const allows = (candidate: Anchor): number => until(candidate, anchor.brokerMs, 0)
    const [best] = this.#anchors.toSorted((a, b) => allows(b) - allows(a))
    this.#anchors = best === undefined ? [anchor] : [best, anchor]
  }

  /** Extends the lease. Returns whether a new anchor is due. */
  grant({ clock, knownMs, seconds }: Grant): boolean {
    const lengthMs = seconds * 1000
    this.#noteEnd()
    // A shorter length has effect at once.
    if (lengthMs < this.lengthMs) this.#untilMs = -Infinity
    this.#lengthMs = lengthMs
    if (this.driftPpm !== undefined) return true
    const anchors = this.#anchors.filter((anchor) => anchor.clock === clock)
    for (const anchor of anchors)
      this.#untilMs = Math.max(this.#untilMs, until(anchor, knownMs, lengthMs))
    this.#wasHeld = this.held
    const since = ({ brokerMs }: Anchor): number => Math.abs(knownMs - brokerMs)
    return !this.#wasHeld || !anchors.some((anchor) => since(anchor) * DRIFT <= lengthMs * LOST)
  }

  /**
   * Counts a lease that has run out, and ends one whose clock went back: no lease has more than its
   * length left. Returns the time.
   */
  #noteEnd(): number {
    const nowMs = this.#clock.elapsedMs()
    const wentBack = nowMs < this.#readMs || this.#untilMs - nowMs > this.lengthMs
    this.#readMs = nowMs
    if (wentBack) {
      // The anchors are times of the clock as it was before.
      this.#anchors = []
      this.#rateFrom = undefined
      this.#untilMs = -Infinity
    }
    if (this.#wasHeld && nowMs >= this.#untilMs) {
      this.#wasHeld = false
      this.#ranOut++
    }
    return nowMs
  }

  /** Ends the lease, because another log begins and nothing of it is known. */
  end(): void {
    this.#untilMs = -Infinity
    this.#wasHeld = false
  }

  #compareRate(anchor: Anchor): void {
    const from = (this.#rateFrom ??= anchor)
    const brokerMs = anchor.brokerMs - from.brokerMs
    if (brokerMs < RATE_MS) return
    this.#rateFrom = anchor
    const slow = anchor.receivedMs - from.sentMs + STEPS_MS - brokerMs * (1 - DRIFT)
    const fast = anchor.sentMs - from.receivedMs - STEPS_MS - brokerMs * (1 + DRIFT)
    const partsBy = slow < 0 ? slow / brokerMs - DRIFT : fast > 0 ? fast / brokerMs + DRIFT : 0
    this.driftPpm = partsBy === 0 ? undefined : Math.round(partsBy * 1e6)
    if (this.driftPpm === undefined) return
    this.#anchors = []
    this.end()
    this.#problem(
      new Error(
        `The clocks of this machine and of the broker differ in speed by ${Math.abs(this.driftPpm)} ppm. A lease allows for 1000, so the guard holds none. Let no time service slew a clock by more than 500 ppm (chrony: maxslewrate 500).`,
      ),
    )
  }
}

/**
 * Returns the end of the lease by this machine's clock. With the drift taken off it is never later
 * than `knownMs` plus the length by the broker's clock.
 */
const until = ({ sentMs, brokerMs }: Anchor, knownMs: number, lengthMs: number): number => {
  const since = knownMs - brokerMs
  return sentMs + since + lengthMs - DRIFT * (Math.abs(since) + lengthMs) - STEPS_MS
}
