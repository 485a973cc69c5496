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

/** The wall clock goes in whole milliseconds: what is rounded up must not add up. */
const ROUNDED_MS = 2

/** The sum of what passed from reading to reading, each time by the clock that says more. */
function summed(): () => number {
  let [sum, wall, steady] = [0, Date.now(), performance.now()]
  return () => {
    const [toWall, toSteady] = [Date.now(), performance.now()]
    const [byWall, bySteady] = [toWall - wall, toSteady - steady]
    sum += Math.max(0, byWall > bySteady + ROUNDED_MS ? byWall : bySteady)
    wall = toWall
    steady = toSteady
    return sum
  }
}

/** The only code that reads the machine's clock. All other code receives a `Clock`. */
export const systemClock: SteadyClock = {
  now: () => Math.floor(Date.now() / 1000),
  nowMs: () => Date.now(),
  steadyMs: () => Math.floor(performance.timeOrigin + performance.now()),
  // CLOCK_BOOTTIME, in steps of 10 ms, where the system has it.
  elapsedMs: platform() === 'linux' ? () => Math.round(uptime() * 1000) : summed(),
}
