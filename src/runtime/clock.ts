/**
 * The time, in epoch seconds, and in milliseconds where a second is too long. Read once a request
 * and passed down.
 */
export interface Clock {
  now(): number
  nowMs(): number
}

/** For what must go on in time although the system's clock is set: retries, breakers, leases. */
export interface SteadyClock extends Clock {
  /**
   * The milliseconds since the epoch at the start of the process, plus the monotonic time since: a
   * step of the system's clock does not move it.
   */
  steadyMs(): number
}

/** The one place that reads the machine's clock; everything else is handed a `Clock`. */
export const systemClock: SteadyClock = {
  now: () => Math.floor(Date.now() / 1000),
  nowMs: () => Date.now(),
  steadyMs: () => Math.floor(performance.timeOrigin + performance.now()),
}
