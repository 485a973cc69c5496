import type { Log } from '../src/runtime/log.ts'

/** Work that repeats: never two at a time; a fault is logged, and the next turn retries. */
export interface Repeating {
  /** Does it now; where it is under way, once more after that. */
  wake(): void
  /** Waits for what is under way. */
  stop(): Promise<void>
}

export function repeat(log: Log, name: string, everyMs: number, work: () => Promise<void>): Repeating {
  let running: Promise<void> | undefined
  let again = false
  const stopped = new AbortController()

  const run = async (): Promise<void> => {
    do {
      again = false
      try {
        await work()
      } catch (error) {
        log.error('worker_failed', { worker: name, cause: error })
      }
    } while (again && !stopped.signal.aborted)
    running = undefined
  }
  const wake = (): void => {
    if (stopped.signal.aborted) return
    if (running === undefined) running = run()
    else again = true
  }
  // The timer does not press: what takes longer than its turn is not done twice in a row.
  const timer = setInterval(() => {
    if (running === undefined) wake()
  }, everyMs)
  timer.unref()
  return {
    wake,
    async stop() {
      stopped.abort()
      clearInterval(timer)
      await running
    },
  }
}
