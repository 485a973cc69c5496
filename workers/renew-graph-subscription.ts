import type { Deps } from './deps.ts'
import { graphTenants } from '../src/signals/received/tenants.ts'

/**
 * Asks for the renewal of each tenant's subscription: at the start of this process, when something may have been missed, and by a timer. The work itself
 * is a row like any other, so that it is retried until it is done.
 */
export function subscriptionCare(deps: Pick<Deps, 'config' | 'connection' | 'store' | 'clock'>): () => Promise<void> {
  const begun = new Set<string>()
  return async () => {
    for (const tid of graphTenants(deps)) {
      const why = begun.has(tid) ? 'timer' : 'start'
      // Not asked for again while it is pending: that would undo its backoff.
      const pending = await deps.store.hasPendingMicrosoftWork({ kind: 'tend_subscription', tid, oid: why })
      if (!pending) await deps.store.askMicrosoft([{ kind: 'tend_subscription', tid, oid: why }], deps.clock.nowMs())
      begun.add(tid)
    }
  }
}
