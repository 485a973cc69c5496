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

/** Keeps what is published before there is a subscriber, each value once, for the first one. */
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
