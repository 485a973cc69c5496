import type { Clock } from './clock.ts'

/** How long the broker has sent nothing, by the clock that says longer: one stops while a machine sleeps, the other can be set. */
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

  /** Milliseconds; infinite where nothing has ever come. */
  silentForMs(): number {
    if (this.#wall === undefined) return Infinity
    return Math.max(this.#clock.nowMs() - this.#wall, this.#clock.monotonicMs() - this.#monotonic, 0)
  }
}
