import type { Deps } from '../deps.ts'

/** Every guard that follows the feed now or has reported, and how far it enforces the log. A report of another epoch says nothing about this one. */
export interface GuardState {
  clientId: string
  guardId: string
  connected: boolean
  /** Not there: it has not said. */
  enforced: number | undefined
  /** Rows of the log that it does not enforce yet. */
  behind: number | undefined
  reportedAtMs: number | undefined
}

export async function guardsNow(deps: Pick<Deps, 'store' | 'feed'>): Promise<{ log: { epoch: string; seq: number }; guards: GuardState[] }> {
  const [log, reports] = await Promise.all([deps.store.head(), deps.store.guardReports()])
  const streams = deps.feed.streams()
  const key = (one: { clientId: string; guardId: string }): string => JSON.stringify([one.clientId, one.guardId])
  const known = new Map([...reports, ...streams].map((one) => [key(one), { clientId: one.clientId, guardId: one.guardId }]))
  const guards = [...known].map(([name, guard]) => {
    const report = reports.find((one) => key(one) === name)
    const stream = streams.find((one) => key(one) === name)
    const enforced = report?.epoch === log.epoch ? report.enforcedSeq : stream?.enforcedSeq
    const behind = enforced === undefined ? undefined : Math.max(0, log.seq - enforced)
    return { ...guard, connected: stream !== undefined, enforced, behind, reportedAtMs: report?.reportedAtMs }
  })
  return { log, guards }
}
