import { setImmediate as otherWork, setTimeout as pause } from 'node:timers/promises'
import { receiptOf } from './receipt.ts'

/**
 * Makes the receipts of revocations that guards have reported, because a receipt keeps what it
 * confirms. It runs beside the reports, a batch at a time. What it does not keep, because the
 * process ends, the next receipt keeps, with a later time.
 */

/** The time in which a batch is collected: after a revocation all guards report at about once. */
const TOGETHER_MS = 100
/** The most revocations that wait. Of older ones the receipts find the times later. */
const WAITING = 2_000
/** The most receipts of one batch. */
const PAGE = 20

/** Returns a function that takes the revocations which guards have reached. */
export function createReceiptBook(deps: Parameters<typeof receiptOf>[0]): (seqs: number[]) => void {
  const waiting = new Set<number>()
  let isRunning = false
  const run = async (): Promise<void> => {
    isRunning = true
    while (waiting.size > 0) {
      await pause(TOGETHER_MS)
      for (const seq of [...waiting].slice(0, PAGE)) {
        waiting.delete(seq)
        // The store is down and has logged it.
        await receiptOf(deps, seq).catch(() => undefined)
        await otherWork()
      }
    }
    isRunning = false
  }
  return (seqs) => {
    for (const seq of seqs) waiting.add(seq)
    for (const seq of waiting)
      if (waiting.size > WAITING) waiting.delete(seq)
      else break
    if (!isRunning) void run()
  }
}
