import type { GuardReport } from '../../db/types.ts'
import type { Deps } from './deps.ts'

/** Reports of guards, written many at a time. Each is answered once it is on disk: it is the proof that the guard enforces. */

/** After a revocation every guard reports within the same moment. */
const TOGETHER_MS = 50

interface Waiting {
  report: GuardReport
  noted: () => void
  failed: (error: unknown) => void
}

/** @returns notes one report; rejects with StoreUnavailable */
export function createReportBook(deps: Pick<Deps, 'store' | 'metrics'>): (report: GuardReport) => Promise<void> {
  let waiting: Waiting[] = []
  const write = async (): Promise<void> => {
    const batch = waiting
    waiting = []
    try {
      const { reached } = await deps.store.recordEnforced(...batch.map(({ report }) => report))
      for (const { clientId, atMs, reportedAtMs } of reached)
        deps.metrics.revokedToEnforced.observe({ client: clientId }, Math.max(0, reportedAtMs - atMs) / 1000)
      for (const { noted } of batch) noted()
    } catch (error) {
      for (const { failed } of batch) failed(error)
    }
  }
  return (report) =>
    new Promise((noted, failed) => {
      waiting.push({ report, noted, failed })
      if (waiting.length === 1) setTimeout(() => void write(), TOGETHER_MS)
    })
}
