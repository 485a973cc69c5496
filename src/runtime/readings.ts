/** Readings of one state that may overlap. The one that began last has read the latest state: an earlier one that ends after it is dropped. */
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
