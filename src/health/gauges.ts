import type { Deps } from '../deps.ts'
import { probePause } from '../microsoft/probe-pause.ts'
import type { Readiness } from '../checks/readiness.ts'

/** Gauges are read from the store and the feed at each scrape, so that they are right after a restart too. */
export async function refreshGauges(deps: Deps, readiness: () => Promise<Readiness>): Promise<void> {
  const { metrics, store, feed, clock } = deps
  // First, and without asking the store for anything: that it is down is what has to be told.
  for (const [part, { state }] of Object.entries((await readiness()).parts)) {
    if (state === 'not_connected') metrics.partUp.remove({ part })
    else metrics.partUp.set({ part }, state === 'up' ? 1 : 0)
  }
  const [counts, sessions] = await Promise.all([store.deliveryCounts(), store.liveSessionCount(clock.now())])
  metrics.pending.reset()
  metrics.oldestPendingSeconds.reset()
  metrics.guards.reset()
  metrics.sessions.set(sessions)
  metrics.probePaused.reset()
  for (const tid of deps.connection.current().tenants) metrics.probePaused.set({ tid }, (await probePause(store, tid)) === undefined ? 0 : 1)
  for (const { clientId, state, count, oldestAtMs } of counts) {
    metrics.pending.set({ client: clientId, state }, count)
    if (state === 'pending' && oldestAtMs !== undefined)
      metrics.oldestPendingSeconds.set({ client: clientId }, Math.max(0, (clock.nowMs() - oldestAtMs) / 1000))
  }
  const streams = new Map<string, number>()
  for (const { clientId } of feed.streams()) streams.set(clientId, (streams.get(clientId) ?? 0) + 1)
  for (const [client, open] of streams) metrics.guards.set({ client }, open)
}
