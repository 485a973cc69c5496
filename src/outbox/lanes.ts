import type { Store } from '../../db/store.ts'
import { setTimeout as sleep } from 'node:timers/promises'
import { Lane, type Failing, type AttemptKind, type Waiting } from './lane.ts'
import type { DeliveryRef, EarlyCursor } from '../../db/types.ts'
import type { Deps } from './deps.ts'
import type { LocalLanes, TargetState } from './interface.ts'
import { type FillingDeps, LaneFilling, PAUSE_MS } from './lane-filling.ts'
import { uniform } from './attempt.ts'

/**
 * Owns the delivery lanes of this process, one for each target: a few calls at a time behind a
 * breaker, so that a target that hangs delays no other. A lane holds a limited number of due
 * deliveries; the store holds the rest, and the row is the truth (docs/decisions/0015).
 */

/**
 * The most bulk calls that begin in one turn of the event loop, over all targets. An urgent
 * delivery waits at most for these.
 */
const BULK_A_TURN = 8

const TICK_MS = 250
/** The interval at which `drain` checks whether all calls have ended. */
const LOOK_MS = 20
/** The most running probes of a target that hangs. */
const PROBES = 3

/**
 * The result of an attempt. `passed`: the target was not called (another process has the lease, or
 * the delivery is settled), or the answer says nothing about the target's health.
 */
export interface AttemptResult {
  outcome: 'delivered' | 'rejected' | 'failed' | 'passed'
  retryAfterSeconds?: number | undefined
  /** The failure or rejection, for logs and operators. */
  failure?: Failing | undefined
}

export type Perform = (ref: DeliveryRef, how: AttemptKind) => Promise<AttemptResult>

type LaneDeps = FillingDeps & Pick<Deps, 'random'> & { store: Pick<Store, 'pendingTargetIds'> }

/** The position before every delivery that is not due yet. */
const START: EarlyCursor = { priority: 'urgent', dueAtMs: 0, id: '' }

export class Lanes implements LocalLanes {
  readonly #deps: LaneDeps
  readonly #perform: Perform
  readonly #lanes = new Map<string, Lane>()
  /** Lanes whose next bulk call may begin, in the order of their turns. */
  readonly #eager = new Set<Lane>()
  #turning = false
  readonly #filling: LaneFilling
  readonly #timer: NodeJS.Timeout
  #draining = false
  #looked = false

  constructor(deps: LaneDeps, perform: Perform) {
    this.#deps = deps
    this.#perform = perform
    this.#filling = new LaneFilling(deps)
    this.#timer = setInterval(() => this.#tick(), TICK_MS)
    this.#timer.unref()
  }

