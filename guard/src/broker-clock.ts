import type { Clock } from './clock.ts'

/**
 * The smallest difference that counts. `Date` has whole seconds, and an answer takes time, so that
 * a smaller one says nothing.
 */
const NOISE_MS = 1500
/** The longest that an answer takes. If one takes longer the machine slept, and its `Date` is old. */
const LATE_MS = 10_000
/**
 * The most that two clocks of this machine may differ since the measurement. A larger difference
 * means that the wall clock was set, or the machine slept.
 */
const STEP_MS = 2000

interface Reading {
  wallMs: number
  elapsedMs: number
  monotonicMs: number
}

/**
 * The difference between the broker's clock and this machine's, by the `Date` of the broker's
 * answers (RFC 9110 §6.6.1). Answers from a cache do not count.
 */
export class BrokerClock {
  readonly #clock: Clock
  readonly #onMeasured: (offsetSeconds: number) => void
  #measured: ({ offsetMs: number } & Reading) | undefined

  constructor(clock: Clock, onMeasured: (offsetSeconds: number) => void) {
    this.#clock = clock
    this.#onMeasured = onMeasured
  }

  /**
   * Measures the difference from the `Date` of an answer.
   * @param begunMs the reading of `elapsedMs` when the request was sent
   */
  heard(date: string | null, begunMs: number): void {
    const sentMs = Date.parse(date ?? '')
    const tookMs = this.#clock.elapsedMs() - begunMs
    if (Number.isNaN(sentMs) || tookMs > LATE_MS) return
    const wallMs = this.#clock.nowMs()
    const between = sentMs + 500 - (wallMs - tookMs / 2)
    const offsetMs = Math.abs(between) <= NOISE_MS ? 0 : Math.ceil(between / 1000 - 0.5) * 1000
    this.#measured = { offsetMs, ...this.#read(), wallMs }
    this.#onMeasured(offsetMs / 1000)
  }

  #read(): Reading {
    const clock = this.#clock
    return {
      wallMs: clock.nowMs(),
      elapsedMs: clock.elapsedMs(),
      monotonicMs: clock.monotonicMs(),
    }
  }

  /**
   * The broker's clock minus this machine's, in whole seconds. Undefined before the first answer,
   * and where it cannot be known whether this machine's clock was set or the machine slept.
   */
  get offsetSeconds(): number | undefined {
    if (this.#measured === undefined) return undefined
    const { offsetMs, ...since } = this.#measured
    const passedMs = this.#clock.monotonicMs() - since.monotonicMs
    const setMs = this.#clock.nowMs() - since.wallMs - passedMs
    if (Math.abs(setMs) <= STEP_MS) return offsetMs / 1000
    // The clock that counts suspension costs most to read, and each check comes here.
    const slept = this.#clock.elapsedMs() - since.elapsedMs - passedMs > STEP_MS
    return slept ? undefined : Math.round((offsetMs - setMs) / 1000)
  }

  /** Returns epoch seconds by the broker's clock if it is known, else by this machine's. */
  now(): number {
    return Math.floor(this.#clock.nowMs() / 1000) + (this.offsetSeconds ?? 0)
  }

  /**
   * Returns epoch seconds by the clock that is ahead, so that a token is rejected if it has expired
   * by either clock.
   */
  latest(): number {
    return Math.floor(this.#clock.nowMs() / 1000) + Math.max(0, this.offsetSeconds ?? 0)
  }

  /**
   * Returns epoch seconds by the clock that is behind, so that one wrong clock ends no session.
   * -Infinity where the broker's clock is not known.
   */
  earliest(): number {
    return Math.floor(this.#clock.nowMs() / 1000) + Math.min(0, this.offsetSeconds ?? -Infinity)
  }
}

/**
 * Reports a difference between the clocks above the tolerance. Reports again only if the difference
 * grows by more than the tolerance, or falls below it and returns.
 */
export function warnOfClock(
  toleranceSeconds: number,
  problem: (error: Error) => void,
): (offsetSeconds: number) => void {
  let warned: number | undefined
  return (offset) => {
    if (Math.abs(offset) <= toleranceSeconds) warned = undefined
    else if (warned === undefined || Math.abs(offset - warned) > toleranceSeconds) {
      warned = offset
      const seconds = Math.abs(offset)
      const meanwhile =
        offset > 0
          ? "the broker's clock decides meanwhile"
          : `until then tokens expire ${seconds} s early`
      problem(
        new Error(
          `This machine's clock is ${seconds} s ${offset > 0 ? 'behind' : 'ahead of'} the broker's. Set it: ${meanwhile}.`,
        ),
      )
    }
  }
}
