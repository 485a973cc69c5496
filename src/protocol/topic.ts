/** Passes each value to every subscriber, at once. A subscriber must not throw. */
export class Topic<T> {
  readonly #subscribers = new Set<(value: T) => void>()

  /** @returns what ends the subscription */
  subscribe(subscriber: (value: T) => void): () => void {
    this.#subscribers.add(subscriber)
    return () => void this.#subscribers.delete(subscriber)
  }
  publish(value: T): void {
    for (const subscriber of this.#subscribers) subscriber(value)
  }
}
