import type { Check, Looking } from './check.ts'
import { failed, type Found, ok } from './finding.ts'

/** Checks that locks are lifted at their end. */

/**
 * Seconds of delay that fail the check. The worker runs every second, but waits while the clock is
 * wrong.
 */
const LATE_SECONDS = 300

export const lockChecks: readonly Check[] = [
  {
    id: 'locks',
    question: 'Are locks lifted on time?',
    cost: { everySeconds: 60 },
    severity: 'ticket',
    look: onTime,
  },
]

async function onTime({ deps, now }: Looking): Promise<Found[]> {
  const locks = await deps.store.lockCounts()
  if (
    locks.some(({ firstEndsAt }) => firstEndsAt !== undefined && firstEndsAt < now - LATE_SECONDS)
  )
    return [
      failed(
        'A lock is still open although its end has passed: its user cannot sign in.',
        'Check the clock (cmb doctor). cmb locks list names the lock, and cmb unlock lifts it.',
      ),
    ]
  return [ok('Nothing is late.')]
}
