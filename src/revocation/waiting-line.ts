import type { DeliveryRef } from '../../db/types.ts'

/** `early`: before it is due. Its failure is not counted as an attempt. */
export interface Waiting {
  ref: DeliveryRef
  early: boolean
}

/** First come, first served, each delivery once. (A `Map` that is walked from its front gets slower with each entry that is taken.) */
export class WaitingLine {
  readonly #ids = new Set<string>()
  #line: Waiting[] = []
  #taken = 0

  get size(): number {
    return this.#ids.size
  }

  has(id: string): boolean {
    return this.#ids.has(id)
  }

  add(one: Waiting): void {
    this.#ids.add(one.ref.id)
    this.#line.push(one)
  }

  next(): Waiting | undefined {
    const one = this.#line[this.#taken]
    if (one === undefined) return undefined
    this.#ids.delete(one.ref.id)
    this.#taken++
    if (this.#taken * 2 >= this.#line.length) {
      this.#line = this.#line.slice(this.#taken)
      this.#taken = 0
    }
    return one
  }

  clear(): void {
    this.#ids.clear()
    this.#line = []
    this.#taken = 0
  }
}
