/**
 * Time, handed in so that a test can turn it. Where a part is not given, the machine's own is used.
 */
export interface GuardClock {
  /** Epoch milliseconds. */
  nowMs(): number
  /** Milliseconds of a clock that is never set back. Not given: `nowMs`. */
  monotonicMs?(): number
  /**
   * Milliseconds of a clock that is never set and counts the time in which the machine was
   * suspended. Not given: what passed from reading to reading, each time by the clock above that
   * says more.
   */
  elapsedMs?(): number
  /** Calls `run` once after `ms`; returns how to cancel it. */
  after?(ms: number, run: () => void): () => void
}

export type Clock = Required<GuardClock>

export function completeClock(given: GuardClock | undefined): Clock {
  const after = (ms: number, run: () => void): (() => void) => {
    const timer = setTimeout(run, ms)
    // A waiting guard keeps no process alive.
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
 * CLOCK_BOOTTIME, in steps of 10 ms, where Node has it. Bun and Deno give it in whole seconds, and
 * Workers say 0.
 */
function bootTime(): (() => number) | undefined {
  const { process } = globalThis as { process?: NodeJS.Process }
  if (process?.platform !== 'linux' || process.versions.bun || process.versions.deno)
    return undefined
  const os = process.getBuiltinModule?.('node:os')
  return os !== undefined && os.uptime() > 0 ? () => Math.round(os.uptime() * 1000) : undefined
}

/** The wall clock goes in whole milliseconds: what is rounded up must not add up. */
const ROUNDED_MS = 2

/** What passed from reading to reading, each time by the clock that says more. */
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
