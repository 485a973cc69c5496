/** Controls work that runs at the same time: waits for it, keeps its order, or limits it. */

/**
 * Reads of one state that may overlap. The read that began last has the latest state, so an earlier
 * one that ends after it is dropped.
 */
export class Readings {
  #begun = 0
  #applied = 0

  /**
   * Reads the state and applies the result, unless a later read was applied first.
   * @param apply stores the value; not called for a read that was dropped
   */
  async take<T>(read: () => Promise<T>, apply: (value: T) => void): Promise<void> {
    const mine = ++this.#begun
    const value = await read()
    if (mine < this.#applied) return
    apply(value)
    this.#applied = mine
  }
}

/**
 * Waits until all promises are settled, even if one fails, so that what follows does not run beside
 * them.
 * @throws the error of the first one, in their order, that failed
 */
export async function allEnded(acts: readonly Promise<unknown>[]): Promise<void> {
  for (const settled of await Promise.allSettled(acts))
    if (settled.status === 'rejected') throw settled.reason
}

/**
 * Waits for `work`, but at most `ms`.
 * @throws the error of `late` after that time
 */
export function within<T>(
  ms: number,
  work: Promise<T>,
  late = (): Error => new Error(`no answer within ${ms} ms`),
): Promise<T> {
  const { promise, reject } = Promise.withResolvers<never>()
  const timer = setTimeout(() => reject(late()), ms)
  work.catch(() => {})
  return Promise.race([work, promise]).finally(() => clearTimeout(timer))
}

/**
 * Limits expensive work to a number at a time, for each key and in all. Further work waits; keys
 * take turns, and the work of a key keeps its order.
 */
export class FairLimiter {
  readonly #perKey: number
  readonly #inAll: number
  readonly #running = new Map<string, number>()
  readonly #waiting = new Map<string, ((end: () => void) => void)[]>()
  #total = 0

  constructor(perKey: number, inAll: number) {
    this.#perKey = perKey
    this.#inAll = inAll
  }

  /** Returns the amount of work that waits for this key. */
  waitingOf(key: string): number {
    return this.#waiting.get(key)?.length ?? 0
  }

  /**
   * Waits for a turn.
   * @returns a function that ends the turn; a second call does nothing
   */
  take(key: string): Promise<() => void> {
    return new Promise((start) => this.enter(key, start))
  }

  /** Calls `start` in its turn, at once if there is room, with a function that ends the turn. */
  enter(key: string, start: (end: () => void) => void): void {
    const line = this.#waiting.get(key)
    if (line === undefined) this.#waiting.set(key, [start])
    else line.push(start)
    this.#next()
  }

  #next(): void {
    // A key that still has waiting work is added again behind the others, and this loop reaches it
    // again.
    for (const [key, line] of this.#waiting) {
      if (this.#total >= this.#inAll) return
      if ((this.#running.get(key) ?? 0) >= this.#perKey) continue
      const start = line.shift()
      this.#waiting.delete(key)
      if (line.length > 0) this.#waiting.set(key, line)
      this.#count(key, 1)
      start?.(this.#ending(key))
    }
  }

  #ending(key: string): () => void {
    let over = false
    return () => {
      if (over) return
      over = true
      this.#count(key, -1)
      this.#next()
    }
  }

  #count(key: string, by: number): void {
    this.#total += by
    const running = (this.#running.get(key) ?? 0) + by
    if (running === 0) this.#running.delete(key)
    else this.#running.set(key, running)
  }
}
