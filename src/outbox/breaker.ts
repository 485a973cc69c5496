import type { TargetState } from './interface.ts'

/**
 * The circuit breaker of one target: whether it may be called. Pure; its clock is handed in and must be monotonic. Three failures in a row
 * open it: then the lane calls one delivery at a time, a few seconds apart, until one succeeds, so that a target gets its deliveries within 5 s of its return.
 */

const OPENS_AFTER = 3
/** Between probes, less or more a tenth: with the time a probe takes, under 5 s. */
export const PROBE_MS = 2_500
/** While open: a new delivery may be the probe, this long after the last call. */
const FRESH_MS = 500
/** How long a target's own Retry-After delays probes at most. Each delivery honors it in full; the target may be back before. */
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

  /** Its last answer was not a success, or there was none yet: the lane probes with deliveries that are not yet due. */
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
   * True where everything that is pending may be tried at once: the breaker was open, or this is the first success since the start (what
   * was known before is lost). Not after one or two failures: a delivery that fails among others that succeed keeps its own schedule.
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
    if (retryAfterSeconds !== undefined) this.#heldUntilMs = nowMs + Math.min(retryAfterSeconds, MAX_HOLD_SECONDS) * 1000
    return this.#failures === OPENS_AFTER
  }
}
