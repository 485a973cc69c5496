/**
 * The clocks and timers of a guard, so that a test can control time. The machine's own replace
 * those that are left out.
 */
export interface GuardClock {
  /** Epoch milliseconds. */
  nowMs(): number
  /** Milliseconds of a clock that is never set back. Default: `nowMs`. */
  monotonicMs?(): number
  /**
   * Milliseconds of a clock that is never set, and that counts the time in which the machine was
   * suspended. Default: CLOCK_BOOTTIME where Node has it and no clock is given, else the wall
   * clock; where that falls behind the monotonic clock, what it lacks is added.
   */
  elapsedMs?(): number
  /** Calls `run` once after `ms`. Returns a function that cancels it. */
  after?(ms: number, run: () => void): () => void
}

export type Clock = Required<GuardClock>

export function completeClock(given: GuardClock | undefined): Clock {
  const after = (ms: number, run: () => void): (() => void) => {
    const timer = setTimeout(run, ms)
    // A timer of the guard does not keep the process alive.
    timer.unref?.()
    return () => clearTimeout(timer)
  }
  if (given === undefined) {
    const own = { nowMs: () => Date.now(), monotonicMs: () => performance.now() }
    return { ...own, elapsedMs: elapsed(own, bootTime()), after }
  }
  const own = {
    nowMs: () => given.nowMs(),
    monotonicMs: () => given.monotonicMs?.() ?? given.nowMs(),
  }
  const sum = elapsed(own)
  return {
    ...own,
    elapsedMs: () => given.elapsedMs?.() ?? sum(),
    after: (ms, run) => (given.after === undefined ? after(ms, run) : given.after(ms, run)),
  }
}

/**
 * Returns a reader of CLOCK_BOOTTIME in steps of 10 ms, if Node has it. Bun and Deno give whole
 * seconds, and Workers 0.
 */
function bootTime(): (() => number) | undefined {
  const { process } = globalThis as { process?: NodeJS.Process }
  if (process?.platform !== 'linux' || process.versions.bun || process.versions.deno)
    return undefined
  const os = process.getBuiltinModule?.('node:os')
  return os !== undefined && os.uptime() > 0 ? () => Math.round(os.uptime() * 1000) : undefined
}

/** The steps of CLOCK_BOOTTIME as Node reads it, and of the wall clock, with the rounding. */
const BOOT_STEP_MS = 11
const WALL_STEP_MS = 2
/** Between two readings the process may be interrupted, so a clock that seems late is read again. */
const READINGS = 3

/**
 * Returns a clock that counts suspension by `counting` and never falls behind the monotonic clock:
 * `/proc/uptime` may go back or stand still (lxcfs, gVisor), and the wall clock may be set.
 */
function elapsed(
  { nowMs, monotonicMs }: Pick<Clock, 'nowMs' | 'monotonicMs'>,
  boot?: () => number,
): () => number {
  const counting = boot ?? nowMs
  const stepMs = boot === undefined ? WALL_STEP_MS : BOOT_STEP_MS
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

/** Resolves after `ms`, or at once when `signal` aborts. Never rejects. */
export function pause(clock: Clock, ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve()
    const done = (): void => {
      cancel()
      signal.removeEventListener('abort', done)
      resolve()
    }
    const cancel = clock.after(ms, done)
    signal.addEventListener('abort', done)
  })
}
