import type { Committed } from '../../db/types.ts'
import type { Deps } from './deps.ts'
import { encodeSelector } from '../protocol/selector.ts'
import { parseTraceparent } from '../runtime/request-context.ts'

/**
 * Announces what a commit of the store revoked. The store calls it (Store.onRevoked), so that every
 * act announces its revocations.
 */

type AnnounceDeps = Pick<Deps, 'feed' | 'queue' | 'metrics' | 'log'>

/**
 * Publishes revocations to the guards, then sends the urgent deliveries. The worker of wide
 * revocations writes and sends their deliveries. This never throws and does not wait, so a
 * sign-out answers at once.
 */
export function announce(deps: AnnounceDeps, committed: readonly Committed[]): void {
  for (const { revocation, sub, pending, registryVersion } of committed) {
    attempt(deps, 'feed', () => deps.feed.publish(revocation, registryVersion))
    attempt(deps, 'queue', () => deps.queue.send(pending))
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
 * Runs one announcement and logs an error. The others still run: the feed resumes by `seq`, and the
 * relay finds pending deliveries.
 */
function attempt(deps: Pick<Deps, 'log'>, part: string, run: () => void): void {
  try {
    run()
  } catch (error) {
    deps.log.error('announce_failed', { part, cause: error })
  }
}
