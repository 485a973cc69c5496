import { until } from '../process/broker-process.ts'
import type { Stack } from './stack.ts'
import { newToken } from './sydney.ts'

/** Requests a token every 50 ms, while a part of the cluster fails. */
export class Load {
  #seen = { requests: 0, answered: 0, failed: 0, mostPending: 0, longestMs: 0 }
  #pending = 0
  #lastMs = performance.now()
  #inARow = 0
  /** How many requests failed in which way, since the last act began. */
  #failures: Record<string, number> = {}
  readonly #timer: NodeJS.Timeout
  constructor(stack: Stack, secret: string) {
    this.#timer = setInterval(() => {
      this.#seen.requests++
      this.#pending++
      this.#seen.mostPending = Math.max(this.#seen.mostPending, this.#pending)
      newToken(stack, secret).then(
        (status) => this.#ended(status === 200 ? undefined : `status ${status}`),
        (error: Error) => this.#ended(`error ${error.message}`),
      )
    }, 50)
  }
  #ended(failure: string | undefined): void {
    this.#pending--
    this.#inARow = failure === undefined ? this.#inARow + 1 : 0
    if (failure !== undefined) {
      this.#failures[failure] = (this.#failures[failure] ?? 0) + 1
      return void this.#seen.failed++
    }
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
    this.#failures = {}
    await act()
    const before = this.#seen.answered
    await this.#until('tokens are issued again', () => this.#seen.answered > before + 20)
    const { requests, failed, longestMs } = this.#seen
    console.log(
      `${what}: ${requests} requests, ${failed} failed${this.#ways()}, longest without a token ${longestMs} ms`,
    )
    return this.seen
  }
  /** Waits until no request has failed for two seconds. */
  async steady(): Promise<void> {
    this.#inARow = 0
    await this.#until('no token fails', () => this.#inARow > 40)
  }
  /**
   * Waits for a condition.
   * @throws Error that says how the requests failed, if it is not met in time
   */
  async #until(what: string, isMet: () => boolean): Promise<void> {
    await until(what, isMet, 90).catch((error: Error) => {
      throw new Error(`${error.message}${this.#ways()}`, { cause: error })
    })
  }
  #ways(): string {
    const ways = Object.entries(this.#failures).map(([how, count]) => `${count} × ${how}`)
    return ways.length === 0 ? '' : ` (${ways.join('; ')})`
  }
  get seen(): { requests: number; failed: number; mostPending: number; longestMs: number } {
    return this.#seen
  }
  stop(): void {
    clearInterval(this.#timer)
  }
}
