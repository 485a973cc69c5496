/** Work that runs at the same time: it is waited for, kept in order, or limited. */

/**
 * Readings of one state that may overlap. The one that began last has read the latest state: an
 * earlier one that ends after it is dropped.
 */
export class Readings {
  #begun = 0
  #applied = 0

  /** @param apply keeps what was read. It is not called for a reading that was dropped */
  async take<T>(read: () => Promise<T>, apply: (value: T) => void): Promise<void> {
    const mine = ++this.#begun
    const value = await read()
    if (mine < this.#applied) return
    apply(value)
    this.#applied = mine
  }
}

/**
 * Waits until all have ended, also where one fails: what follows must not begin beside the others.
 * @throws what the first of those that failed, in their order, failed with
 */
export async function allEnded(acts: readonly Promise<unknown>[]): Promise<void> {
  for (const one of await Promise.allSettled(acts)) if (one.status === 'rejected') throw one.reason
}

/**
 * Waits for `work`, but not longer than this.
 * @throws what `late` makes, once that time has passed
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
 * Limits work that costs something: so much at a time for one key and in all. More waits, in the
 * order in which it came, each key in its turn.
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

  /** How much waits for this key. */
  waitingOf(key: string): number {
    return this.#waiting.get(key)?.length ?? 0
  }

  /** @returns how to end the turn; called twice it does nothing the second time */
  take(key: string): Promise<() => void> {
    return new Promise((start) => this.enter(key, start))
  }

  /** Calls `start` in its turn, at once where there is room, with what ends the turn. */
  enter(key: string, start: (end: () => void) => void): void {
    const line = this.#waiting.get(key)
    if (line === undefined) this.#waiting.set(key, [start])
    else line.push(start)
    this.#next()
  }

  #next(): void {
    // A key that still waits is set again, behind the others: this loop comes to it once more.
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
