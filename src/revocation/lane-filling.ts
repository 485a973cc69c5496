import type { DeliveryActs } from '../../db/store.ts'
import type { DeliveryRef } from '../../db/types.ts'
import type { Deps } from '../deps.ts'
import type { Lane } from './lane.ts'
import type { Waiting } from './waiting-lines.ts'

/** Fills the lanes from the store: each holds a window of the deliveries that are due to its target, and the store holds the rest. */

/** Urgent deliveries of one target that wait in memory, and bulk ones of one revocation. None is shared between targets: dead ones must not use it up. */
const ROOM = 500
const BULK_ROOM = 64
/** Read from the store at a time, of each priority and revocation. What is announced joins behind them, so it is short. */
const PAGE = 64
/** More than can be running, so that a page holds one that is not. */
const PROBE_PAGE = 20
/** After a fault of our own (the store cannot write). */
export const PAUSE_MS = 1_000

export type FillingDeps = Pick<Deps, 'clock' | 'log'> & { store: Pick<DeliveryActs, 'dueDeliveries' | 'earlyDeliveries'> }

export class LaneFilling {
  readonly #deps: FillingDeps

  constructor(deps: FillingDeps) {
    this.#deps = deps
  }

  put(lane: Lane, ref: DeliveryRef): void {
    if (lane.waiting.has(ref.id)) return
    const full = lane.waiting.sizeFor(ref) >= (ref.priority === 'urgent' ? ROOM : BULK_ROOM)
    // One that is running may have become due during an early attempt: the store is read again.
    if (full || lane.breaker.open || lane.running.has(ref.id)) lane.more = true
    else lane.waiting.add({ ref, early: false })
  }

  /** Reads one page into the lane, which is `reading` meanwhile: not twice at once. */
  async read(lane: Lane): Promise<void> {
    lane.reading = true
    try {
      for (const one of lane.more ? await this.#due(lane) : await this.#early(lane)) {
        if (one.early && !lane.running.has(one.ref.id) && !lane.waiting.has(one.ref.id)) lane.waiting.add(one)
        else if (!one.early) this.put(lane, one.ref)
      }
    } catch (error) {
      lane.pausedUntilMs = this.#nowMs() + PAUSE_MS
      this.#deps.log.error('due_deliveries_not_read', { target: lane.targetId, cause: error })
    } finally {
      lane.reading = false
    }
  }

  async #due(lane: Lane): Promise<Waiting[]> {
    const { refs, more } = await this.#deps.store.dueDeliveries({ targetId: lane.targetId, nowMs: this.#nowMs(), limit: PAGE })
    lane.more = more
    return refs.map((ref) => ({ ref, early: false }))
  }

  async #early(lane: Lane): Promise<Waiting[]> {
    const page = await this.#deps.store.earlyDeliveries({ targetId: lane.targetId, nowMs: this.#nowMs(), limit: PAGE, after: lane.released })
    lane.released = page.next
    return page.refs.map((ref) => ({ ref, early: true }))
  }

  /** A delivery that is due, whose probe counts as its attempt; else one that is not yet due, another each time. */
  async nextForProbe(lane: Lane): Promise<{ ref: DeliveryRef; how: 'due' | 'probe' } | undefined> {
    const { store } = this.#deps
    const page = { targetId: lane.targetId, nowMs: this.#nowMs(), limit: PROBE_PAGE }
    const free = (refs: DeliveryRef[]): DeliveryRef[] => refs.filter(({ id }) => !lane.running.has(id))
    const [due] = free((await store.dueDeliveries(page)).refs)
    if (due !== undefined) return { ref: due, how: 'due' }
    const early = free((await store.earlyDeliveries(page)).refs)
    const ref = early[lane.probes++ % Math.max(1, early.length)]
    if (ref !== undefined) return { ref, how: 'probe' }
    if (lane.running.size === 0) lane.more = lane.hasPending = false
    return undefined
  }

  #nowMs(): number {
    return this.#deps.clock.steadyMs()
  }
}
