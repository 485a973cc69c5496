import { createHmac } from 'node:crypto'
import type { Store } from '../../db/store.ts'
import { type RejectedVisit, StoreUnavailable } from '../../db/types.ts'
import type { Sealer } from '../keys/interface.ts'
import { spelled } from '../pages/message.tsx'
import type { SteadyClock } from '../runtime/clock.ts'
import type { Log } from '../runtime/log.ts'
import { networkOf } from '../runtime/rate-limits.ts'

/**
 * Rejected visits in which Microsoft identified no user of a registered tenant. Anyone can cause
 * them, so they are written in batches, and of those of one address only some.
 */

/** The reference of a visit is the same however often its page is loaded. */
export const referenceOf = ({ sealer }: { sealer: Sealer }, attempt: string): string => {
  const [current] = sealer.macKeys('reference')
  if (current === undefined) throw new Error('There is no broker secret.')
  return spelled(createHmac('sha256', current.key).update(attempt).digest())
}

/** The visits of one address that are kept in an hour. */
const MOST_OF_ADDRESS = 20
const WINDOW_MS = 3_600_000
/** The addresses that are remembered; beyond that, the least recently used is dropped. */
const MOST_ADDRESSES = 20_000
/** The visits that wait for the next batch. Further ones are only counted by the metrics. */
const MOST_PENDING = 200
const BATCH_MS = 1_000

export class RejectedVisits {
  readonly #pending = new Map<string, RejectedVisit>()
  /** The times of the visits of each address in the last hour. */
  readonly #times = new Map<string, number[]>()
  readonly #store: Pick<Store, 'recordRejectedVisits'>
  readonly #clock: Pick<SteadyClock, 'steadyMs'>
  readonly #log: Log
  #timer: NodeJS.Timeout | undefined

  constructor(deps: {
    store: Pick<Store, 'recordRejectedVisits'>
    clock: Pick<SteadyClock, 'steadyMs'>
    log: Log
  }) {
    this.#store = deps.store
    this.#clock = deps.clock
    this.#log = deps.log
  }

  add(visit: RejectedVisit, address: string | undefined): void {
    if (this.#pending.has(visit.reference) || this.#pending.size >= MOST_PENDING) return
    if (!this.#isWithin(networkOf(address ?? ''))) return
    this.#pending.set(visit.reference, visit)
    this.#timer ??= setTimeout(() => void this.flush(), BATCH_MS).unref()
  }

  /** Returns a visit that is not written yet. */
  find(reference: string): RejectedVisit | undefined {
    return this.#pending.get(reference)
  }

  /** Writes what waits. While the store is down it waits on. */
  async flush(): Promise<void> {
    clearTimeout(this.#timer)
    this.#timer = undefined
    const batch = [...this.#pending.values()]
    if (batch.length === 0) return
    try {
      await this.#store.recordRejectedVisits(batch)
      for (const { reference } of batch) this.#pending.delete(reference)
    } catch (cause) {
      if (!(cause instanceof StoreUnavailable)) {
        this.#pending.clear()
        this.#log.error('rejected_visits_failed', { cause })
      }
    }
    if (this.#pending.size > 0)
      this.#timer ??= setTimeout(() => void this.flush(), BATCH_MS).unref()
  }

  /** Writes what waits, once. */
  async close(): Promise<void> {
    await this.flush()
    clearTimeout(this.#timer)
  }

  #isWithin(address: string): boolean {
    const nowMs = this.#clock.steadyMs()
    const times = (this.#times.get(address) ?? []).filter((at) => at > nowMs - WINDOW_MS)
    const isWithin = times.length < MOST_OF_ADDRESS
    if (isWithin) times.push(nowMs)
    this.#times.delete(address)
    this.#times.set(address, times)
    const [oldest] = this.#times.keys()
    if (this.#times.size > MOST_ADDRESSES && oldest !== undefined) this.#times.delete(oldest)
    return isWithin
  }
}
