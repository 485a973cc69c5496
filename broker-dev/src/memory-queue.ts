import type { DeliveryRef } from '../../db/types.ts'
import type { DeliveryQueue, LocalLanes } from '../../src/outbox/interface.ts'

/**
 * The work queue in memory, so that no queue server has to start. Losing its jobs loses nothing,
 * because the delivery rows are the truth.
 */

type Perform = (ref: DeliveryRef) => Promise<void>

export function createMemoryQueue(): DeliveryQueue {
  const jobs = new Jobs()
  let lanes: LocalLanes | undefined
  return {
    add: (refs, delayMs = 0) => jobs.add(refs, delayMs),
    addUrgent: (refs) => jobs.add(lanes === undefined ? refs : lanes.take(refs), 0),
    useLanes(local) {
      lanes = local
    },
    targets: () => lanes?.states() ?? [],
    work: (perform, concurrency) => jobs.work(perform, concurrency),
    // The interface has no engine `memory`; `redis` is the nearest of its three.
    health: async () => ({ up: true, engine: 'redis' }),
    durability: async () => undefined,
    close: async () => jobs.close(),
  }
}

class Jobs {
  readonly #known = new Set<string>()
  readonly #timers = new Set<NodeJS.Timeout>()
  readonly #running = new Set<Promise<void>>()
  #due: DeliveryRef[] = []
  #perform: Perform | undefined
  #concurrency = 0

  /** Adds one job for each attempt. A job that is already waiting is not added twice. */
  add(refs: readonly DeliveryRef[], delayMs: number): void {
    for (const ref of refs) {
      if (this.#known.has(keyOf(ref))) continue
      this.#known.add(keyOf(ref))
      const timer = setTimeout(() => {
        this.#timers.delete(timer)
        this.#due.push(ref)
        this.#begin()
      }, delayMs)
      this.#timers.add(timer)
    }
  }

  work(perform: Perform, concurrency: number): { stop(): Promise<void> } {
    this.#perform = perform
    this.#concurrency = concurrency
    this.#begin()
    return {
      stop: async () => {
        this.#perform = undefined
        await Promise.all(this.#running)
      },
    }
  }

  close(): void {
    for (const timer of this.#timers) clearTimeout(timer)
    this.#due = []
  }

  #begin(): void {
    while (this.#perform !== undefined && this.#running.size < this.#concurrency) {
      const ref = this.#due.shift()
      if (ref === undefined) return
      this.#known.delete(keyOf(ref))
      const running: Promise<void> = this.#perform(ref)
        .catch(() => undefined)
        .finally(() => {
          this.#running.delete(running)
          this.#begin()
        })
      this.#running.add(running)
    }
  }
}

const keyOf = ({ id, attempt }: DeliveryRef): string => `${id}-${attempt}`
