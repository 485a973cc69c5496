import type { Why } from './claims.ts'
import type { LogoutCounters } from './logout-receiver.ts'
import type { Parts } from './parts.ts'
import type { Problem } from './problems.ts'
import { isStale } from './staleness.ts'

export interface GuardStatus {
  /** The first snapshot is whole, and there has been no reset since. */
  ready: boolean
  connected: boolean
  /** By the staleness policy's `afterSeconds`. */
  stale: boolean
  /** Milliseconds since the broker last sent something; Infinity before it ever did. */
  silentForMs: number
  /** The broker's clock less this machine's; 0 within what can be measured; undefined where that is not known. */
  clockOffsetSeconds: number | undefined
  lastProblem: Problem | undefined
  epoch: string | undefined
  enforcedSeq: number
  /** The newest that the broker has noted. */
  reportedSeq: number | undefined
  entries: number
  /** What was authorized before it is rejected, because there were more revocations than `maxEntries`. */
  cutoffSeq: number | undefined
  cachedTokens: number
  /** Connections that `hold` watches now. */
  holds: number
  keys: number
  counters: {
    checks: number
    cacheHits: number
    accepted: number
    introspections: number
    connects: number
    events: number
    duplicates: number
    resets: number
    jwksFetches: number
    reports: number
    rejected: Partial<Record<Why, number>>
    logout: LogoutCounters
  }
}

export function statusOf(
  { brokerClock, cache, checker, feed, follower, holds, keys, lastProblem, ledger, reporter, settings }: Parts,
  logout: LogoutCounters,
): GuardStatus {
  const silentForMs = feed.freshness.silentForMs()
  return {
    ready: feed.ready,
    connected: follower.connected,
    stale: isStale(settings.staleness, silentForMs),
    silentForMs,
    clockOffsetSeconds: brokerClock.offsetSeconds,
    lastProblem: lastProblem(),
    epoch: feed.epoch,
    enforcedSeq: feed.enforcedSeq,
    reportedSeq: reporter.reportedSeq,
    entries: ledger.size,
    cutoffSeq: ledger.cutoffSeq,
    cachedTokens: cache.size,
    holds: holds.size,
    keys: keys.size,
    counters: {
      ...checker.counters,
      ...feed.counters,
      connects: follower.connects,
      jwksFetches: keys.fetches,
      reports: reporter.reports,
      rejected: { ...checker.rejected },
      logout: { ...logout },
    },
  }
}
