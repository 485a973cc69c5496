import type { SteadyClock } from './clock.ts'

/**
 * Checks the wall clock against the monotonic time since the last comparison with Microsoft's
 * clock, or since the start. As a clock it returns the wall clock's time while that is right, and
 * the right time after the wall clock was set wrong, so that times written meanwhile (of a
 * revocation, of an expiry) stay valid when the wall clock is right again.
 */

/**
 * The deviation from which acts that depend on the time wait. Operators are alerted from 30 s on.
 */
export const DISAGREE_SECONDS = 60
/**
 * The Retry-After of a 503 because of the clock, about the interval at which the clocks are
 * compared.
 */
export const CLOCK_RETRY_SECONDS = 20
/** The change of the clock during a request to Microsoft from which the comparison is discarded. */
const STEP_MS = 2_000

export class ClockWatch implements SteadyClock {
  readonly #clock: SteadyClock
  /** The correct difference between the wall clock and the monotonic one. */
  #rightMs: number

  constructor(clock: SteadyClock) {
    this.#clock = clock
    this.#rightMs = this.#differenceMs()
  }

  now(): number {
    return Math.floor(this.nowMs() / 1000)
  }

  nowMs(): number {
    const offMs = this.#differenceMs() - this.#rightMs
    return this.#clock.nowMs() - (this.disagrees() ? offMs : 0)
  }

  steadyMs(): number {
    return this.#clock.steadyMs()
  }

  elapsedMs(): number {
    return this.#clock.elapsedMs()
  }

  /**
   * Returns the seconds by which the wall clock is ahead of the right time; negative if it is
   * behind.
   */
  aheadSeconds(): number {
    return Math.round((this.#differenceMs() - this.#rightMs) / 1000)
  }

  /** Returns whether the wall clock is too wrong to end a session or judge a token by it. */
  disagrees(): boolean {
    return Math.abs(this.aheadSeconds()) > DISAGREE_SECONDS
  }

  /**
   * Starts a comparison before a request to Microsoft. The returned function takes the seconds by
   * which Microsoft's clock is ahead of the wall clock. If the clock was set in between, the
   * comparison is discarded.
   */
  comparison(): (microsoftAheadSeconds: number) => void {
    const beforeMs = this.#differenceMs()
    return (microsoftAheadSeconds) => {
      if (Math.abs(this.#differenceMs() - beforeMs) <= STEP_MS)
        this.#rightMs = beforeMs + microsoftAheadSeconds * 1000
    }
  }

  #differenceMs(): number {
    return this.#clock.nowMs() - this.#clock.steadyMs()
  }
}
