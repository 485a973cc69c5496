import type { Driven, LocalLanes } from '../src/outbox/interface.ts'
import { receiptOf } from '../src/revocation/receipt.ts'
import type { Deps } from './deps.ts'

/**
 * The work of a revocation's job: it passes the deliveries that are due to the lanes and counts all
 * of them. It never waits for an attempt. The outcome of an attempt lets the job run again.
 */

type Needs = Pick<Deps, 'store' | 'clock' | 'clockWatch' | 'log' | 'feed' | 'clients'>

/** The most deliveries that one run passes on. The relay finds further ones. */
const MOST = 500
/** The time until the next look at a revocation whose deliveries are still being written. */
const SOON_MS = 5_000
/** The time until the next look if no delivery has a time: each runs, or its target is down. */
const LATER_MS = 15 * 60_000

export async function driveRevocation(
  deps: Needs,
  lanes: LocalLanes,
  seq: number,
): Promise<Driven> {
  const { store, clock, log } = deps
  try {
    const nowMs = clock.steadyMs()
    const pending = await store.listDeliveries({ seq, state: 'pending', limit: MOST })
    let againMs = LATER_MS
    for (const { id, attempts, targetId, priority, nextAttemptAtMs = nowMs } of pending)
      // A new delivery is due whatever the clock says.
      if (attempts === 0 || nextAttemptAtMs <= nowMs)
        lanes.take([{ id, attempt: attempts + 1, targetId, priority, seq }])
      else againMs = Math.min(againMs, nextAttemptAtMs - nowMs)
    const { totals, fanOut, selector } = (await store.findRevocation(seq)) ?? {}
    if (fanOut === 'pending') againMs = SOON_MS
    else if (!totals?.pending) {
      // Only the totals of a wide revocation's deliveries are known, so the receipt keeps when all
      // of them had succeeded.
      if (selector !== undefined && !('sid' in selector || 'sub' in selector))
        await receiptOf(deps, seq)
      return { totals }
    }
    return { totals, againMs }
  } catch (error) {
    log.error('worker_failed', { worker: 'drive-revocation', cause: error })
    return { againMs: SOON_MS }
  }
}

/** The number of pending deliveries that one turn of the relay looks at. */
const PAGE = 50

/**
 * Returns a turn of the relay. It goes round over the revocations with pending deliveries, a page a
 * turn, and adds their jobs, which the queue may have lost.
 */
export function addingJobs({ store, queue }: Pick<Deps, 'store' | 'queue'>): () => Promise<void> {
  let afterMs = 0
  return async () => {
    const { seqs, nextMs = 0 } = await store.pendingRevocations({ afterMs, limit: PAGE })
    afterMs = nextMs
    for (const seq of seqs) queue.changed(seq)
  }
}
