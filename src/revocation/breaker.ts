import type { TargetState } from './interface.ts'

/**
 * What is known of one target, and whether it may be called: pure, its clock handed in. Three failures in a row open it: then one call at a
 * time, a few seconds apart, until one succeeds. It never gives up: an instance that was down hears within 5 s of its return.
 */

const OPENS_AFTER = 3
/** Between probes, less or more a tenth: with the time a probe takes, under 5 s. */
export const PROBE_MS = 2_500
/** A new delivery to an open target may be the probe, this long after the last call. */
const FRESH_MS = 500
/** How long a target's own Retry-After keeps probes away. Each delivery honours it in full; the target may be back before. */
const MAX_HOLD_SECONDS = 60

export class Breaker {
  #failures = 0
  #known = false
  #calledMs = Number.NEGATIVE_INFINITY
  #heldUntilMs = 0

  get open(): boolean {
    return this.#failures >= OPENS_AFTER
  }

  /** Its last answer was no success, or there was none yet: what is owed to it and not yet due is worth a probe. */
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

  /** True where it was suspect: whatever waits for its return may go. */
  succeeded(): boolean {
    const recovered = this.suspect
    this.#failures = 0
    this.#known = true
    this.#heldUntilMs = 0
    return recovered
  }

  /** True where this opened it. */
  failed(nowMs: number, retryAfterSeconds: number | undefined): boolean {
    this.#known = true
    this.#failures++
    if (retryAfterSeconds !== undefined) this.#heldUntilMs = nowMs + Math.min(retryAfterSeconds, MAX_HOLD_SECONDS) * 1000
    return this.#failures === OPENS_AFTER
  }
}
