import type { DeliveryRef } from '../../db/types.ts'

/** First come, first served, each delivery once. (A `Map` walked from its front gets slower with each entry that was taken from it.) */
export class WaitingLine {
  readonly #ids = new Set<string>()
  #line: DeliveryRef[] = []
  #taken = 0

  get size(): number {
    return this.#ids.size
  }

  has(id: string): boolean {
    return this.#ids.has(id)
  }

  add(ref: DeliveryRef): void {
    this.#ids.add(ref.id)
    this.#line.push(ref)
  }

  next(): DeliveryRef | undefined {
    const ref = this.#line[this.#taken]
    if (ref === undefined) return undefined
    this.#ids.delete(ref.id)
    this.#taken++
    if (this.#taken * 2 >= this.#line.length) {
      this.#line = this.#line.slice(this.#taken)
      this.#taken = 0
    }
    return ref
  }

  clear(): void {
    this.#ids.clear()
    this.#line = []
    this.#taken = 0
  }
}
