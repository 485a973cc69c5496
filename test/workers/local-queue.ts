import type { DeliveryRef } from '../../db/types.ts'
import type { DeliveryQueue, Drive, LocalLanes } from '../../src/outbox/interface.ts'

/**
 * The queue of a process whose queue server is down. It does without BullMQ, for tests that are not
 * about it.
 */
export class LocalQueue implements DeliveryQueue {
  readonly sent: DeliveryRef[] = []
  readonly changes: { seq: number; failure: string | undefined }[] = []
  #lanes: LocalLanes | undefined

  send(refs: readonly DeliveryRef[]): void {
    this.sent.push(...refs)
    this.#lanes?.take(refs)
  }
  changed(seq: number, failure?: string): void {
    this.changes.push({ seq, failure })
  }
  targets() {
    return this.#lanes?.states() ?? []
  }
  work(lanes: LocalLanes) {
    this.#lanes = lanes
    return { stop: async () => void (this.#lanes = undefined) }
  }
  async job() {
    return undefined
  }
  async jobs() {
    return undefined
  }
  async health() {
    return { up: false, engine: 'valkey' as const, problem: 'It is down.' }
  }
  async durability() {
    return undefined
  }
  async close(): Promise<void> {}
}

/** A queue that runs the job of a revocation whenever something about it has changed. */
export class DrivenQueue extends LocalQueue {
  #drive: Drive | undefined

  override changed(seq: number, failure?: string): void {
    super.changed(seq, failure)
    void this.#drive?.(seq)
  }
  override work(lanes: LocalLanes, drive?: Drive) {
    this.#drive = drive
    return super.work(lanes)
  }
}
