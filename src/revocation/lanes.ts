import { setTimeout as sleep } from 'node:timers/promises'
import type { Store } from '../../db/store.ts'
import type { DeliveryRef } from '../../db/types.ts'
import type { Deps } from '../deps.ts'
import { Breaker } from './breaker.ts'
import type { LocalLanes, TargetState } from './interface.ts'
import { uniform } from './retry.ts'
import { WaitingLine } from './waiting-line.ts'

/**
 * One lane for each target: a few calls at a time, behind its breaker, so that one that hangs delays nobody else. A lane holds only what it
 * has room for; the rest stands in the store, due, and is read from there when there is room. It owns no truth: a lane that is lost loses nothing.
 */

/** Calls to one target at a time. */
const CONCURRENCY = 8
/** Refs that wait in memory: for one target, and for all (some 150 bytes each). */
const ROOM = 20_000
const ROOM_FOR_ALL = 100_000
const PAGE = 500
const TICK_MS = 250
/** A hanging target may have as many probes under way. */
const PROBES = 3
/** After a fault of our own (the store cannot write). */
const PAUSE_MS = 1_000

/** How a target took an attempt. `passed`: it was not called (somebody else has it, or it is settled). */
export interface Taken {
  outcome: 'delivered' | 'refused' | 'failed' | 'passed'
  retryAfterSeconds?: number | undefined
}

/** One attempt at a delivery. `early`: a probe before it is due, which does not count as an attempt where it fails. */
export type Perform = (ref: DeliveryRef, early: boolean) => Promise<Taken>

type LaneDeps = Pick<Deps, 'clock' | 'log' | 'random'> & { store: Pick<Store, 'dueDeliveries' | 'owedTargets' | 'releaseTarget'> }

class Lane {
  readonly targetId: string
  readonly breaker = new Breaker()
  readonly waiting = new WaitingLine()
  readonly running = new Set<string>()
  /** More is due in the store than there was room for. */
  more = false
  /** Something may be owed that is not yet due. */
  owes = false
  reading = false
  pausedUntilMs = 0
  probes = 0
  constructor(targetId: string) {
    this.targetId = targetId
  }
}

export interface Lanes extends LocalLanes {
  /** Looks in the store for what is due and not on its way, and for targets that have something to hear. */
  look(): Promise<void>
  /** Takes nothing more; waits for the calls under way. False where `timeoutMs` was not enough. */
  drain(timeoutMs: number): Promise<boolean>
}

