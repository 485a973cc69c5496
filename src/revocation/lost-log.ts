import type { Deps } from './deps.ts'
import type { FeedPosition } from './interface.ts'

/** Whether a guard names a number of this log that the database does not have: after its head, or only of a Postgres server that failed. */
export const isLost = (store: Pick<Deps['store'], 'wasLost'>, head: FeedPosition, { epoch, seq }: FeedPosition): boolean =>
  epoch === head.epoch && (seq > head.seq || store.wasLost(seq))

/** Evidence that revocations were lost: the database is older than what guards have seen. A guard beyond the head gets `reset`; an operator must look. */
export function noteLost(
  deps: Pick<Deps, 'log' | 'metrics' | 'rateLimits'>,
  { clientId, guardId, seq, head }: { clientId: string; guardId: string; seq: number; head: number },
): void {
  deps.metrics.guardsAhead.inc({ client: clientId })
  // A guard that is wrong, or taken over, reports as often as it wants.
  if (!deps.rateLimits.mayLog({ clientId })) return
  deps.log.error('guard_ahead_of_log', {
    client_id: clientId,
    guard: guardId,
    seq,
    head,
    next: 'Revocations that this guard enforces were lost: the database was restored to an earlier state. See docs/alerts.md, BrokerLogLost.',
  })
}
