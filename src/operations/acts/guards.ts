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
  /** The `seq` up to which it enforces. Undefined: not reported. */
  enforced: number | undefined
  /** Number of log rows that it does not enforce yet. */
  behind: number | undefined
  /** True if it reports no version, or one older than this broker's guard. */
  outdated: boolean
}

/** The version of this broker's guard. A test compares it with the package. */
export const GUARD_VERSION = '1.0.0-rc.2'

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
      ...report,
      ...guard,
      connected: connected.has(name),
      enforced,
      behind: enforced === undefined ? undefined : Math.max(0, log.seq - enforced),
      outdated: report !== undefined && isOutdated(report.version),
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
