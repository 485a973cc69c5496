import { performance } from 'node:perf_hooks'
import { setTimeout as sleep } from 'node:timers/promises'

/**
 * Paces acts over many rows: pages are so small, and pauses so long, that the acts of requests
 * hardly notice them. The cost of a page depends on the rows and the disk, so each page's size is
 * set by the time that the last one took.
 */

/**
 * How long a page may hold the event loop, roughly. A page on Postgres holds it for less, so pages
 * there stay large.
 */
const TURN_MS = 1
const LEAST_ROWS = 2
/**
 * The first page is small, because a row of the most expensive act takes 0.4 to 0.7 ms while the
 * code is cold.
 */
const FIRST_ROWS = 4
const MOST_GROWTH = 1.5

interface Pace {
  /** The number of rows in the next page. */
  readonly rows: number
  /** Pauses after a page and sets the size of the next. */
  rest(): Promise<void>
}

interface Limits {
  /** The maximum number of rows in a page. */
  most: number
  /**
   * The pause, as a multiple of the page's duration. With 1, the acts of requests get at least half
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
