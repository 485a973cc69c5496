import { until } from '../process/broker-process.ts'
import type { Stack } from './stack.ts'
import { newToken } from './sydney.ts'

/** Requests a token every 50 ms, while a part of the cluster fails. */
export class Load {
  #seen = { requests: 0, answered: 0, failed: 0, mostPending: 0, longestMs: 0 }
  #pending = 0
  #lastMs = performance.now()
  #inARow = 0
  readonly #timer: NodeJS.Timeout
  constructor(stack: Stack, secret: string) {
    this.#timer = setInterval(() => {
      this.#seen.requests++
      this.#pending++
      this.#seen.mostPending = Math.max(this.#seen.mostPending, this.#pending)
      newToken(stack, secret).then(
        (status) => this.#ended(status === 200),
        () => this.#ended(false),
      )
    }, 50)
  }
  #ended(well: boolean): void {
    this.#pending--
    this.#inARow = well ? this.#inARow + 1 : 0
    if (!well) return void this.#seen.failed++
    this.#seen.answered++
    this.#seen.longestMs = Math.max(
      this.#seen.longestMs,
      Math.round(performance.now() - this.#lastMs),
    )
    this.#lastMs = performance.now()
  }
  /** Returns the figures of the load during an act, until twenty more tokens are issued. */
  async during(what: string, act: () => Promise<unknown>): Promise<Load['seen']> {
    this.#seen = {
      requests: 0,
      answered: 0,
      failed: 0,
      mostPending: this.#pending,
      longestMs: 0,
    }
    await act()
    const before = this.#seen.answered
    await until('tokens are issued again', () => this.#seen.answered > before + 20, 90)
    const { requests, failed, longestMs } = this.#seen
    console.log(
      `${what}: ${requests} requests, ${failed} failed, longest without a token ${longestMs} ms`,
    )
    return this.seen
  }
  /** Waits until no request has failed for two seconds. */
  async steady(): Promise<void> {
    this.#inARow = 0
    await until('no token fails', () => this.#inARow > 40, 90)
  }
  get seen(): { requests: number; failed: number; mostPending: number; longestMs: number } {
    return this.#seen
  }
  stop(): void {
    clearInterval(this.#timer)
  }
}
