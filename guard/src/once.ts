/** What is valid for one time only. An identifier is burned when its act has succeeded, so that a failed one can be retried. */
export class Once {
  readonly #burned = new Map<string, number>()
  readonly #running = new Map<string, Promise<void>>()
  readonly #limit: number

  constructor(limit: number) {
    this.#limit = limit
  }

  /**
   * Runs `act` unless it has succeeded for that id before. A caller that asks while it runs waits for its outcome.
   * @param until epoch seconds: the id can be forgotten then, because whatever bears it is refused for its age
   * @throws what `act` throws
   */
  async run(id: string, now: number, until: number, act: () => Promise<void>): Promise<'done' | 'done_before'> {
    const running = this.#running.get(id)
    if (running !== undefined) {
      await running
      return 'done_before'
    }
    if ((this.#burned.get(id) ?? -1) >= now) return 'done_before'
    const acting = act()
    this.#running.set(id, acting)
    try {
      await acting
      this.#burn(id, now, until)
    } finally {
      this.#running.delete(id)
    }
    return 'done'
  }

  #burn(id: string, now: number, until: number): void {
    this.#burned.delete(id)
    this.#burned.set(id, until)
    if (this.#burned.size <= this.#limit) return
    for (const [old, end] of this.#burned) if (end < now) this.#burned.delete(old)
    for (const old of this.#burned.keys()) {
      if (this.#burned.size <= this.#limit) break
      this.#burned.delete(old)
    }
  }
}
