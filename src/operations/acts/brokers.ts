import type { BrokerProcess } from '../../../db/types.ts'
import type { Deps } from '../deps.ts'

/** A heartbeat of this age is missing. A process sends one every 350 ms. */
const MISSING_MS = 10_000

/**
 * Returns the brokers and workers that share this store, oldest first. One that ended without
 * goodbye is `missing` until a process of its name has started. Empty if the broker has the store
 * for itself.
 */
export async function brokersNow({
  store,
  clock,
}: Pick<Deps, 'store' | 'clock'>): Promise<
  (BrokerProcess & { heartbeatAgeMs: number; missing: boolean })[]
> {
  const nowMs = clock.nowMs()
  const all = await store.brokers()
  const isBack = ({ host, kind, work, seenAtMs }: BrokerProcess): boolean =>
    all.some(
      (broker) =>
        broker.startedAtMs >= seenAtMs &&
        broker.host === host &&
        broker.kind === kind &&
        broker.work === work,
    )
  return all
    .map((broker) => {
      const heartbeatAgeMs = Math.max(0, nowMs - broker.seenAtMs)
      return { ...broker, heartbeatAgeMs, missing: heartbeatAgeMs > MISSING_MS }
    })
    .filter((candidate) => !candidate.missing || !isBack(candidate))
}
