import { setImmediate as turn } from 'node:timers/promises'
import type { Searched } from '../types.ts'

/**
 * Reads a list in its order, window by window, until enough entries are found or read. The event
 * loop runs between two windows.
 */

/** The number of entries that one turn of the event loop looks at. */
export const WINDOW = 2_000

/**
 * The most by which a clock that was set back may put an entry's time out of order. A log itself is
 * in the order of commits.
 */
export const CLOCK_BACK_SECONDS = 86_400

export interface Window<T, P> {
  found: T[]
  /** The last entry that was looked at; undefined where there is none after it. */
  reached: P | undefined
  /** The number of entries that were looked at, matching or not. */
  entries: number
}

/** How many matches are wanted, and how many entries may be looked at to find them. */
interface Bounds {
  limit: number
  most: number
}

/**
 * Searches a list back from a place until `limit` entries match or `most` were read.
 * @param next reads the entries after a place, for at most `room` matches
 */
export async function searchBack<T, P>(
  from: P,
  { limit, most }: Bounds,
  next: (from: P, room: number) => Promise<Window<T, P>>,
): Promise<Searched<T, P>> {
  const found: T[] = []
  let entries = 0
  for (let at = from; ; await turn()) {
    const window = await next(at, limit - found.length)
    found.push(...window.found)
    entries += window.entries
    if (window.reached === undefined || found.length >= limit)
      return { found, searchedTo: undefined }
    if (entries >= most) return { found, searchedTo: window.reached }
    at = window.reached
  }
}
