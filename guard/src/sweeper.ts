import type { Clock } from './clock.ts'
import type { Ledger } from './ledger.ts'
import type { Settings } from './options.ts'
import type { TokenCache } from './token-cache.ts'

const SWEEP_MS = 30_000

interface SweeperParts {
  cache: TokenCache
  clock: Clock
  ledger: Ledger
  settings: Settings
  /** Called if the clock was set back: the broker must send again what has been forgotten since. */
  startOver: () => void
  stop: AbortController
}

/** Forgets at intervals what no token can need any more. */
export class Sweeper {
  readonly #parts: SweeperParts
  #cancel: () => void = () => {}
  #sweptAtMs = -Infinity

  constructor(parts: SweeperParts) {
    this.#parts = parts
  }

  start(): void {
    this.#cancel = this.#parts.clock.after(SWEEP_MS, () => this.#sweepAndGoOn())
  }

  stop(): void {
    this.#cancel()
  }

  /** Sweeps if the last sweep was long enough ago, for a guard that may have no timers. */
  sweepIfDue(): void {
    if (this.#parts.clock.monotonicMs() - this.#sweptAtMs >= SWEEP_MS) this.#sweep()
  }

  #sweepAndGoOn(): void {
    this.#sweep()
    if (!this.#parts.stop.signal.aborted) this.start()
  }

  #sweep(): void {
    const { cache, clock, ledger, settings, startOver } = this.#parts
    this.#sweptAtMs = clock.monotonicMs()
    const tolerance = settings.clockToleranceSeconds
    const before = Math.floor(clock.nowMs() / 1000) - tolerance
    if (before < ledger.sweptAt - tolerance) startOver()
    ledger.sweep(before)
    cache.sweep(({ exp }) => exp < before)
  }
}
