import type { Clock } from './clock.ts'

/** How long nothing has been heard of the broker, by whichever of two clocks says longer: one stands still while a machine sleeps, one can be set. */
export class Freshness {
  readonly #clock: Clock
  #wall: number | undefined
  #monotonic = 0

  constructor(clock: Clock) {
    this.#clock = clock
  }

  heard(): void {
    this.#wall = this.#clock.nowMs()
    this.#monotonic = this.#clock.monotonicMs()
  }

  /** Milliseconds; infinite where nothing was ever heard. */
  silentForMs(): number {
    if (this.#wall === undefined) return Infinity
    return Math.max(this.#clock.nowMs() - this.#wall, this.#clock.monotonicMs() - this.#monotonic, 0)
  }
}
