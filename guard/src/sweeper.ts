import type { Parts } from './parts.ts'

const SWEEP_MS = 30_000

/** Forgets, from time to time, what no token can need any more. */
export class Sweeper {
  readonly #parts: Parts
  #cancel: () => void = () => {}

  constructor(parts: Parts) {
    this.#parts = parts
  }

  start(): void {
    this.#cancel = this.#parts.clock.after(SWEEP_MS, () => this.#sweep())
  }

  stop(): void {
    this.#cancel()
  }

  #sweep(): void {
    const { cache, clock, follower, ledger, reporter, settings, stop } = this.#parts
    const tolerance = settings.clockToleranceSeconds
    const before = Math.floor(clock.nowMs() / 1000) - tolerance
    // The clock was set back: what has been forgotten since must be told again.
    if (before < ledger.sweptAt - tolerance) follower.startOver()
    ledger.sweep(before)
    cache.sweep(({ exp }) => exp < before)
    reporter.repeat()
    if (!stop.signal.aborted) this.start()
  }
}
