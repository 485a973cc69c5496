import type { Clock } from './clock.ts'
import type { Entry } from './selector.ts'

/**
 * A function that is called for each new revocation, as soon as it is enforced. `covers` finds the
 * sessions that it ends. It does not get the first snapshot of this process: after a restart, call
 * `isRevoked` for each session that was kept, once `start()` has resolved. If it throws or returns
 * a promise that rejects, it is called again, and until it has succeeded the broker gets no report
 * of the revocation.
 */
export type RevocationListener = (revocation: Entry) => unknown

const RETRY_MS = 1000
const MOST_RETRY_MS = 30_000
/** The most failed calls that are kept. */
const MOST_FAILED = 10_000

interface Call {
  listener: RevocationListener
  entry: Entry
  /** Settles with the listener's promise, and never rejects. */
  running?: Promise<void>
}

interface ListenersParts {
  clock: Clock
  problem: (error: Error) => void
  /** Called when fewer revocations wait for a listener. */
  onSettled: () => void
  stopping: AbortSignal
}

/** Calls the listeners of the instance, and calls those again that failed. */
export class Listeners {
  readonly #parts: ListenersParts
  readonly #listeners = new Set<RevocationListener>()
  /** The calls that have not succeeded yet. */
  readonly #unfinished = new Set<Call>()
  #failed: Call[] = []
  #retryMs = RETRY_MS
  /** The lowest `seq` of the failed calls that were not kept, because they were too many. */
  #lostSeq = Infinity

  constructor(parts: ListenersParts) {
    this.#parts = parts
  }

  get size(): number {
    return this.#listeners.size
  }

  /** The lowest `seq` that some listener has not carried out yet. Infinity: none. */
  get unfinishedSeq(): number {
    let lowest = this.#lostSeq
    for (const { entry } of this.#unfinished) lowest = Math.min(lowest, entry.seq)
    return lowest
  }

  /** Returns whether every listener has carried out what comes up to `seq`, once none runs now. */
  async haveFinished(seq: number): Promise<boolean> {
    await Promise.all([...this.#unfinished].map(async ({ running }) => running))
    return seq < this.unfinishedSeq
  }

  /** Adds a listener. Returns a function that removes it. */
  add(listener: RevocationListener): () => void {
    this.#listeners.add(listener)
    return () => {
      this.#listeners.delete(listener)
      for (const call of this.#unfinished)
        if (call.listener === listener) this.#unfinished.delete(call)
      this.#parts.onSettled()
    }
  }

  tell(entry: Entry): void {
    for (const listener of this.#listeners) {
      const call = { listener, entry }
      this.#unfinished.add(call)
      this.#call(call)
    }
  }

  /** Forgets the calls of a former log. */
  forget(): void {
    this.#unfinished.clear()
    this.#failed = []
    this.#lostSeq = Infinity
  }

  #call(call: Call): void {
    try {
      const running = call.listener(call.entry)
      if (!isThenable(running)) return this.#succeeded(call)
      call.running = Promise.resolve(running).then(
        () => this.#succeeded(call),
        (error: unknown) => this.#fails(call, error),
      )
    } catch (error) {
      this.#fails(call, error)
    }
  }

  #succeeded(call: Call): void {
    if (this.#unfinished.delete(call)) this.#parts.onSettled()
  }

  #fails(call: Call, cause: unknown): void {
    if (!this.#unfinished.has(call)) return
    this.#failed.push(call)
    const lost = this.#failed.length > MOST_FAILED ? this.#failed.shift() : undefined
    if (lost !== undefined) {
      this.#unfinished.delete(lost)
      this.#lostSeq = Math.min(this.#lostSeq, lost.entry.seq)
    }
    if (this.#failed.length > 1) return
    const { clock, problem } = this.#parts
    const advice = Number.isFinite(this.#lostSeq)
      ? 'More revocations failed than are kept: correct it and start this process again.'
      : `It is called again in ${this.#retryMs / 1000} s.`
    problem(
      new Error(
        `A listener of onRevocation failed, so the broker gets no report from seq ${call.entry.seq} on. ${advice}`,
        { cause },
      ),
    )
    clock.after(this.#retryMs, () => this.#retry())
    this.#retryMs = Math.min(2 * this.#retryMs, MOST_RETRY_MS)
  }

  #retry(): void {
    if (this.#parts.stopping.aborted) return
    const again = this.#failed.filter((call) => this.#unfinished.has(call))
    this.#failed = []
    for (const call of again) this.#call(call)
    if (this.#unfinished.size === 0) this.#retryMs = RETRY_MS
  }
}

const isThenable = (value: unknown): value is PromiseLike<unknown> =>
  typeof (value as Partial<PromiseLike<unknown>> | null | undefined)?.then === 'function'
