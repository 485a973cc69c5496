import type { pacing } from '../db/engine/pace.ts'
import type { Log } from '../src/runtime/log.ts'
import type { Checks } from '../src/operations/checks/checks.ts'
import type { Deps } from './deps.ts'

/**
 * Work that repeats at an interval, never twice at a time. A failure is logged, and the next turn
 * retries.
 */
export interface Repeating {
  /** Runs the work now or, if it is running, once more after that. */
  wake(): void
  /** Stops the repetition and waits for the running work. */
  stop(): Promise<void>
}

export function repeat(
  log: Log,
  name: string,
  everyMs: number,
  work: () => Promise<void>,
): Repeating {
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
  // The timer does not queue another run, so that work that takes longer than its interval does not
  // run twice in a row.
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

/**
 * Returns a function that runs the checks and logs each failure when it begins and when it ends.
 */
export function watchChecks({ log }: Pick<Deps, 'log'>, checks: Checks): () => Promise<void> {
  let before = new Map<string, string>()
  return async () => {
    const failing = new Map<string, string>()
    for (const { check, about, state, found, fix } of await checks.look()) {
      if (state !== 'failed') continue
      const key = `${check} ${about ?? ''}`.trim()
      failing.set(key, check)
      if (!before.has(key)) log.error('check_failed', { check, about, found, next: fix })
    }
    for (const [key, check] of before)
      if (!failing.has(key))
        log.info('check_recovered', { check, about: key.slice(check.length + 1) || undefined })
    before = failing
  }
}

/**
 * Processes page after page, with a pause after each, until there are no more or the process ends.
 * @param page processes one page and returns whether there are more
 */
export async function inPages(
  pace: ReturnType<typeof pacing>,
  going: () => boolean,
  page: (rows: number) => Promise<boolean>,
): Promise<void> {
  while (going() && (await page(pace.rows))) await pace.rest()
}
