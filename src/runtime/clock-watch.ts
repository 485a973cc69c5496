import type { SteadyClock } from './clock.ts'

/**
 * Whether the wall clock shows the right time: by the monotonic time since the last comparison with
 * Microsoft's, at first since the start. As a clock it shows the wall clock's time while that is
 * right, and the right time where the wall clock was set to another: what is written meanwhile
 * (when a session was revoked, until when one lasts) stays true when the wall clock is right again.
 */

/** From here on what is decided by time waits. Operators are paged from 30 s on. */
export const DISAGREE_SECONDS = 60
/**
 * Who was answered 503 because of the clock may ask again then: about as often as the clocks are
 * compared.
 */
export const CLOCK_RETRY_SECONDS = 20
/** The clock was set while Microsoft was asked. */
const STEP_MS = 2_000

export class ClockWatch implements SteadyClock {
  readonly #clock: SteadyClock
  /** What the wall clock has to be ahead of the monotonic one. */
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

  /** How far the wall clock is ahead of the right time; negative: behind it. */
  aheadSeconds(): number {
    return Math.round((this.#differenceMs() - this.#rightMs) / 1000)
  }

  /** No session may be ended, and no token judged, by this wall clock. */
  disagrees(): boolean {
    return Math.abs(this.aheadSeconds()) > DISAGREE_SECONDS
  }

  /**
   * Begun before Microsoft is asked; its answer is how far Microsoft's clock is ahead of the wall
   * clock. A step in between makes it void.
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
