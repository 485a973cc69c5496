import type { Check, Looking } from './check.ts'
import { failed, type Found, ok, warning } from './finding.ts'

/** Locks and scheduled acts: whether what is due was done. */

/** The worker looks once a second; it waits while the clock is wrong. */
const LATE_SECONDS = 300

export const lockChecks: readonly Check[] = [
  {
    id: 'locks',
    question: 'Are locks lifted, and scheduled acts done, on time?',
    cost: { everySeconds: 60 },
    severity: 'ticket',
    look: onTime,
  },
]

async function onTime({ deps, now }: Looking): Promise<Found[]> {
  const [locks, acts] = await Promise.all([deps.store.lockCounts(), deps.store.scheduledCounts()])
  const isLate = (at: number | undefined): boolean => at !== undefined && at < now - LATE_SECONDS
  const found: Found[] = []
  if (locks.some(({ firstEndsAt }) => isLate(firstEndsAt)))
    found.push(
      failed(
        'A lock is still open although its end has passed: its user cannot sign in.',
        'Check the clock (cmb doctor). cmb locks list names the lock, and cmb unlock lifts it.',
      ),
    )
  if (acts.some(({ state, firstDueAt }) => state === 'scheduled' && isLate(firstDueAt)))
    found.push(
      failed(
        'A scheduled act is not done although its time has passed.',
        'Check the clock (cmb doctor), and do it by hand: cmb scheduled list names it.',
      ),
    )
  const held = acts.find(({ state }) => state === 'held')?.count ?? 0
  if (held > 0)
    found.push(
      warning(
        `${held} scheduled act(s) are held since the restore.`,
        'Schedule again what is still needed, then cancel the held ones: cmb scheduled list --state held.',
      ),
    )
  return found.length > 0 ? found : [ok('Nothing is late.')]
}
