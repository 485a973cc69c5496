import { setTimeout as sleep } from 'node:timers/promises'
import type { DeliveryActs } from '../../db/store.ts'
import type { DeliveryRef, EarlyCursor } from '../../db/types.ts'
import type { Deps } from '../deps.ts'
import { Breaker } from './breaker.ts'
import type { LocalLanes, TargetState } from './interface.ts'
import { uniform } from './retry.ts'
import { WaitingLines, type Waiting } from './waiting-lines.ts'

/**
 * Owns the delivery lanes of this process, one for each target: a few calls at a time, behind a breaker, so that a target that hangs delays
 * no other. A lane holds a window of the deliveries that are due; the store holds the rest, and the row is the truth (docs/decisions/0015).
 */

/** Calls to one target at a time. */
const CONCURRENCY = 8
/** Of these, calls for bulk: an urgent delivery finds a free place, however slow the target is. */
const BULK_CONCURRENCY = 6
/** Bulk calls to all targets that begin in one turn of the event loop: an urgent delivery waits for the work of so many at most. */
const BULK_A_TURN = 8
/** Urgent deliveries of one target that wait in memory, and bulk ones of one revocation. None is shared between targets: dead ones must not use it up. */
const ROOM = 500
const BULK_ROOM = 64
/** Read from the store at a time, of each priority and revocation. What is announced joins behind them, so it is short. */
const PAGE = 64
const TICK_MS = 250
/** A hanging target may have as many probes under way. */
const PROBES = 3
/** More than can be running, so that a page holds one that is not. */
const PROBE_PAGE = 20
/** After a fault of our own (the store cannot write). */
const PAUSE_MS = 1_000

/** How an attempt ended. `passed`: the target was not called (another process has the lease, or the delivery is settled). */
export interface Taken {
  outcome: 'delivered' | 'rejected' | 'failed' | 'passed'
  retryAfterSeconds?: number | undefined
  /** Of a failure or rejection, for logs and operators. */
  failure?: Failing | undefined
}

interface Failing {
  client_id: string
  address: string
  cause: string
}

/** `early`: before it is due, and a failure is not counted as an attempt. `probe`: early, and the target was down: it has less time to answer. */
export type How = 'due' | 'early' | 'probe'
export type Perform = (ref: DeliveryRef, how: How) => Promise<Taken>

type LaneDeps = Pick<Deps, 'clock' | 'log' | 'random'> & { store: Pick<DeliveryActs, 'dueDeliveries' | 'earlyDeliveries' | 'pendingTargetIds'> }

class Lane {
  readonly targetId: string
  readonly breaker = new Breaker()
  readonly waiting = new WaitingLines()
  readonly running = new Set<string>()
  runningBulk = 0
  /** The store may have deliveries that are due and not in `waiting`. */
  more = false
  /** The store may have deliveries that are not yet due. */
  hasPending = false
  /** The target has answered again: how far the lane is in trying, once, everything that is not yet due. */
  released: EarlyCursor | undefined
  reading = false
  pausedUntilMs = 0
  probes = 0
  /** Its last answer, where that was a failure or a rejection. */
  failure: Failing | undefined
  constructor(targetId: string) {
    this.targetId = targetId
  }
}

export interface Lanes extends LocalLanes {
  /** Reads which targets have pending deliveries, and what is due to them. */
  look(): Promise<void>
  /** Takes nothing more; waits for the calls under way. False where `timeoutMs` was not enough. */
  drain(timeoutMs: number): Promise<boolean>
}

