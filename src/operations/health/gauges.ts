import { statfs } from 'node:fs/promises'
import { lastBackupAt } from '../acts/last-backup.ts'
import type { Checks } from '../checks/checks.ts'
import { CHECKS } from '../checks/list.ts'
import { readinessOf } from '../checks/readiness.ts'
import type { Deps } from '../deps.ts'
import { probePause } from '../../microsoft/probe-pause.ts'

/**
 * Reads the gauges from the database and the feed at each scrape, so that they are correct after a
 * restart too.
 */
export async function refreshGauges(deps: Deps, checks: Checks): Promise<void> {
  const { config, metrics, store, feed, clock, clockWatch } = deps
  // Refreshed first and without the database, so that its outage shows.
  await refreshChecks(deps, checks)
  await refreshStorage(deps)
  const [counts, sessions] = await Promise.all([
    store.deliveryCounts(),
    store.liveSessionCount(clock.now()),
  ])
  metrics.pending.reset()
  metrics.oldestPendingSeconds.reset()
  metrics.guards.reset()
  metrics.sessions.set(sessions)
  const backupAt = await lastBackupAt(store)
  // Postgres may be backed up by other tools that the broker does not know, so no alert may expect
  // cmb backup there.
  if (config.databaseUrl === undefined || backupAt > 0) metrics.lastBackupAt.set(backupAt)
  else metrics.lastBackupAt.remove()
  metrics.clockAheadSeconds.set(clockWatch.aheadSeconds())
  // Uses the later time, so that deliveries do not look new after the clock was set back.
  const nowMs = clockWatch.disagrees() ? Math.max(clock.nowMs(), clock.steadyMs()) : clock.nowMs()
  metrics.probePaused.reset()
  for (const tid of deps.connection.current().tenants)
    metrics.probePaused.set({ tid }, (await probePause(store, tid)) === undefined ? 0 : 1)
  for (const { clientId, state, count, oldestAtMs } of counts) {
    metrics.pending.set({ client: clientId, state }, count)
    if (state === 'pending' && oldestAtMs !== undefined)
      metrics.oldestPendingSeconds.set(
        { client: clientId },
        Math.max(0, (nowMs - oldestAtMs) / 1000),
      )
  }
  await refreshLocks(deps)
  const streams = new Map<string, number>()
  for (const { clientId } of feed.streams()) streams.set(clientId, (streams.get(clientId) ?? 0) + 1)
  for (const [client, open] of streams) metrics.guards.set({ client }, open)
}

async function refreshLocks({ metrics, store }: Deps): Promise<void> {
  const locks = await store.lockCounts()
  for (const kind of ['user', 'tenant', 'client'] as const)
    metrics.openLocks.set({ kind }, locks.find((lock) => lock.kind === kind)?.open ?? 0)
}

/** Refreshed before the database is queried, because a full disk may be why it fails. */
async function refreshStorage({ metrics, config, store }: Deps): Promise<void> {
  const [disk, size] = await Promise.all([statfs(config.dataDir), store.size()])
  metrics.diskFreeBytes.set(disk.bavail * disk.bsize)
  metrics.diskBytes.set(disk.blocks * disk.bsize)
  metrics.databaseBytes.set(size.bytes)
  if (config.databaseUrl === undefined) metrics.walBytes.set(size.walBytes)
  else metrics.walBytes.remove()
}

async function refreshChecks(deps: Deps, checks: Checks): Promise<void> {
  const { metrics, connection, microsoft } = deps
  const { parts, checks: wrong } = await readinessOf(deps, checks)
  for (const [part, { state }] of Object.entries(parts)) {
    if (state === 'not_connected') metrics.partUp.remove({ part })
    else metrics.partUp.set({ part }, state === 'up' ? 1 : 0)
  }
  for (const { id } of CHECKS.filter(({ cost }) => cost !== 'on_demand'))
    for (const state of ['warning', 'failed'])
      metrics.checkFindings.set(
        { check: id, state },
        wrong.filter((candidate) => candidate.check === id && candidate.state === state).length,
      )
  const [end, kind] = [await microsoft.credentialEnd(), connection.current().credential?.kind]
  metrics.credentialExpiresAt.reset()
  if (end !== undefined && kind !== undefined) metrics.credentialExpiresAt.set({ kind }, end)
}