  take(refs: readonly DeliveryRef[]): void {
    if (this.#draining) return
    const touched = new Set<Lane>()
    for (const ref of refs) {
      const lane = this.#laneOf(ref.targetId)
      touched.add(lane)
      if (lane.breaker.open && lane.running.size === 0 && lane.breaker.mayTryFresh(this.#nowMs()))
        this.#call(lane, { ref, how: 'due' })
      else this.#filling.put(lane, ref)
    }
    for (const lane of touched) this.#pump(lane)
  }

  /** Reads from the store which targets have pending deliveries, and fills their lanes. */
  async look(): Promise<void> {
    const targetIds = await this.#deps.store.pendingTargetIds()
    const isFirst = !this.#looked
    this.#looked = true
    for (const targetId of targetIds) {
      const lane = this.#laneOf(targetId)
      // At the start, retries that an earlier process scheduled are attempted once, as after an
      // outage, because its clock may have been wrong by a day.
      if (isFirst) lane.released = START
      lane.hasPending = true
      lane.more = true
      // With an open breaker, probes read the rows, and a successful probe causes them to be read.
      if (lane.waiting.size === 0) this.#pump(lane)
    }
  }

  /**
   * Stops taking deliveries and waits for the running calls. Returns false if they did not end
   * within `timeoutMs`.
   */
  async drain(timeoutMs: number): Promise<boolean> {
    this.#draining = true
    clearInterval(this.#timer)
    for (const lane of this.#lanes.values()) lane.waiting.clear()
    const busy = (): boolean => [...this.#lanes.values()].some((lane) => lane.running.size > 0)
    for (let waitedMs = 0; busy() && waitedMs < timeoutMs; waitedMs += LOOK_MS) await sleep(LOOK_MS)
    return !busy()
  }

  states(): TargetState[] {
    return [...this.#lanes.values()].map((lane) => lane.state())
  }

  #nowMs(): number {
    return this.#deps.clock.steadyMs()
  }

  #laneOf(targetId: string): Lane {
    let lane = this.#lanes.get(targetId)
    if (lane === undefined) this.#lanes.set(targetId, (lane = new Lane(targetId)))
    return lane
  }

  /**
   * Returns whether the lane must not call its target now. With an open breaker only probes call
   * it.
   */
  #isBlocked(lane: Lane): boolean {
    return this.#draining || lane.breaker.open || this.#nowMs() < lane.pausedUntilMs
  }

  #pump(lane: Lane): void {
    if (this.#isBlocked(lane)) return
    for (let next; lane.hasPlace && (next = lane.waiting.nextUrgent()) !== undefined;)
      this.#call(lane, next)
    if (lane.mayBeginBulk) this.#eager.add(lane)
    this.#scheduleBulk()
    if (lane.waiting.size === 0 && (lane.more || lane.released !== undefined)) void this.#fill(lane)
  }

  #scheduleBulk(): void {
    if (this.#turning || this.#eager.size === 0) return
    this.#turning = true
    setImmediate(() => this.#bulkTurn())
  }

  /** Begins one bulk call of each lane after the other, a few in each turn of the event loop. */
  #bulkTurn(): void {
    this.#turning = false
    let begun = 0
    for (const lane of this.#eager) {
      this.#eager.delete(lane)
      const next = this.#isBlocked(lane) || !lane.mayBeginBulk ? undefined : lane.waiting.nextBulk()
      if (next === undefined) continue
      this.#call(lane, next)
      // Added behind the others; this loop reaches it again.
      if (lane.mayBeginBulk) this.#eager.add(lane)
      if (++begun === BULK_A_TURN) break
    }
    this.#scheduleBulk()
  }

  #call(lane: Lane, { ref, how }: Waiting): void {
    const bulk = ref.priority === 'urgent' ? 0 : 1
    lane.runningBulk += bulk
    lane.running.add(ref.id)
    lane.breaker.called(this.#nowMs())
    const perform = this.#perform
    perform(ref, how)
      .then((taken) => this.#judge(lane, taken))
      .catch((error: unknown) => {
        lane.pausedUntilMs = this.#nowMs() + PAUSE_MS
        lane.more = true
        this.#deps.log.error('delivery_not_performed', {
          delivery: ref.id,
          attempt: ref.attempt,
          cause: error,
        })
      })
      .finally(() => {
        lane.running.delete(ref.id)
        lane.runningBulk -= bulk
        this.#pump(lane)
      })
  }

  #judge(lane: Lane, taken: AttemptResult): void {
    const { breaker } = lane
    if (taken.outcome === 'passed') return
    if (taken.outcome === 'failed') {
      lane.hasPending = true
      lane.failure = taken.failure
      if (breaker.failed(this.#nowMs(), taken.retryAfterSeconds)) this.#opened(lane)
      return
    }
    const wasOpen = breaker.open
    lane.failure = taken.failure
    lane.answeredAtMs = this.#deps.clock.nowMs()
    if (!breaker.succeeded()) return
    if (wasOpen) this.#deps.log.info('target_answers_again', { target: lane.targetId })
    if (wasOpen) lane.more = true
    if (lane.hasPending) lane.released = START
  }

  /** Empties the lane. The deliveries are still due in the store, and probes read them there. */
  #opened(lane: Lane): void {
    lane.waiting.clear()
    lane.more = true
    lane.released = undefined
    this.#deps.log.warn('target_stopped_answering', { target: lane.targetId, ...lane.failure })
  }

  async #fill(lane: Lane): Promise<void> {
    if (lane.reading || this.#draining) return
    await this.#filling.read(lane)
    if (lane.waiting.size > 0) this.#pump(lane)
  }

  async #probe(lane: Lane): Promise<void> {
    lane.breaker.called(this.#nowMs())
    const next = await this.#filling.nextForProbe(lane)
    if (next !== undefined) this.#call(lane, next)
  }

  #mayProbe(lane: Lane, nowMs: number): boolean {
    return (
      lane.breaker.suspect &&
      (lane.hasPending || lane.more) &&
      lane.running.size < PROBES &&
      nowMs >= lane.pausedUntilMs &&
      lane.breaker.mayProbe(nowMs, uniform(this.#deps.random))
    )
  }

  #tick(): void {
    const nowMs = this.#nowMs()
    for (const lane of this.#lanes.values()) {
      if (this.#draining) return
      if (!lane.breaker.open && (lane.waiting.size > 0 || lane.more || lane.released !== undefined))
        this.#pump(lane)
      else if (this.#mayProbe(lane, nowMs)) {
        this.#probe(lane).catch((error: unknown) =>
          this.#deps.log.error('probe_failed', { target: lane.targetId, cause: error }),
        )
      }
    }
  }
}
