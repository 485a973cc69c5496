import type { Clock } from './clock.ts'

/** Says once when nothing has come for too long. Reads the clock seldom, not at each byte. */
export class Watchdog {
  readonly #clock: Clock
  readonly #bark: () => void
  readonly #silenceMs: number
  #heardAtMs: number
  #cancel: () => void

  constructor(clock: Clock, silenceMs: number, bark: () => void) {
    this.#clock = clock
    this.#bark = bark
    this.#silenceMs = silenceMs
    this.#heardAtMs = clock.monotonicMs()
    this.#cancel = clock.after(silenceMs, () => this.#look())
  }

  heard(): void {
    this.#heardAtMs = this.#clock.monotonicMs()
  }
  stop(): void {
    this.#cancel()
  }

  #look(): void {
    const left = this.#heardAtMs + this.#silenceMs - this.#clock.monotonicMs()
    if (left <= 0) this.#bark()
    else this.#cancel = this.#clock.after(Math.max(left, 1), () => this.#look())
  }
}
