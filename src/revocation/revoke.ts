import type { Committed } from '../../db/types.ts'
import type { RevokeInput, Store } from '../../db/store.ts'
import type { Deps } from '../deps.ts'
import { encodeSelector } from '../protocol/selector.ts'

/**
 * The one function by which a session, a grant, a user, a client, a tenant or everything is revoked. It decides nothing: the store's
 * transaction does. It refuses to wait: what was committed is announced, and whoever is down hears of it later.
 */

export type AnnounceDeps = Pick<Deps, 'feed' | 'queue' | 'metrics' | 'log'> & Partial<Pick<Deps, 'config'>>

/** The store's answer, after what it committed was announced. @throws StoreUnavailable: nothing was revoked */
export async function revoke(deps: AnnounceDeps & { store: Pick<Store, 'revoke'> }, input: RevokeInput): ReturnType<Store['revoke']> {
  const answer = await deps.store.revoke({ ...input, ...alsoAtMicrosoft(deps, input) })
  if (answer.outcome === 'revoked') announce(deps, [answer.committed])
  return answer
}

/** Signing out everywhere goes on to Microsoft in tenants that want it so; owed in the same transaction. */
const alsoAtMicrosoft = ({ config }: AnnounceDeps, { reason }: RevokeInput): Pick<RevokeInput, 'alsoAtMicrosoft'> =>
  reason === 'signed_out_everywhere' ? { alsoAtMicrosoft: config?.signals.revokeAtMicrosoft } : {}

/**
 * What any operation of the store committed: guards first (milliseconds), then the deliveries. What a wide revocation owes is still
 * pending; the worker that writes it listens to the feed. Synchronous, and never throws: the user who signs out waits for none of it.
 */
export function announce(deps: AnnounceDeps, committed: readonly Committed[]): void {
  for (const { revocation, sub, pending } of committed) {
    attempt(deps, 'feed', () => deps.feed.publish(revocation))
    if (pending.length > 0) attempt(deps, 'queue', () => deps.queue.hurry(pending))
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
    })
  }
}

/** One listener's fault keeps nothing from the next: feeds resume by seq, the relay finds what is owed. */
function attempt(deps: Pick<Deps, 'log'>, part: string, tell: () => void): void {
  try {
    tell()
  } catch (error) {
    deps.log.error('announce_failed', { part, cause: error })
  }
}
