import type { DeliveryRef } from '../../db/types.ts'
import type { DeliveryQueue, LocalLanes } from '../../src/outbox/interface.ts'

/**
 * The queue of a process whose queue server is down, or (`up`) that runs its jobs at once. It does
 * without BullMQ, for tests that are not about it.
 */
export class LocalQueue implements DeliveryQueue {
  readonly jobs: { ref: DeliveryRef; delayMs: number }[] = []
  #lanes: LocalLanes | undefined

  add(refs: readonly DeliveryRef[], delayMs = 0): void {
    for (const ref of refs) this.jobs.push({ ref, delayMs })
  }
  addUrgent(refs: readonly DeliveryRef[]): void {
    this.add(this.#lanes === undefined ? refs : this.#lanes.take(refs))
  }
  useLanes(lanes: LocalLanes | undefined): void {
    this.#lanes = lanes
  }
  targets() {
    return this.#lanes?.states() ?? []
  }
  work() {
    return { stop: async () => {} }
  }
  async health() {
    return { up: false, engine: 'valkey' as const, problem: 'It is down.' }
  }
  async durability() {
    return undefined
  }
  async close(): Promise<void> {}
}
