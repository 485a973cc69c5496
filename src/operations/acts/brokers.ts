import type { BrokerProcess } from '../../../db/types.ts'
import type { Deps } from '../deps.ts'

/**
 * Returns the brokers and workers that share this store, oldest first. Empty if the broker has the
 * store for itself.
 */
export async function brokersNow({
  store,
  clock,
}: Pick<Deps, 'store' | 'clock'>): Promise<(BrokerProcess & { heartbeatAgeMs: number })[]> {
  const nowMs = clock.nowMs()
  return (await store.brokers()).map((one) => ({
    ...one,
    heartbeatAgeMs: Math.max(0, nowMs - one.seenAtMs),
  }))
}
