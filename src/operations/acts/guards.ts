import type { GuardRecord } from '../../../db/types.ts'
import type { Deps } from '../deps.ts'

/**
 * A guard that follows the feed or has reported, and how far it enforces the log. Reports of
 * another epoch do not count.
 */
export interface GuardState extends Partial<Omit<GuardRecord, 'clientId' | 'guardId'>> {
  clientId: string
  guardId: string
  /** False: the guard has ended or cannot reach any broker. */
  connected: boolean
  /**
   * False if it has not reported for as long as it may, or, where it is not connected, for a
   * minute at least: a guard that is started again is back by then.
   */
  heard: boolean
  /**
   * True if it is connected and has not reported for twice the time within which it reports: its
   * process is frozen or cut off, while its connection is still open.
   */
  silent: boolean
  /** The `seq` up to which it enforces. Undefined: not reported. */
  enforced: number | undefined
  /** Number of log rows that it does not enforce yet. */
  behind: number | undefined
  /** True if it reports no version, or one older than this broker's guard. */
  outdated: boolean
}

/** The version of this broker's guard. A test compares it with the package. */
export const GUARD_VERSION = '1.0.0-rc.2'

/** How long a guard that is not connected counts as heard. */
const RESTART_MS = 60_000
/** How soon the reports of a guard follow that does not say it. */
const REPORTS_SECONDS = 300
/** How long a guard that is not connected is listed: a restart or an upgrade replaces guards. */
const LISTED_MS = 600_000

/**
 * Returns the guards that are connected or were heard within the last 10 minutes. Of a client
 * without a connected guard, they are those that were heard within 10 minutes of the last one.
 */
export async function guardsNow({ store, clock }: Pick<Deps, 'store' | 'clock'>): Promise<{
  log: { epoch: string; seq: number }
  guards: GuardState[]
}> {
  const [log, reports, leases] = await Promise.all([
    store.head(),
    store.guardReports(),
    store.openGuardLeases(),
  ])
  const key = (guard: { clientId: string; guardId: string }): string =>
    `${guard.guardId} ${guard.clientId}`
  // The guards that are connected to any broker.
  const held = leases.filter(({ holder, guardId }) => holder !== '' && guardId !== '')
  const connected = new Set(held.map(key))
  const reportOf = new Map(reports.map((report) => [key(report), report]))
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
      ...report,
      ...guard,
      connected: connected.has(name),
      ...hearingOf(report, connected.has(name), clock.nowMs()),
      enforced,
      behind: enforced === undefined ? undefined : Math.max(0, log.seq - enforced),
      outdated: report !== undefined && isOutdated(report.version),
    }
  })
  const listed = [...Map.groupBy(guards, ({ clientId }) => clientId).values()].flatMap((ofClient) =>
    listedOf(ofClient, clock.nowMs()),
  )
  return { log, guards: listed }
}

function hearingOf(
  report: GuardRecord | undefined,
  connected: boolean,
  nowMs: number,
): Pick<GuardState, 'heard' | 'silent'> {
  if (report === undefined) return { heard: connected, silent: false }
  const { reportedAtMs, everySeconds } = report
  const allowedMs = connected
    ? 2000 * (everySeconds ?? REPORTS_SECONDS)
    : Math.max(RESTART_MS, 2000 * (everySeconds ?? 0))
  const heard = nowMs - reportedAtMs <= allowedMs
  return { heard, silent: connected && !heard }
}

function listedOf(guards: readonly GuardState[], nowMs: number): readonly GuardState[] {
  const heardAtMs = (guard: GuardState): number => guard.reportedAtMs ?? 0
  const lastMs = guards.some(({ connected }) => connected)
    ? nowMs
    : Math.max(...guards.map(heardAtMs))
  return guards.filter((guard) => guard.connected || heardAtMs(guard) >= lastMs - LISTED_MS)
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
export const withoutLeaseWords = (policy: GuardState['withoutLease'] | null): string =>
  policy ? { reject: 'rejects', introspect: 'introspects' }[policy] : 'not reported'
