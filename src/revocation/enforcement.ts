import type { Deps } from './deps.ts'
import { participantIds } from './receipt.ts'

/**
 * Keeps the times at which guards reported revocations, for the receipts. It runs beside the
 * reports, one batch at a time. What it does not write, because the process ends, the next receipt
 * writes, with a later time.
 */

type BookDeps = Pick<Deps, 'store' | 'clients' | 'clockWatch'>
interface Reached {
  seq: number
  clientId: string
}

/** The time in which a batch is collected: after a revocation all guards report at about once. */
const TOGETHER_MS = 100
/** The most revocations that wait. Of older ones the receipts find the times later. */
const WAITING = 2_000
/** The most revocations that one batch looks at. */
const PAGE = 100

export class EnforcementBook {
  readonly #deps: BookDeps
  /** The clients whose guards have reached a revocation, by its seq. */
  readonly #waiting = new Map<number, Set<string>>()
  #collects = false

  constructor(deps: BookDeps) {
    this.#deps = deps
  }

  /** Notes that a guard of each of these clients has reached the revocation. */
  note(reached: readonly Reached[]): void {
    for (const { seq, clientId } of reached) {
      const clientIds = this.#waiting.get(seq) ?? new Set()
      this.#waiting.set(seq, clientIds.add(clientId))
    }
    for (const seq of this.#waiting.keys())
      if (this.#waiting.size > WAITING) this.#waiting.delete(seq)
      else break
    if (this.#collects || this.#waiting.size === 0) return
    this.#collects = true
    setTimeout(() => void this.#write(), TOGETHER_MS)
  }

  async #write(): Promise<void> {
    const batch = [...this.#waiting].slice(0, PAGE)
    for (const [seq] of batch) this.#waiting.delete(seq)
    try {
      const took: Reached[] = []
      for (const [seq, clientIds] of batch) took.push(...(await this.#participants(seq, clientIds)))
      if (took.length > 0) await this.#deps.store.keepReports(took)
    } catch {
      // The store is down and has logged it.
    }
    this.#collects = false
    this.note([])
  }

  /** Returns those of the clients that took part in a revocation. */
  async #participants(seq: number, clientIds: ReadonlySet<string>): Promise<Reached[]> {
    const parts = await this.#deps.store.revocationParts(seq)
    if (parts === undefined) return []
    const leases = [...clientIds].map((clientId) => ({ clientId, guards: 1 }))
    return participantIds(this.#deps, { ...parts, leases, kept: [] })
      .filter((clientId) => clientIds.has(clientId))
      .map((clientId) => ({ seq, clientId }))
  }
}
