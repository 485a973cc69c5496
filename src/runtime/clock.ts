import { platform, uptime } from 'node:os'

/**
 * The time in epoch seconds, and in milliseconds for short intervals. It is read once per request
 * and passed on.
 */
export interface Clock {
  now(): number
  nowMs(): number
}

/**
 * A clock for retries, breakers and leases, which must not be affected if the system's clock is
 * set.
 */
export interface SteadyClock extends Clock {
  /**
   * Returns the milliseconds since the epoch at the start of the process plus the monotonic time
   * since. Setting the system's clock does not change it.
   */
  steadyMs(): number
  /**
   * Milliseconds of a clock that is never set and counts the time in which the machine was
   * suspended: leases are counted by it.
   */
  elapsedMs(): number
}

/** The steps of the clock that counts suspension, with the rounding: of CLOCK_BOOTTIME 10 ms. */
const BOOT_STEP_MS = 11
export const WALL_STEP_MS = 2
/** Between two readings the process may be interrupted, so a clock that seems late is read again. */
const READINGS = 3

/**
 * Returns a clock that counts suspension by `counting` and never falls behind the monotonic clock:
 * `/proc/uptime` may go back or stand still (lxcfs, gVisor), and the wall clock may be set.
 */
export function elapsed(
  counting: () => number,
  stepMs: number,
  monotonicMs = (): number => performance.now(),
): () => number {
  let [lackedMs, lastMs, mostAheadMs] = [-counting(), 0, counting() - monotonicMs()]
  return () => {
    let [countedMs, aheadMs] = [0, -Infinity]
    for (let n = 0; n < READINGS && mostAheadMs - aheadMs > stepMs; n++) {
      countedMs = counting()
      aheadMs = countedMs - monotonicMs()
    }
    if (mostAheadMs - aheadMs > stepMs) lackedMs += mostAheadMs - aheadMs
    else aheadMs = Math.max(aheadMs, mostAheadMs)
    mostAheadMs = aheadMs
    lastMs = Math.max(lastMs, countedMs + lackedMs)
    return lastMs
  }
}

/** The only code that reads the machine's clock. All other code receives a `Clock`. */
export const systemClock: SteadyClock = {
  now: () => Math.floor(Date.now() / 1000),
  nowMs: () => Date.now(),
  steadyMs: () => Math.floor(performance.timeOrigin + performance.now()),
  // By CLOCK_BOOTTIME where the system has it.
  elapsedMs:
    platform() === 'linux'
      ? elapsed(() => Math.round(uptime() * 1000), BOOT_STEP_MS)
      : elapsed(() => Date.now(), WALL_STEP_MS),
}
