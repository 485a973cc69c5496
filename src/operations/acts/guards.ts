import type { LoggedRevocation } from '../../../db/types.ts'
import type { z } from 'zod'
import type { guardProof as guardProofShape } from '../contract/shapes.ts'
import type { Deps } from '../deps.ts'

/**
 * A guard that follows the feed or has reported, and how far it enforces the log. Reports of
 * another epoch do not count.
 */
export interface GuardState {
  clientId: string
  guardId: string
  /** False: the guard has ended or cannot reach any broker. */
  connected: boolean
  /** The `seq` up to which it enforces. Undefined: not reported. */
  enforced: number | undefined
  /** Number of log rows that it does not enforce yet. */
  behind: number | undefined
  reportedAtMs: number | undefined
  /** The time when it first connected. Its first snapshot held the revocations up to `firstSeq`. */
  firstSeenAtMs: number | undefined
  firstSeq: number | undefined
  version: string | undefined
  /** True if it reports no version, or one older than this broker's guard. */
  outdated: boolean
  /** Its treatment of valid tokens while it has no lease. */
  withoutLease: 'reject' | 'introspect' | undefined
  /** The time when its lease last ran out, by its own report. */
  leaseRanOutAtMs: number | undefined
  /** The broker's clock minus the guard's. Undefined: not reported. */
  clockOffsetSeconds: number | undefined
  /** Drift between the two clocks, if it is large enough to leave the guard without a lease. */
  clockDriftPpm: number | undefined
}

/** The version of this broker's guard. A test compares it with the package. */
export const GUARD_VERSION = '0.1.0'

export async function guardsNow(
  deps: Pick<Deps, 'store' | 'feed'>,
): Promise<{ log: { epoch: string; seq: number }; guards: GuardState[] }> {
  const [log, reports, held] = await Promise.all([
    deps.store.head(),
    deps.store.guardReports(),
    connectedGuards(deps),
  ])
  const streams = deps.feed.streams()
  const key = (one: { clientId: string; guardId: string }): string =>
    `${one.guardId} ${one.clientId}`
  const reportOf = new Map(reports.map((one) => [key(one), one]))
  const streamOf = new Map(streams.map((one) => [key(one), one]))
  const known = new Map(
    [...reports, ...streams, ...held.values()].map((one) => [
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
      connected: held.has(name),
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

/** Returns the guards that are connected to any broker, by their key. */
const connectedGuards = async ({
  store,
}: Pick<Deps, 'store'>): Promise<Map<string, { clientId: string; guardId: string }>> =>
  new Map(
    (await store.openGuardLeases())
      .filter(({ holder, guardId }) => holder !== '' && guardId !== '')
      .map((one) => [`${one.guardId} ${one.clientId}`, one]),
  )

/**
 * One guard's state for one revocation. `enforced`: reported. `covered`: the guard connected later,
 * and its first snapshot held the revocation. `waiting`: connected, not yet reported. `gone`:
 * disconnected before it reported.
 */
export type GuardProof = z.output<typeof guardProofShape>

export const GUARD_WORDS: Record<GuardProof['state'], string> = {
  enforced: 'enforces it',
  covered: 'came later, enforces it',
  waiting: 'not yet',
  gone: 'gone before it enforced it',
}

/** Returns one row for each guard that has reported in this epoch. */
export async function guardProof(
  { store }: Pick<Deps, 'store'>,
  { seq, enforcedAtMs }: LoggedRevocation,
): Promise<GuardProof[]> {
  const [{ epoch }, reports, connected] = await Promise.all([
    store.head(),
    store.guardReports(),
    connectedGuards({ store }),
  ])
  return reports
    .filter((report) => report.epoch === epoch)
    .map((report) => {
      const { clientId, guardId, enforcedSeq, firstSeq, leap, reportedAtMs } = report
      const enforced = enforcedSeq >= seq
      const connectedLater = firstSeq >= seq
      const state = !enforced
        ? connected.has(`${guardId} ${clientId}`)
          ? 'waiting'
          : 'gone'
        : connectedLater
          ? 'covered'
          : 'enforced'
      // If one report leapt over several revocations, its time is the bound. Otherwise the
      // revocation has the time of its own report.
      const bound = connectedLater
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
 * Returns whether a version is older than this broker's guard. Only this project's versions count;
 * another guard names itself (`acme/1.2.0`).
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

/** Names what a guard does without a lease. */
export const withoutLeaseWords = (one: GuardState['withoutLease'] | null): string =>
  one ? { reject: 'rejects', introspect: 'introspects' }[one] : 'not reported'
