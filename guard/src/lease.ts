import type { Clock } from './clock.ts'

/**
 * The lease: until when a guard may accept tokens without asking. It counts from when the broker
 * last knew the log, by two clocks that need not show the same time (docs/feed.md, "The lease").
 */

/** What becomes of valid tokens without a lease: rejected, or the broker is asked about each. */
export type WithoutLease = 'reject' | 'introspect'

/** The broker's clock showed `brokerMs` between two times of this machine's. */
export interface Anchor {
  /** The name of the clock of one process of the broker. */
  clock: string
  brokerMs: number
  /** When the request was sent, and its answer received. */
  sentMs: number
  receivedMs: number
}

export interface Grant {
  clock: string
  /** By that clock, when the broker last knew the log. */
  knownMs: number
  seconds: number
}

/** What both clocks together may gain or lose. */
const DRIFT = 0.001
/** A new anchor is due once so much of the lease is lost to drift. */
const LOST = 0.02
/** Both clocks may go in steps of 10 ms. */
const STEPS_MS = 20
/** Over less time two anchors say too little of the rate. */
const RATE_MS = 60_000
const DEFAULT_MS = 30_000

export class Lease {
  /** By how much the clocks part, in ppm, where it is more than a lease allows for. */
  driftPpm: number | undefined
  readonly #clock: Clock
  readonly #problem: (error: Error) => void
  /** Two at most, of one clock. */
  #anchors: Anchor[] = []
  #rateFrom: Anchor | undefined
  #lengthMs: number | undefined
  #untilMs = -Infinity
  #wasHeld = false
  #ranOut = 0

  constructor(clock: Clock, problem: (error: Error) => void) {
    this.#clock = clock
    this.#problem = problem
  }

  /** Milliseconds; 0 where there is none. */
  get leftMs(): number {
    return Math.max(0, this.#untilMs - this.#noteEnd())
  }

  get held(): boolean {
    return this.leftMs > 0
  }

  /** How often it ran out. */
  get ranOut(): number {
    this.#noteEnd()
    return this.#ranOut
  }

  /** The length that the client is registered with, as far as it is known. */
  get lengthMs(): number {
    return this.#lengthMs ?? DEFAULT_MS
  }

  /** Of two anchors of one clock each is safe, and the one that allows more counts. */
  anchor(anchor: Anchor): void {
    if (this.#anchors.some(({ clock }) => clock !== anchor.clock)) {
      this.#anchors = []
      this.#rateFrom = undefined
    }
    this.#compareRate(anchor)
    const allows = (one: Anchor): number => until(one, anchor.brokerMs, 0)
    const [best] = this.#anchors.toSorted((a, b) => allows(b) - allows(a))
    this.#anchors = best === undefined ? [anchor] : [best, anchor]
  }

  /** @returns whether a new anchor is due */
  grant({ clock, knownMs, seconds }: Grant): boolean {
    const lengthMs = seconds * 1000
    this.#noteEnd()
    // A shorter length counts at once.
    if (lengthMs < this.lengthMs) this.#untilMs = -Infinity
    this.#lengthMs = lengthMs
    if (this.driftPpm !== undefined) return true
    const anchors = this.#anchors.filter((one) => one.clock === clock)
    for (const one of anchors)
      this.#untilMs = Math.max(this.#untilMs, until(one, knownMs, lengthMs))
    this.#wasHeld = this.held
    const since = ({ brokerMs }: Anchor): number => Math.abs(knownMs - brokerMs)
    return !this.#wasHeld || !anchors.some((one) => since(one) * DRIFT <= lengthMs * LOST)
  }

  /** @returns the time */
  #noteEnd(): number {
    const nowMs = this.#clock.elapsedMs()
    if (this.#wasHeld && nowMs >= this.#untilMs) {
      this.#wasHeld = false
      this.#ranOut++
    }
    return nowMs
  }

  /** Another log begins: nothing is known of it. */
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
    this.end()
    this.#problem(
      new Error(
        `This machine's clock and the broker's part by ${Math.abs(this.driftPpm)} ppm, and a lease allows for 1000: no token is accepted by a lease. Let no time service slew either clock faster (chrony: maxslewrate 500).`,
      ),
    )
  }
}

/** By this machine's clock: never later than the broker's `knownMs` and the length after it. */
const until = ({ sentMs, brokerMs }: Anchor, knownMs: number, lengthMs: number): number => {
  const since = knownMs - brokerMs
  return sentMs + since + lengthMs - DRIFT * (Math.abs(since) + lengthMs) - STEPS_MS
}
