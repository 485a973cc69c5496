/** Passes each value to all subscribers synchronously. A subscriber must not throw. */
export class Topic<T> {
  readonly #subscribers = new Set<(value: T) => void>()

  /**
   * Calls `subscriber` for each further value.
   * @returns a function that ends the subscription
   */
  subscribe(subscriber: (value: T) => void): () => void {
    this.#subscribers.add(subscriber)
    return () => void this.#subscribers.delete(subscriber)
  }
  publish(value: T): void {
    for (const subscriber of this.#subscribers) subscriber(value)
  }
}

/**
 * A topic that keeps values published before the first subscriber, each once, and passes them to
 * it.
 */
export class HeldTopic<T> extends Topic<T> {
  #held: Set<T> | undefined = new Set()

  override subscribe(subscriber: (value: T) => void): () => void {
    const end = super.subscribe(subscriber)
    const held = this.#held
    this.#held = undefined
    for (const value of held ?? []) subscriber(value)
    return end
  }
  override publish(value: T): void {
    if (this.#held === undefined) super.publish(value)
    else this.#held.add(value)
  }
}
