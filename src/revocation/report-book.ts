import { nameOf } from '../../db/log/guards.ts'
import type { GuardReport } from '../../db/types.ts'
import type { Deps } from './deps.ts'
import { createReceiptBook } from './receipt-book.ts'

/**
 * Collects guards' reports and writes them in batches. Each report is answered once it is
 * committed, because it proves that the guard enforces. Of a report that says what is already
 * committed only the time is written, later.
 */

/**
 * Milliseconds in which reports are collected: after a revocation all guards report at about the
 * same time.
 */
const TOGETHER_MS = 50
/** Milliseconds in which signs of life are collected. */
const SIGNS_MS = 2_000
/** The most guards whose latest report is kept here. The others report as if all were new. */
const KEPT = 20_000

interface Waiting {
  report: GuardReport
  noted: () => void
  failed: (error: unknown) => void
}

const contentOf = (report: GuardReport): string => JSON.stringify({ ...report, reportedAtMs: 0 })

/** Returns a function that writes one report. It rejects with StoreUnavailable. */
export function createReportBook(
  deps: Pick<Deps, 'store' | 'metrics' | 'clients' | 'clock' | 'clockWatch' | 'feed'>,
): (report: GuardReport) => Promise<void> {
  let waiting: Waiting[] = []
  /** The content of each guard's latest report that is committed. */
  const committed = new Map<string, string>()
  const signs = new Map<string, GuardReport>()
  const keepReceipts = createReceiptBook(deps)
  const write = async (): Promise<void> => {
    const batch = waiting
    waiting = []
    try {
      const { reached, ranOut } = await deps.store.recordEnforced(
        ...batch.map(({ report }) => report),
      )
      for (const { clientId, atMs, reportedAtMs } of reached)
        deps.metrics.revokedToEnforced.observe(
          { client: clientId },
          Math.max(0, reportedAtMs - atMs) / 1000,
        )
      for (const { clientId, times } of ranOut)
        deps.metrics.leasesRunOut.inc({ client: clientId }, times)
      keepReceipts(reached.map(({ seq }) => seq))
      for (const { report, noted } of batch) {
        committed.delete(nameOf(report))
        committed.set(nameOf(report), contentOf(report))
        noted()
      }
      for (const key of committed.keys())
        if (committed.size > KEPT) committed.delete(key)
        else break
    } catch (error) {
      for (const { failed } of batch) failed(error)
    }
  }
  const note = (report: GuardReport): void => {
    signs.set(nameOf(report), report)
    if (signs.size === 1) setTimeout(() => void writeSigns(), SIGNS_MS)
  }
  const writeSigns = async (): Promise<void> => {
    const heard = [...signs.values()]
    signs.clear()
    try {
      const names = new Set((await deps.store.hearGuards(heard)).map(nameOf))
      for (const report of heard) if (!names.has(nameOf(report))) committed.delete(nameOf(report))
    } catch {
      // The store is down and has logged it. Until it is back, no guard looks silent for that.
      for (const report of heard) if (!signs.has(nameOf(report))) note(report)
    }
  }
  return (report) =>
    new Promise((noted, failed) => {
      if (committed.get(nameOf(report)) === contentOf(report)) {
        note(report)
        noted()
        return
      }
      waiting.push({ report, noted, failed })
      if (waiting.length === 1) setTimeout(() => void write(), TOGETHER_MS)
    })
}
