import type { DeliveryRef } from '../../db/types.ts'

/** `early`: before it is due. Its failure is not counted as an attempt. */
export interface Waiting {
  ref: DeliveryRef
  early: boolean
}

/** What waits in one lane: urgent deliveries first, then one of each wide revocation in turn, and one of those that no user waits for. */
export class WaitingLines {
  readonly #ids = new Set<string>()
  readonly #urgent = new Line()
  /** Lines of bulk in the order of their turns. */
  readonly #bulk = new Map<string, Line>()

  get size(): number {
    return this.#ids.size
  }

  has(id: string): boolean {
    return this.#ids.has(id)
  }

  /** How many wait in the line that this one would join. */
  sizeFor(ref: DeliveryRef): number {
    return (ref.priority === 'urgent' ? this.#urgent : this.#bulk.get(lineOf(ref)))?.size ?? 0
  }

  add(one: Waiting): void {
    this.#ids.add(one.ref.id)
    if (one.ref.priority === 'urgent') return this.#urgent.add(one)
    const name = lineOf(one.ref)
    let line = this.#bulk.get(name)
    if (line === undefined) this.#bulk.set(name, (line = new Line()))
    return line.add(one)
  }

  nextUrgent(): Waiting | undefined {
    return this.#taken(this.#urgent.next())
  }

  nextBulk(): Waiting | undefined {
    for (const [name, line] of this.#bulk) {
      this.#bulk.delete(name)
      const one = line.next()
      // Its next turn comes after all others.
      if (line.size > 0) this.#bulk.set(name, line)
      if (one !== undefined) return this.#taken(one)
    }
    return undefined
  }

  clear(): void {
    this.#ids.clear()
    this.#urgent.clear()
    this.#bulk.clear()
  }

  #taken(one: Waiting | undefined): Waiting | undefined {
    if (one !== undefined) this.#ids.delete(one.ref.id)
    return one
  }
}

const lineOf = ({ priority, seq }: DeliveryRef): string => (priority === 'bulk' ? `bulk ${seq ?? ''}` : priority)

/** First come, first served. (An array that is shifted, or a `Map` walked from its front, gets slower with each entry that is taken.) */
class Line {
  #line: Waiting[] = []
  #taken = 0

  get size(): number {
    return this.#line.length - this.#taken
  }

  add(one: Waiting): void {
    this.#line.push(one)
  }

  next(): Waiting | undefined {
    const one = this.#line[this.#taken]
    if (one === undefined) return undefined
    this.#taken++
    if (this.#taken * 2 >= this.#line.length) {
      this.#line = this.#line.slice(this.#taken)
      this.#taken = 0
    }
    return one
  }

  clear(): void {
    this.#line = []
    this.#taken = 0
  }
}
