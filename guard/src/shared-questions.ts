import type { Clock } from './clock.ts'

/** The time in which requests share a question. It is shorter than the shortest lease. */
const SHARED_MS = 500

/**
 * The questions to the broker that have no answer yet. Requests that come within half a second share
 * the answer. A later request needs a new one, because what it asks about may have been revoked since.
 */
export class SharedQuestions<Answer> {
  readonly #clock: Clock
  readonly #asking = new Map<string, { sentMs: number; answer: Promise<Answer> }>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  get size(): number {
    return this.#asking.size
  }

  /** Makes each later request send a question of its own. */
  clear(): void {
    this.#asking.clear()
  }

  /** Returns the answer to the question with this key, which `send` asks if there is none to share. */
  ask(key: string, send: () => Promise<Answer>): Promise<Answer> {
    const sentMs = this.#clock.elapsedMs()
    const running = this.#asking.get(key)
    if (running !== undefined && sentMs - running.sentMs < SHARED_MS) return running.answer
    const answer = send().finally(() => {
      if (this.#asking.get(key)?.answer === answer) this.#asking.delete(key)
    })
    this.#asking.set(key, { sentMs, answer })
    return answer
  }
}
