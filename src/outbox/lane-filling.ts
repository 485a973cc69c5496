import type { Store } from '../../db/store.ts'
import type { DeliveryRef } from '../../db/types.ts'
import type { Deps } from './deps.ts'
import type { Lane, Waiting } from './lane.ts'

/**
 * Fills the lanes from the store. Each lane holds a limited number of deliveries that are due to
 * its target; the store holds the rest.
 */

/**
 * The most urgent deliveries of one target in memory; below, bulk ones of one revocation. The
 * limits are per target, so that targets that are down do not use them up.
 */
const ROOM = 500
const BULK_ROOM = 64
/**
 * The deliveries read from the store at a time, for each priority and revocation. The number is
 * small because new deliveries queue behind them.
 */
const PAGE = 64
/**
 * The page for a probe. It is larger than the number of running calls, so that it contains a
 * delivery that is not running.
 */
const PROBE_PAGE = 20
/** The pause after a failure of the broker itself, for example if the store cannot write. */
export const PAUSE_MS = 1_000

export type FillingDeps = Pick<Deps, 'clock' | 'log'> & {
  store: Pick<Store, 'dueDeliveries' | 'earlyDeliveries'>
}

export class LaneFilling {
  readonly #deps: FillingDeps

  constructor(deps: FillingDeps) {
    this.#deps = deps
  }

  put(lane: Lane, ref: DeliveryRef): void {
    if (lane.waiting.has(ref.id)) return
    const full = lane.waiting.sizeFor(ref) >= (ref.priority === 'urgent' ? ROOM : BULK_ROOM)
    // A running delivery may have become due during an early attempt, so the store is read again.
    if (full || lane.breaker.open || lane.running.has(ref.id)) lane.more = true
    else lane.waiting.add({ ref, how: 'due' })
  }

  /** Reads one page into the lane. `reading` keeps a second read from starting. */
  async read(lane: Lane): Promise<void> {
    lane.reading = true
    const { more } = lane
    try {
      for (const waiting of more ? await this.#due(lane) : await this.#early(lane)) {
        if (waiting.how === 'due') this.put(lane, waiting.ref)
        else if (!lane.running.has(waiting.ref.id) && !lane.waiting.has(waiting.ref.id))
          lane.waiting.add(waiting)
      }
    } catch (error) {
      lane.more ||= more
      lane.pausedUntilMs = this.#nowMs() + PAUSE_MS
      this.#deps.log.error('due_deliveries_not_read', { target: lane.targetId, cause: error })
    } finally {
      lane.reading = false
    }
  }

  async #due(lane: Lane): Promise<Waiting[]> {
    // Cleared before the read: a delivery that arrives during it and does not fit sets it again.
    lane.more = false
    const { refs, more } = await this.#deps.store.dueDeliveries({
      targetId: lane.targetId,
      nowMs: this.#nowMs(),
      limit: PAGE,
    })
    lane.more ||= more
    return refs.map((ref) => ({ ref, how: 'due' }))
  }

  async #early(lane: Lane): Promise<Waiting[]> {
    const page = await this.#deps.store.earlyDeliveries({
      targetId: lane.targetId,
      nowMs: this.#nowMs(),
      limit: PAGE,
      after: lane.released,
    })
    lane.released = page.next
    return page.refs.map((ref) => ({ ref, how: 'early' }))
  }

  /**
   * Returns the next delivery for a probe: a due one, for which the probe counts as its attempt,
   * otherwise a different one each time of those not yet due.
   */
  async nextForProbe(lane: Lane): Promise<Waiting | undefined> {
    const { more, hasPending } = lane
    // Cleared before the read: deliveries that arrive during it set them again.
    lane.more = lane.hasPending = false
    let isNone = false
    try {
      const next = await this.#readForProbe(lane)
      isNone = next === undefined && lane.running.size === 0
      return next
    } finally {
      if (!isNone) {
        lane.more ||= more
        lane.hasPending ||= hasPending
      }
    }
  }

  async #readForProbe(lane: Lane): Promise<Waiting | undefined> {
    const { store } = this.#deps
    const page = { targetId: lane.targetId, nowMs: this.#nowMs(), limit: PROBE_PAGE }
    const free = (refs: DeliveryRef[]): DeliveryRef[] =>
      refs.filter(({ id }) => !lane.running.has(id))
    const [due] = free((await store.dueDeliveries(page)).refs)
    if (due !== undefined) return { ref: due, how: 'due' }
    const early = free((await store.earlyDeliveries(page)).refs)
    const ref = early[lane.probes++ % Math.max(1, early.length)]
    return ref && { ref, how: 'probe' }
  }

  #nowMs(): number {
    return this.#deps.clock.steadyMs()
  }
}
