import { pacing } from '../db/engine/pace.ts'
import type { Deps } from './deps.ts'
import { inPages } from './repeat.ts'

/**
 * Writes the deliveries of wide revocations, a batch a transaction, so that sign-ins and refreshes
 * go on between. The cutoff has been effective since its commit; after a crash it goes on where the
 * last batch ended.
 */

/** Deliveries are written faster than they can be sent all the same. */
const LIMITS = { most: 50 }

/** @param going false: the process is ending, the rest is written by the next */
export async function fanOutDeliveries(
  deps: Pick<Deps, 'store' | 'queue' | 'clock'>,
  going: () => boolean = () => true,
): Promise<void> {
  await inPages(pacing(LIMITS), going, async (limit) => {
    const { pending, more } = await deps.store.fanOutPending({ limit })
    if (pending.length > 0) deps.queue.addUrgent(pending)
    return more
  })
}
