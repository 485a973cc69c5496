import type { EarlyCursor } from '../../db/types.ts'
import { Breaker } from './breaker.ts'
import type { TargetState } from './interface.ts'
import { WaitingLines } from './waiting-lines.ts'

/** Calls to one target at a time. */
const CONCURRENCY = 8
/** Of these, calls for bulk: an urgent delivery finds a free place, however slow the target is. */
const BULK_CONCURRENCY = 6

/** Of a failure or rejection, for logs and operators. */
export interface Failing {
  client_id: string
  address: string
  cause: string
}

/** What this process knows of one target: its breaker, what waits for it and what is under way. */
export class Lane {
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

  get hasPlace(): boolean {
    return this.running.size < CONCURRENCY
  }

  get mayBeginBulk(): boolean {
    return this.waiting.size > 0 && this.hasPlace && this.runningBulk < BULK_CONCURRENCY
  }

  state(): TargetState {
    return {
      targetId: this.targetId,
      breaker: this.breaker.state,
      failuresInARow: this.breaker.failuresInARow,
      waiting: this.waiting.size,
      running: this.running.size,
      lastFailure: this.failure?.cause,
    }
  }
}
