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
}

/** The only code that reads the machine's clock. All other code receives a `Clock`. */
export const systemClock: SteadyClock = {
  now: () => Math.floor(Date.now() / 1000),
  nowMs: () => Date.now(),
  steadyMs: () => Math.floor(performance.timeOrigin + performance.now()),
}
