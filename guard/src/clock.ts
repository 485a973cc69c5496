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
   * suspended. Default: the sum of the time between readings, each by the clock above that shows
   * more.
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
    return { ...own, elapsedMs: bootTime() ?? summed(own), after }
  }
  const own = {
    nowMs: () => given.nowMs(),
    monotonicMs: () => given.monotonicMs?.() ?? given.nowMs(),
  }
  const sum = summed(own)
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

/**
 * The difference that rounding can cause. The wall clock has whole milliseconds, and its rounding
 * errors must not add up.
 */
const ROUNDED_MS = 2

/** Returns a clock that adds up the time between readings, each by the clock that shows more. */
function summed({ nowMs, monotonicMs }: Pick<Clock, 'nowMs' | 'monotonicMs'>): () => number {
  let [sum, wall, monotonic] = [0, nowMs(), monotonicMs()]
  return () => {
    const [toWall, toMonotonic] = [nowMs(), monotonicMs()]
    const [byWall, byMonotonic] = [toWall - wall, toMonotonic - monotonic]
    sum += Math.max(0, byWall > byMonotonic + ROUNDED_MS ? byWall : byMonotonic)
    wall = toWall
    monotonic = toMonotonic
    return sum
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