export function createLanes(deps: LaneDeps, perform: Perform): Lanes {
  const lanes = new Map<string, Lane>()
  /** Lanes with bulk that may begin, in the order of their turns. */
  const eager = new Set<Lane>()
  let turning = false
  let draining = false

  const laneOf = (targetId: string): Lane => {
    let lane = lanes.get(targetId)
    if (lane === undefined) lanes.set(targetId, (lane = new Lane(targetId)))
    return lane
  }

  const put = (lane: Lane, ref: DeliveryRef): void => {
    if (lane.waiting.has(ref.id)) return
    const full = lane.waiting.sizeFor(ref) >= (ref.priority === 'urgent' ? ROOM : BULK_ROOM)
    // One that is running may have become due during an early attempt: the store is read again.
    if (full || lane.breaker.open || lane.running.has(ref.id)) lane.more = true
    else lane.waiting.add({ ref, early: false })
  }

  /** A target whose breaker is open is called by its probes alone. */
  const isBlocked = (lane: Lane): boolean => draining || lane.breaker.open || deps.clock.steadyMs() < lane.pausedUntilMs

  const pump = (lane: Lane): void => {
    if (isBlocked(lane)) return
    for (let next; lane.running.size < CONCURRENCY && (next = lane.waiting.nextUrgent()) !== undefined;) begin(lane, next)
    if (mayBeginBulk(lane)) {
      eager.add(lane)
      turn()
    }
    if (lane.waiting.size === 0 && (lane.more || lane.released !== undefined)) void read(lane)
  }

  const mayBeginBulk = (lane: Lane): boolean => lane.waiting.size > 0 && lane.running.size < CONCURRENCY && lane.runningBulk < BULK_CONCURRENCY

  const turn = (): void => {
    if (turning || eager.size === 0) return
    turning = true
    setImmediate(() => {
      turning = false
      let begun = 0
      for (const lane of eager) {
        eager.delete(lane)
        const next = isBlocked(lane) || !mayBeginBulk(lane) ? undefined : lane.waiting.nextBulk()
        if (next === undefined) continue
        begin(lane, next)
        if (mayBeginBulk(lane)) eager.add(lane)
        if (++begun === BULK_A_TURN) break
      }
      turn()
    })
  }

  const begin = (lane: Lane, { ref, early }: Waiting): void => call(lane, ref, early ? 'early' : 'due')

  const call = (lane: Lane, ref: DeliveryRef, how: How): void => {
    const bulk = ref.priority === 'urgent' ? 0 : 1
    lane.runningBulk += bulk
    lane.running.add(ref.id)
    lane.breaker.called(deps.clock.steadyMs())
    perform(ref, how)
      .then((taken) => judge(lane, taken))
      .catch((error: unknown) => {
        lane.pausedUntilMs = deps.clock.steadyMs() + PAUSE_MS
        lane.more = true
        deps.log.error('delivery_not_performed', { delivery: ref.id, attempt: ref.attempt, cause: error })
      })
      .finally(() => {
        lane.running.delete(ref.id)
        lane.runningBulk -= bulk
        pump(lane)
      })
  }

  const judge = (lane: Lane, taken: Taken): void => {
    const { breaker } = lane
    if (taken.outcome === 'passed') return
    if (taken.outcome === 'failed') {
      lane.hasPending = true
      lane.failure = taken.failure
      if (breaker.failed(deps.clock.steadyMs(), taken.retryAfterSeconds)) opened(lane)
      return
    }
    const wasOpen = breaker.open
    lane.failure = taken.failure
    if (!breaker.succeeded()) return
    if (wasOpen) deps.log.info('target_answers_again', { target: lane.targetId })
    if (wasOpen) lane.more = true
    if (lane.hasPending) lane.released = START
  }

  /** What waited is due in the store, and probes read it there. */
  const opened = (lane: Lane): void => {
    lane.waiting.clear()
    lane.more = true
    lane.released = undefined
    deps.log.warn('target_stopped_answering', { target: lane.targetId, ...lane.failure })
  }

  const read = async (lane: Lane): Promise<void> => {
    if (lane.reading || draining) return
    lane.reading = true
    try {
      for (const one of lane.more ? await due(lane) : await early(lane)) {
        if (one.early && !lane.running.has(one.ref.id) && !lane.waiting.has(one.ref.id)) lane.waiting.add(one)
        else if (!one.early) put(lane, one.ref)
      }
    } catch (error) {
      lane.pausedUntilMs = deps.clock.steadyMs() + PAUSE_MS
      deps.log.error('due_deliveries_not_read', { target: lane.targetId, cause: error })
    } finally {
      lane.reading = false
    }
    if (lane.waiting.size > 0) pump(lane)
  }

  const due = async (lane: Lane): Promise<Waiting[]> => {
    const { refs, more } = await deps.store.dueDeliveries({ targetId: lane.targetId, nowMs: deps.clock.steadyMs(), limit: PAGE })
    lane.more = more
    return refs.map((ref) => ({ ref, early: false }))
  }

  const early = async (lane: Lane): Promise<Waiting[]> => {
    const page = await deps.store.earlyDeliveries({ targetId: lane.targetId, nowMs: deps.clock.steadyMs(), limit: PAGE, after: lane.released })
    lane.released = page.next
    return page.refs.map((ref) => ({ ref, early: true }))
  }

  /** Calls with a delivery that is due, which counts as its attempt; else with one that is not yet due, another each time. */
  const probe = async (lane: Lane): Promise<void> => {
    const { targetId } = lane
    const nowMs = deps.clock.steadyMs()
    lane.breaker.called(nowMs)
    const free = (refs: DeliveryRef[]): DeliveryRef[] => refs.filter(({ id }) => !lane.running.has(id))
    const [due] = free((await deps.store.dueDeliveries({ targetId, nowMs, limit: PROBE_PAGE })).refs)
    if (due !== undefined) return call(lane, due, 'due')
    const early = free((await deps.store.earlyDeliveries({ targetId, nowMs, limit: PROBE_PAGE })).refs)
    const ref = early[lane.probes++ % Math.max(1, early.length)]
    if (ref !== undefined) call(lane, ref, 'probe')
    else if (lane.running.size === 0) lane.more = lane.hasPending = false
  }

  const mayProbe = (lane: Lane, nowMs: number): boolean =>
    lane.breaker.suspect &&
    (lane.hasPending || lane.more) &&
    lane.running.size < PROBES &&
    nowMs >= lane.pausedUntilMs &&
    lane.breaker.mayProbe(nowMs, uniform(deps.random))

  const tick = (): void => {
    const nowMs = deps.clock.steadyMs()
    for (const lane of lanes.values()) {
      if (draining) return
      if (!lane.breaker.open && (lane.waiting.size > 0 || lane.more || lane.released !== undefined)) pump(lane)
      else if (mayProbe(lane, nowMs)) {
        probe(lane).catch((error: unknown) => deps.log.error('probe_failed', { target: lane.targetId, cause: error }))
      }
    }
  }
  const timer = setInterval(tick, TICK_MS)
  timer.unref()

  return {
    take(refs) {
      if (draining) return refs
      const touched = new Set<Lane>()
      for (const ref of refs) {
        const lane = laneOf(ref.targetId)
        touched.add(lane)
        if (lane.breaker.open && lane.running.size === 0 && lane.breaker.mayTryFresh(deps.clock.steadyMs())) call(lane, ref, 'due')
        else put(lane, ref)
      }
      for (const lane of touched) pump(lane)
      return []
    },
    async look() {
      for (const targetId of await deps.store.pendingTargetIds()) {
        const lane = laneOf(targetId)
        lane.hasPending = true
        lane.more = true
        // An open breaker's rows are read by its probes, and when one of them succeeds.
        if (lane.waiting.size === 0) pump(lane)
      }
    },
    async drain(timeoutMs) {
      draining = true
      clearInterval(timer)
      for (const lane of lanes.values()) lane.waiting.clear()
      const busy = (): boolean => [...lanes.values()].some((lane) => lane.running.size > 0)
      for (const deadline = performance.now() + timeoutMs; busy() && performance.now() < deadline;) await sleep(20)
      return !busy()
    },
    states: () => [...lanes.values()].map(state),
  }
}

/** Before every delivery that is not yet due. */
const START: EarlyCursor = { priority: 'urgent', dueAtMs: 0, id: '' }

const state = ({ targetId, breaker, waiting, running, failure }: Lane): TargetState => ({
  targetId,
  breaker: breaker.state,
  failuresInARow: breaker.failuresInARow,
  waiting: waiting.size,
  running: running.size,
  lastFailure: failure?.cause,
})
