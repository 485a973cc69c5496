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

export async function guardsNow({
  store,
}: Pick<Deps, 'store'>): Promise<{ log: { epoch: string; seq: number }; guards: GuardState[] }> {
  const [log, reports, leases] = await Promise.all([
    store.head(),
    store.guardReports(),
    store.openGuardLeases(),
  ])
  const key = (one: { clientId: string; guardId: string }): string =>
    `${one.guardId} ${one.clientId}`
  // The guards that are connected to any broker.
  const held = leases.filter(({ holder, guardId }) => holder !== '' && guardId !== '')
  const connected = new Set(held.map(key))
  const reportOf = new Map(reports.map((one) => [key(one), one]))
  const known = new Map(
    [...reports, ...held].map(({ clientId, guardId }) => {
      const guard = { clientId, guardId }
      return [key(guard), guard]
    }),
  )
  const guards = [...known].map(([name, guard]): GuardState => {
    const report = reportOf.get(name)
    const enforced = report?.epoch === log.epoch ? report.enforcedSeq : undefined
    return {
      ...guard,
      connected: connected.has(name),
      enforced,
      behind: enforced === undefined ? undefined : Math.max(0, log.seq - enforced),
      reportedAtMs: report?.reportedAtMs,
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
