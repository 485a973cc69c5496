import type { Deps } from '../deps.ts'

/** Evidence that revocations were lost: the database is older than what guards have seen. The guard is told `reset`; an operator must look. */
export function noteLost(
  deps: Pick<Deps, 'log' | 'metrics'>,
  { clientId, guardId, seq, head }: { clientId: string; guardId: string; seq: number; head: number },
): void {
  deps.metrics.guardsAhead.inc({ client: clientId })
  deps.log.error('guard_ahead_of_log', {
    client_id: clientId,
    guard: guardId,
    seq,
    head,
    next: 'Revocations after this head were lost: the database was put back to an earlier state. See docs/operations.md, BrokerLogLost.',
  })
}
