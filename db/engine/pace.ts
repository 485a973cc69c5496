import { setTimeout as sleep } from 'node:timers/promises'

/** Between the pages of an act over many rows, so that the acts of requests have at least half of the time, however many rows there are. */

const MOST_PAUSE_MS = 20

/** @returns what to await after each page: it pauses as long as the page took */
export function pacing(): () => Promise<void> {
  let begunMs = performance.now()
  return async () => {
    await sleep(Math.min(performance.now() - begunMs, MOST_PAUSE_MS))
    begunMs = performance.now()
  }
}
