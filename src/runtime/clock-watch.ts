import type { SteadyClock } from './clock.ts'

/**
 * Checks the wall clock against the time that has passed since the last comparison with Microsoft's
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
  /** The correct differences between the wall clock and the clocks that are never set. */
  #right: Differences
  #isCompared = false
  /** A time that had come at the start, and the reading of the monotonic clock then. */
  #certain = { seconds: 0, steadyMs: 0 }

  constructor(clock: SteadyClock) {
    this.#clock = clock
    this.#right = this.#differences()
  }

  /** True once the clock was compared with Microsoft's. Until then it may show any time. */
  get isCompared(): boolean {
    return this.#isCompared
  }

  /** Returns whether anything may end or be deleted because its time has come. */
  isCertain(): boolean {
    return this.#isCompared && !this.disagrees()
  }

  /** Notes a time that has come, epoch seconds: the newest entry of the log at the start has it. */
  startsAfter(seconds: number): void {
    this.#certain = { seconds, steadyMs: this.#clock.steadyMs() }
  }

  /**
   * Returns the latest time, in epoch seconds, that has surely come: the present one once the clock
   * was compared. What is forgotten by its age is forgotten by it.
   */
  certainNow(): number {
    if (this.#isCompared) return this.now()
    const { seconds, steadyMs } = this.#certain
    return Math.min(this.now(), seconds + Math.floor((this.#clock.steadyMs() - steadyMs) / 1000))
  }

  now(): number {
    return Math.floor(this.nowMs() / 1000)
  }

  nowMs(): number {
    return this.#clock.nowMs() - (this.disagrees() ? this.#offMs() : 0)
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
    return Math.round(this.#offMs() / 1000)
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
    const before = this.#differences()
    return (microsoftAheadSeconds) => {
      if (Math.abs(this.#differences().steadyMs - before.steadyMs) > STEP_MS) return
      const aheadMs = microsoftAheadSeconds * 1000
      this.#right = {
        steadyMs: before.steadyMs + aheadMs,
        elapsedMs: before.elapsedMs + aheadMs,
      }
      this.#isCompared = true
    }
  }

  /**
   * Returns by how much the wall clock is off. It is right where either clock says so: the
   * monotonic one lacks the time in which the machine was suspended, and the other one may jump.
   */
  #offMs(): number {
    const { steadyMs, elapsedMs } = this.#differences()
    const [bySteady, byElapsed] = [
      steadyMs - this.#right.steadyMs,
      elapsedMs - this.#right.elapsedMs,
    ]
    // The clock that counts suspension shows at least as much as the other one.
    const isCounted = byElapsed < bySteady && Math.abs(byElapsed) < Math.abs(bySteady)
    return isCounted ? byElapsed : bySteady
  }

  #differences(): Differences {
    const nowMs = this.#clock.nowMs()
    return { steadyMs: nowMs - this.#clock.steadyMs(), elapsedMs: nowMs - this.#clock.elapsedMs() }
  }
}

/** The wall clock minus each of the two clocks that are never set. */
interface Differences {
  steadyMs: number
  elapsedMs: number
}
