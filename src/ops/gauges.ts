import type { Deps } from '../deps.ts'

/** Gauges are read from the store and the feed at each scrape, so that they are right after a restart too. */
export async function refreshGauges(deps: Deps): Promise<void> {
  const { metrics, store, feed, clock } = deps
  const [counts, sessions] = await Promise.all([store.deliveryCounts(), store.liveSessionCount(clock.now())])
  metrics.owed.reset()
  metrics.oldestOwedSeconds.reset()
  metrics.guards.reset()
  metrics.sessions.set(sessions)
  for (const { clientId, state, count, oldestAtMs } of counts) {
    metrics.owed.set({ client: clientId, state }, count)
    if (state === 'owed' && oldestAtMs !== undefined)
      metrics.oldestOwedSeconds.set({ client: clientId }, Math.max(0, (clock.nowMs() - oldestAtMs) / 1000))
  }
  const streams = new Map<string, number>()
  for (const { clientId } of feed.streams()) streams.set(clientId, (streams.get(clientId) ?? 0) + 1)
  for (const [client, open] of streams) metrics.guards.set({ client }, open)
}