export function createLanes(deps: LaneDeps, perform: Perform): Lanes {
  const lanes = new Map<string, Lane>()
  let waitingInAll = 0
  let draining = false

  const laneOf = (targetId: string): Lane => {
    let lane = lanes.get(targetId)
    if (lane === undefined) lanes.set(targetId, (lane = new Lane(targetId)))
    return lane
  }

  const put = (lane: Lane, ref: DeliveryRef): boolean => {
    if (lane.running.has(ref.id) || lane.waiting.has(ref.id)) return true
    if (lane.waiting.size >= ROOM || waitingInAll >= ROOM_FOR_ALL) {
      lane.more = true
      return false
    }
    lane.waiting.add(ref)
    waitingInAll++
    return true
  }

  const next = (lane: Lane): DeliveryRef | undefined => {
    const ref = lane.waiting.next()
    if (ref !== undefined) waitingInAll--
    return ref
  }

  const pump = (lane: Lane): void => {
    const nowMs = deps.clock.nowMs()
    if (draining || nowMs < lane.pausedUntilMs) return
    // Those that wait for an open target are called by its probes, one after another.
    if (lane.breaker.open) return
    while (lane.running.size < CONCURRENCY && lane.waiting.size > 0) call(lane, next(lane), false)
    if (lane.waiting.size === 0 && lane.more) void read(lane)
  }

  const call = (lane: Lane, ref: DeliveryRef | undefined, early: boolean): void => {
    if (ref === undefined) return
    lane.running.add(ref.id)
    lane.breaker.called(deps.clock.nowMs())
    perform(ref, early)
      .then((taken) => judge(lane, taken))
      .catch((error: unknown) => {
        lane.pausedUntilMs = deps.clock.nowMs() + PAUSE_MS
        deps.log.error('delivery_not_performed', { delivery: ref.id, attempt: ref.attempt, cause: error })
      })
      .finally(() => {
        lane.running.delete(ref.id)
        pump(lane)
      })
  }

  const judge = async (lane: Lane, taken: Taken): Promise<void> => {
    if (taken.outcome === 'passed') return
    if (taken.outcome === 'failed') {
      lane.owes = true
      if (lane.breaker.failed(deps.clock.nowMs(), taken.retryAfterSeconds)) deps.log.warn('target_stopped_answering', { target: lane.targetId })
      return
    }
    const wasOpen = lane.breaker.open
    if (!lane.breaker.succeeded()) return
    if (wasOpen) deps.log.info('target_answers_again', { target: lane.targetId })
    if (!lane.owes) return
    await deps.store.releaseTarget({ targetId: lane.targetId, nowMs: deps.clock.nowMs() })
    lane.more = true
  }

  const read = async (lane: Lane): Promise<void> => {
    if (lane.reading || draining) return
    lane.reading = true
    try {
      const rows = await deps.store.dueDeliveries({ targetId: lane.targetId, nowMs: deps.clock.nowMs(), limit: PAGE })
      lane.more = rows.length === PAGE
      for (const ref of rows) put(lane, ref)
    } catch (error) {
      lane.pausedUntilMs = deps.clock.nowMs() + PAUSE_MS
      deps.log.error('due_deliveries_not_read', { target: lane.targetId, cause: error })
    } finally {
      lane.reading = false
    }
    if (lane.waiting.size > 0) pump(lane)
  }

  /** One that is due counts as its attempt; else one that is not yet due is tried early, another each time. */
  const probe = async (lane: Lane): Promise<void> => {
    lane.breaker.called(deps.clock.nowMs())
    const due = next(lane)
    if (due !== undefined) return call(lane, due, false)
    const rows = await deps.store.dueDeliveries({ targetId: lane.targetId, nowMs: deps.clock.nowMs(), limit: 20, early: true })
    const free = rows.filter(({ id }) => !lane.running.has(id))
    if (rows.length === 0 && lane.running.size === 0) lane.owes = false
    call(lane, free[lane.probes++ % Math.max(1, free.length)], true)
  }

  const tick = (): void => {
    const nowMs = deps.clock.nowMs()
    for (const lane of lanes.values()) {
      if (draining) return
      if (!lane.breaker.open && (lane.waiting.size > 0 || lane.more)) pump(lane)
      else if (
        lane.breaker.suspect &&
        (lane.owes || lane.waiting.size > 0) &&
        lane.running.size < PROBES &&
        nowMs >= lane.pausedUntilMs &&
        lane.breaker.mayProbe(nowMs, uniform(deps.random))
      ) {
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
      const left: DeliveryRef[] = []
      for (const ref of refs) {
        const lane = laneOf(ref.targetId)
        touched.add(lane)
        const fresh = !lane.running.has(ref.id) && !lane.waiting.has(ref.id)
        if (fresh && lane.breaker.open && lane.running.size === 0 && lane.breaker.mayTryFresh(deps.clock.nowMs())) call(lane, ref, false)
        else if (!put(lane, ref)) left.push(ref)
      }
      for (const lane of touched) pump(lane)
      return left
    },
    async look() {
      for (const { targetId } of await deps.store.owedTargets()) {
        const lane = laneOf(targetId)
        lane.owes = true
        // An open one is read by its probes, and when it answers again.
        if (!lane.breaker.open && lane.waiting.size === 0) await read(lane)
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

const state = ({ targetId, breaker, waiting, running }: Lane): TargetState => ({
  targetId,
  breaker: breaker.state,
  failuresInARow: breaker.failuresInARow,
  waiting: waiting.size,
  running: running.size,
})
