/** Turns at what costs something: so many at a time for one key and in all. More wait, in the order in which they came, each key in its turn. */
export class Turns {
  readonly #perKey: number
  readonly #inAll: number
  readonly #running = new Map<string, number>()
  readonly #waiting = new Map<string, (() => void)[]>()
  #total = 0

  constructor(perKey: number, inAll: number) {
    this.#perKey = perKey
    this.#inAll = inAll
  }

  /** @returns how to end the turn; called twice it does nothing the second time */
  async take(key: string): Promise<() => void> {
    await new Promise<void>((start) => {
      const line = this.#waiting.get(key)
      if (line === undefined) this.#waiting.set(key, [start])
      else line.push(start)
      this.#next()
    })
    let over = false
    return () => {
      if (over) return
      over = true
      this.#count(key, -1)
      this.#next()
    }
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
      start?.()
    }
  }

  #count(key: string, by: number): void {
    this.#total += by
    const running = (this.#running.get(key) ?? 0) + by
    if (running === 0) this.#running.delete(key)
    else this.#running.set(key, running)
  }
}
