import type { Committed } from '../../db/types.ts'
import type { Deps } from './deps.ts'
import { encodeSelector } from '../protocol/selector.ts'
import { parseTraceparent } from '../runtime/request-context.ts'

/**
 * Announces what a commit of the store revoked. The store calls it (Store.onRevoked), so that no
 * act can forget to.
 */

type AnnounceDeps = Pick<Deps, 'feed' | 'queue' | 'metrics' | 'log'>

/**
 * Guards first (milliseconds), then the deliveries. Those of a wide revocation are not written yet;
 * the worker that writes them listens to the feed. Synchronous, and never throws: the user who
 * signs out waits for none of it.
 */
export function announce(deps: AnnounceDeps, committed: readonly Committed[]): void {
  for (const { revocation, sub, pending } of committed) {
    attempt(deps, 'feed', () => deps.feed.publish(revocation))
    if (pending.length > 0) attempt(deps, 'queue', () => deps.queue.addUrgent(pending))
    deps.metrics.revocations.inc({ reason: revocation.reason })
    const { kind, ...members } = encodeSelector(revocation.selector)
    deps.log.info('revoked', {
      seq: revocation.seq,
      selector: kind,
      ...members,
      sub,
      reason: revocation.reason,
      actorKind: revocation.actor.kind,
      actor: revocation.actor.id,
      tid: revocation.tid,
      sessions: revocation.sessions,
      pending: pending.length,
      fanOut: revocation.fanOut,
      trace_id: parseTraceparent(revocation.traceparent)?.traceId,
    })
  }
}

/**
 * One listener's fault keeps nothing from the next: feeds resume by seq, the relay finds pending
 * deliveries.
 */
function attempt(deps: Pick<Deps, 'log'>, part: string, tell: () => void): void {
  try {
    tell()
  } catch (error) {
    deps.log.error('announce_failed', { part, cause: error })
  }
}
