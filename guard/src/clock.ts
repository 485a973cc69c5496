/**
 * Time, handed in so that a test can turn it. Where a part is not given, the machine's own is used.
 */
export interface GuardClock {
  /** Epoch milliseconds. */
  nowMs(): number
  /** Milliseconds of a clock that is never set back. Not given: `nowMs`. */
  monotonicMs?(): number
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
  if (given === undefined)
    return { nowMs: () => Date.now(), monotonicMs: () => performance.now(), after }
  return {
    nowMs: () => given.nowMs(),
    monotonicMs: () => given.monotonicMs?.() ?? given.nowMs(),
    after: (ms, run) => (given.after === undefined ? after(ms, run) : given.after(ms, run)),
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
