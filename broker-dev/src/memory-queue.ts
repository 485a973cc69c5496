import type { DeliveryQueue, Driven, LocalLanes } from '../../src/outbox/interface.ts'

/**
 * The work queue in memory, so that no queue server has to start. Losing its jobs loses nothing,
 * because the delivery rows are the truth.
 */

/** The time in which the outcomes of a revocation are collected before its job runs. */
const COLLECT_MS = 250

export function createMemoryQueue(): DeliveryQueue {
  /** The next run of each revocation's job. */
  const timers = new Map<number, NodeJS.Timeout>()
  let lanes: LocalLanes | undefined
  let drive: ((seq: number) => Promise<Driven>) | undefined
  const later = (seq: number, delayMs: number): void => {
    clearTimeout(timers.get(seq))
    timers.set(
      seq,
      setTimeout(() => void run(seq), delayMs),
    )
  }
  const run = async (seq: number): Promise<void> => {
    timers.delete(seq)
    const { againMs } = (await drive?.(seq)) ?? {}
    if (againMs !== undefined && !timers.has(seq)) later(seq, againMs)
  }
  return {
    send(refs) {
      lanes?.take(refs)
      for (const { seq } of refs) if (seq !== undefined) later(seq, COLLECT_MS)
    },
    changed: (seq) => later(seq, COLLECT_MS),
    targets: () => lanes?.states() ?? [],
    work(local, perform) {
      ;[lanes, drive] = [local, perform]
      return {
        async stop() {
          lanes = drive = undefined
        },
      }
    },
    job: async () => undefined,
    jobs: async () => ({ waiting: 0, active: 0, delayed: timers.size, failed: 0 }),
    // The interface has no engine `memory`; `redis` is the nearest of its three.
    health: async () => ({ up: true, engine: 'redis' }),
    durability: async () => undefined,
    async close() {
      for (const timer of timers.values()) clearTimeout(timer)
    },
  }
}
