import { performance } from 'node:perf_hooks'
import { setTimeout as sleep } from 'node:timers/promises'

/**
 * Acts over many rows, in pages so small and with such pauses between them that the acts of
 * requests hardly notice, however many rows there are. What a page of so many rows costs depends on
 * the rows and the disk, so the next page is made larger or smaller by what the last one took.
 */

/**
 * A page may hold the event loop for about so long. A page on Postgres holds it for less, so pages
 * there stay large.
 */
const TURN_MS = 1
const LEAST_ROWS = 2
/** A row of the dearest act takes 0.4 to 0.7 ms where the code has not run for long. */
const FIRST_ROWS = 4
const MOST_GROWTH = 1.5

interface Pace {
  /** Rows of the next page. */
  readonly rows: number
  /** Pauses after a page. */
  rest(): Promise<void>
}

interface Limits {
  /** Rows of a page at most. */
  most: number
  /**
   * The pause, as a multiple of what the page took: with 1 the acts of requests have at least half
   * of the time.
   */
  pause?: number
  mostPauseMs?: number
}

export function pacing({ most, pause = 1, mostPauseMs = 20 }: Limits): Pace {
  let rows = Math.min(FIRST_ROWS, most)
  let begunMs = performance.now()
  let loop = performance.eventLoopUtilization()
  return {
    get rows() {
      return Math.round(rows)
    },
    async rest() {
      const heldMs = performance.eventLoopUtilization(loop).active
      rows = Math.max(LEAST_ROWS, Math.min(most, rows * Math.min(MOST_GROWTH, TURN_MS / heldMs)))
      await sleep(Math.min(pause * (performance.now() - begunMs), mostPauseMs))
      begunMs = performance.now()
      loop = performance.eventLoopUtilization()
    },
  }
}
