import type { LoggedRevocation } from '../../../db/types.ts'
import type { z } from 'zod'
import type { guardProof as guardProofShape } from '../contract/shapes.ts'
import type { Deps } from '../deps.ts'

/**
 * Every guard that follows the feed now or has reported, and how far it enforces the log. A report
 * of another epoch says nothing about this one.
 */
export interface GuardState {
  clientId: string
  guardId: string
  /** False: it is gone, or cannot reach this broker. */
  connected: boolean
  /** Not there: it has not said. */
  enforced: number | undefined
  /** Rows of the log that it does not enforce yet. */
  behind: number | undefined
  reportedAtMs: number | undefined
  /** When it first connected; what was revoked up to `firstSeq` was in its first snapshot. */
  firstSeenAtMs: number | undefined
  firstSeq: number | undefined
  version: string | undefined
  /** It says no version, or one that is older than the guard of this broker. */
  outdated: boolean
  /** What it does with valid tokens while it holds no lease. */
  withoutLease: 'reject' | 'introspect' | undefined
  /** When it reported that its lease had run out, the last time. */
  leaseRanOutAtMs: number | undefined
  /** The broker's clock less the guard's; undefined where it does not say. */
  clockOffsetSeconds: number | undefined
  /** By how much the two clocks part, where that leaves it without a lease. */
  clockDriftPpm: number | undefined
}

/** The version of the guard that belongs to this broker (a test compares it with its package). */
export const GUARD_VERSION = '0.1.0'

export async function guardsNow(
  deps: Pick<Deps, 'store' | 'feed'>,
): Promise<{ log: { epoch: string; seq: number }; guards: GuardState[] }> {
  const [log, reports] = await Promise.all([deps.store.head(), deps.store.guardReports()])
  const streams = deps.feed.streams()
  const key = (one: { clientId: string; guardId: string }): string =>
    `${one.guardId} ${one.clientId}`
  const reportOf = new Map(reports.map((one) => [key(one), one]))
  const streamOf = new Map(streams.map((one) => [key(one), one]))
  const known = new Map(
    [...reports, ...streams].map((one) => [
      key(one),
      { clientId: one.clientId, guardId: one.guardId },
    ]),
  )
  const guards = [...known].map(([name, guard]): GuardState => {
    const report = reportOf.get(name)
    const stream = streamOf.get(name)
    const ours = report?.epoch === log.epoch ? report : undefined
    const enforced = ours?.enforcedSeq ?? stream?.enforcedSeq
    return {
      ...guard,
      connected: stream !== undefined,
      enforced,
      behind: enforced === undefined ? undefined : Math.max(0, log.seq - enforced),
      reportedAtMs: report?.reportedAtMs,
      firstSeenAtMs:
        report?.firstSeenAtMs ?? (stream === undefined ? undefined : stream.since * 1000),
      firstSeq: ours?.firstSeq,
      version: report?.version,
      outdated: report !== undefined && isOutdated(report.version),
      withoutLease: report?.withoutLease,
      leaseRanOutAtMs: report?.leaseRanOutAtMs,
      clockOffsetSeconds: report?.clockOffsetSeconds,
      clockDriftPpm: report?.clockDriftPpm,
    }
  })
  return { log, guards }
}

/**
 * What one guard says of one revocation. `enforced`: it reported so. `covered`: it came later, and
 * its first snapshot held the revocation. `waiting`: it is connected and has not reported it yet.
 * `gone`: it is not connected, and had not reported it.
 */
export type GuardProof = z.output<typeof guardProofShape>

export const GUARD_WORDS: Record<GuardProof['state'], string> = {
  enforced: 'enforces it',
  covered: 'came later, enforces it',
  waiting: 'not yet',
  gone: 'gone before it enforced it',
}

/** One row for each guard that has reported in this epoch. */
export async function guardProof(
  { store, feed }: Pick<Deps, 'store' | 'feed'>,
  { seq, enforcedAtMs }: LoggedRevocation,
): Promise<GuardProof[]> {
  const [{ epoch }, reports] = await Promise.all([store.head(), store.guardReports()])
  const connected = new Set(feed.streams().map((one) => `${one.guardId} ${one.clientId}`))
  return reports
    .filter((report) => report.epoch === epoch)
    .map((report) => {
      const { clientId, guardId, enforcedSeq, firstSeq, leap, reportedAtMs } = report
      const enforced = enforcedSeq >= seq
      const came = firstSeq >= seq
      const state = !enforced
        ? connected.has(`${guardId} ${clientId}`)
          ? 'waiting'
          : 'gone'
        : came
          ? 'covered'
          : 'enforced'
      // Its reports one by one are the bound only where it did not leap over this revocation.
      const bound = came
        ? reportedAtMs
        : seq <= leap.seq
          ? leap.atMs
          : (enforcedAtMs ?? reportedAtMs)
      const noLaterThanMs = enforced ? Math.min(bound, reportedAtMs) : null
      return {
        client_id: clientId,
        guard_id: guardId,
        state,
        enforced,
        no_later_than_ms: noLaterThanMs,
        reported_at_ms: reportedAtMs,
      }
    })
}

/**
 * Semantic versions of the guard of this project. Another guard names itself (`acme/1.2.0`), and
 * only its makers know whether it is outdated.
 */
function isOutdated(version: string | undefined): boolean {
  if (version === undefined) return true
  const parts = (text: string): number[] | undefined =>
    /^(\d+)\.(\d+)\.(\d+)/.exec(text)?.slice(1).map(Number)
  const [has, current] = [parts(version), parts(GUARD_VERSION)]
  if (has === undefined || current === undefined) return false
  const at = has.findIndex((part, i) => part !== current[i])
  return at !== -1 && (has[at] ?? 0) < (current[at] ?? 0)
}

/** What it does without a lease, in words. */
export const withoutLeaseWords = (one: GuardState['withoutLease'] | null): string =>
  one ? { reject: 'rejects', introspect: 'introspects' }[one] : 'not reported'
