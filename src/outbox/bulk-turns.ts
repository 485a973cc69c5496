import type { Lane } from './lane.ts'

/** Bulk calls to all targets that begin in one turn of the event loop: an urgent delivery waits for the work of so many at most. */
const BULK_A_TURN = 8

/** Gives the lanes of this process their turns at bulk: one call of one lane after the other, a few in each turn of the event loop. */
export class BulkTurns {
  /** Lanes with bulk that may begin, in the order of their turns. */
  readonly #eager = new Set<Lane>()
  /** Begins the next bulk call of a lane. False where it has none that may begin. */
  readonly #beginNext: (lane: Lane) => boolean
  #turning = false

  constructor(beginNext: (lane: Lane) => boolean) {
    this.#beginNext = beginNext
  }

  add(lane: Lane): void {
    this.#eager.add(lane)
    this.#schedule()
  }

  #schedule(): void {
    if (this.#turning || this.#eager.size === 0) return
    this.#turning = true
    setImmediate(() => this.#turn())
  }

  #turn(): void {
    this.#turning = false
    let begun = 0
    for (const lane of this.#eager) {
      this.#eager.delete(lane)
      if (!this.#beginNext(lane)) continue
      // Behind the others: this loop comes to it once more.
      if (lane.mayBeginBulk) this.#eager.add(lane)
      if (++begun === BULK_A_TURN) break
    }
    this.#schedule()
  }
}
