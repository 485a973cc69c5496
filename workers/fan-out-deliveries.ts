import { setTimeout as sleep } from 'node:timers/promises'
import type { Deps } from '../src/deps.ts'

/**
 * Writes what wide revocations owe, a batch a transaction, so that sign-ins and refreshes go on between. The cutoff has been effective since
 * its commit; after a crash it goes on where the last batch ended.
 */

/** Some 10 ms of the store: a refresh that comes meanwhile waits for one of them. */
const BATCH = 50
const MOST_PAUSE_MS = 20

/** @param going false: the process is ending, the rest is written by the next */
export async function fanOutDeliveries(deps: Pick<Deps, 'store' | 'queue' | 'clock'>, going: () => boolean = () => true): Promise<void> {
  for (let more = true; more && going();) {
    const begunMs = performance.now()
    const batch = await deps.store.fanOutPending({ limit: BATCH, nowMs: deps.clock.nowMs() })
    if (batch.pending.length > 0) deps.queue.hurry(batch.pending)
    more = batch.more
    // Sign-ins and refreshes have at least half of the time. Deliveries are written faster than they can be sent all the same.
    if (more) await sleep(Math.min(performance.now() - begunMs, MOST_PAUSE_MS))
  }
}
