/**
 * A bounded map: the oldest entry is removed when it is full, and an entry when it expires. A
 * simulator must not grow without limit.
 */
export class BoundedMap<K, V> {
  readonly #entries = new Map<K, { value: V; expiresAtMs: number }>()
  readonly #max: number
  readonly #nowMs: () => number
  constructor(max: number, nowMs: () => number = Date.now) {
    this.#max = max
    this.#nowMs = nowMs
  }

  get size(): number {
    return this.#entries.size
  }

  get(key: K): V | undefined {
    const entry = this.#entries.get(key)
    if (!entry) return undefined
    if (entry.expiresAtMs > this.#nowMs()) return entry.value
    this.#entries.delete(key)
    return undefined
  }

  set(key: K, value: V, ttlMs: number = Number.POSITIVE_INFINITY): void {
    this.#entries.delete(key)
    this.#entries.set(key, { value, expiresAtMs: this.#nowMs() + ttlMs })
    if (this.#entries.size <= this.#max) return
    const oldest = this.#entries.keys().next()
    if (!oldest.done) this.#entries.delete(oldest.value)
  }

  delete(key: K): void {
    this.#entries.delete(key)
  }

  *values(): Generator<V> {
    for (const key of [...this.#entries.keys()]) {
      const value = this.get(key)
      if (value !== undefined) yield value
    }
  }
}
