import type { Store } from '../../db/store.ts'
import type { DeliveryRef } from '../../db/types.ts'
import type { Deps } from './deps.ts'
import type { Lane, Waiting } from './lane.ts'

/**
 * Fills the lanes from the store: each holds a window of the deliveries that are due to its target,
 * and the store holds the rest.
 */

/**
 * Urgent deliveries of one target that wait in memory, and bulk ones of one revocation. None is
 * shared between targets: dead ones must not use it up.
 */
const ROOM = 500
const BULK_ROOM = 64
/**
 * Read from the store at a time, of each priority and revocation. What is announced joins behind
 * them, so it is short.
 */
const PAGE = 64
/** More than can be running, so that a page holds one that is not. */
const PROBE_PAGE = 20
/** After a fault of our own (the store cannot write). */
export const PAUSE_MS = 1_000

export type FillingDeps = Pick<Deps, 'clock' | 'log'> & {
  store: Pick<Store, 'dueDeliveries' | 'earlyDeliveries'>
}

interface ForProbe {
  ref: DeliveryRef
  how: 'due' | 'probe'
}

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
    const { more } = lane
    try {
      for (const one of more ? await this.#due(lane) : await this.#early(lane)) {
        if (one.early && !lane.running.has(one.ref.id) && !lane.waiting.has(one.ref.id))
          lane.waiting.add(one)
        else if (!one.early) this.put(lane, one.ref)
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
    // Before the store is read: what comes meanwhile, and has no room, sets it again.
    lane.more = false
    const { refs, more } = await this.#deps.store.dueDeliveries({
      targetId: lane.targetId,
      nowMs: this.#nowMs(),
      limit: PAGE,
    })
    lane.more ||= more
    return refs.map((ref) => ({ ref, early: false }))
  }

  async #early(lane: Lane): Promise<Waiting[]> {
    const page = await this.#deps.store.earlyDeliveries({
      targetId: lane.targetId,
      nowMs: this.#nowMs(),
      limit: PAGE,
      after: lane.released,
    })
    lane.released = page.next
    return page.refs.map((ref) => ({ ref, early: true }))
  }

  /**
   * A delivery that is due, whose probe counts as its attempt; else one that is not yet due,
   * another each time.
   */
  async nextForProbe(lane: Lane): Promise<ForProbe | undefined> {
    const { more, hasPending } = lane
    // Before the store is read: what comes meanwhile sets them again.
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

  async #readForProbe(lane: Lane): Promise<ForProbe | undefined> {
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
