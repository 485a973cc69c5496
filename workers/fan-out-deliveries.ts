import { pacing } from '../db/engine/pace.ts'
import type { Deps } from './deps.ts'
import { inPages } from './repeat.ts'

/**
 * Writes the deliveries of wide revocations, one batch per transaction, so that sign-ins and
 * refreshes continue in between. The revocation itself has been effective since its commit. After a
 * crash the work continues after the last batch.
 */

/**
 * The page size. It is small because deliveries are written faster than they can be sent anyway.
 */
const LIMITS = { most: 50 }

/**
 * Writes the deliveries of all wide revocations that are pending.
 * @param going false when the process is ending; the next process writes the rest
 */
export async function fanOutDeliveries(
  deps: Pick<Deps, 'store' | 'queue' | 'clock'>,
  going: () => boolean = () => true,
): Promise<void> {
  await inPages(pacing(LIMITS), going, async (limit) => {
    const { pending, more } = await deps.store.fanOutPending({ limit })
    deps.queue.send(pending)
    return more
  })
}
