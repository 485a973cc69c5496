import type { Log } from './log.ts'

/**
 * Closes parts in the reverse order of their opening. A part that fails to close does not keep the
 * others open.
 */
export class Closing {
  readonly #steps: { name: string; close: () => unknown }[] = []
  readonly #log: Log
  constructor(log: Log) {
    this.#log = log
  }
  add(name: string, close: () => unknown): void {
    this.#steps.push({ name, close })
  }
  /** Moves a part so that it is closed before all others added so far. */
  first(name: string): void {
    const at = this.#steps.findIndex((step) => step.name === name)
    this.#steps.push(...this.#steps.splice(at, 1))
  }
  async run(): Promise<void> {
    for (const { name, close } of this.#steps.splice(0).reverse()) {
      try {
        await close()
      } catch (error) {
        this.#log.error('close_failed', { part: name, cause: error })
      }
    }
  }
}
