import type { Deps } from '../src/deps.ts'

/**
 * Writes what wide revocations owe, a batch a transaction, so that sign-ins and refreshes go on between. The cutoff has been effective since
 * its commit; after a crash it goes on where the last batch ended.
 */

const BATCH = 500

/** @param going false: the process is ending, the rest is written by the next */
export async function oweDeliveries(deps: Pick<Deps, 'store' | 'queue' | 'clock'>, going: () => boolean = () => true): Promise<void> {
  for (let more = true; more && going();) {
    const batch = await deps.store.owePending({ limit: BATCH, nowMs: deps.clock.nowMs() })
    if (batch.owed.length > 0) deps.queue.hurry(batch.owed)
    more = batch.more
    // Let what waits for the store and the network have its turn.
    await new Promise((done) => setImmediate(done))
  }
}
