import type { Deps } from './deps.ts'
import { lockTargetName } from '../src/protocol/lock-target.ts'

/**
 * Lifts locks whose end has come. Each batch is one act of the store, so that of several brokers one lifts each. While the clock is wrong it
 * lifts none: a lock lasts longer then, and never shorter.
 */

/** How many locks one act lifts. */
const BATCH = 20

type Needs = Pick<Deps, 'store' | 'clock' | 'clockWatch' | 'log' | 'metrics'>

export async function liftLocks({ store, clock, clockWatch, log, metrics }: Needs, going: () => boolean = () => true): Promise<void> {
  for (let more = true; more && going();) {
    const now = clock.now()
    // After the clock was read, so that no step comes in between.
    if (clockWatch.disagrees()) return
    const lifted = await store.liftDueLocks({ now, limit: BATCH })
    for (const { id, target, endsAt } of lifted) {
      metrics.locks.inc({ change: 'lifted', kind: target.kind })
      log.warn('lock_lifted', { lock: id, kind: target.kind, target: lockTargetName(target), ends_at: endsAt, actor: 'lift-locks' })
    }
    more = lifted.length === BATCH
  }
}
