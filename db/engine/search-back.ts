import { setImmediate as turn } from 'node:timers/promises'
import type { Searched } from '../types.ts'

/**
 * A list that is read in its order, window by window, with the event loop let in between: until
 * enough is found, or enough was read.
 */

/** Entries that one turn looks at. */
export const WINDOW = 2_000

/**
 * A log is in the order of commits. Its times go back by no more than this, where a clock was set
 * back.
 */
export const CLOCK_BACK_SECONDS = 86_400

export interface Window<T, P> {
  found: T[]
  /** The last entry that was looked at, where there may be more after it. */
  reached: P | undefined
  /** Entries that were looked at, whether or not they are wanted. */
  entries: number
}

/** How many are wanted, and how many entries may be looked at for them. */
interface Bounds {
  limit: number
  most: number
}

/** @param next looks at the entries after a place, for at most `room` of those wanted */
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
