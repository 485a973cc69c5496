import { setTimeout as sleep } from 'node:timers/promises'
import { DelayedError, UnrecoverableError, Worker, type Job } from 'bullmq'
import type { DeliveryTotals } from '../../db/types.ts'
import { systemClock } from '../runtime/clock.ts'
import { within } from '../runtime/concurrency.ts'
import type { Drive } from './interface.ts'

/**
 * The job of a revocation, and its worker, which works around two defects of BullMQ's: a loop that
 * never yields to the event loop, and a failed start that is never repeated.
 */

export interface JobData {
  /** The number of the revocation. */
  seq: number
}
type Ended = DeliveryTotals | undefined

export const QUEUE_NAME = 'revocations'
export const ANSWER_MS = 3_000
const DAY_SECONDS = 86_400
/** The failure of a job is a count of deliveries, so its stack says nothing. */
export const QUEUE = { defaultJobOptions: { keepLogs: 100, stackTraceLimit: 0 } }
export const WORKER = {
  // The number keeps the round trips to the server full: a job never waits for an attempt.
  concurrency: 20,
  removeOnComplete: { count: 1_000, age: 7 * DAY_SECONDS },
  // Bounded like the log of revocations, which keeps 90 days by default.
  removeOnFail: { count: 100_000, age: 90 * DAY_SECONDS },
  runRetryDelay: 1_000,
}

/** Returns the processor of jobs: it shows on the job how far the deliveries are. */
export const processorOf =
  (drive: Drive) =>
  async (job: Job<JobData, Ended>, token?: string): Promise<Ended> => {
    const { totals, againMs } = await drive(job.data.seq)
    const counts = Object.entries(totals ?? {}).filter(([, count]) => count > 0)
    const of = counts.reduce((sum, [, count]) => sum + count, 0)
    const settled = of - (totals?.pending ?? 0)
    if (of > 0) await job.updateProgress({ progress: (100 * settled) / of, settled, of })
    if (againMs !== undefined) {
      // BullMQ goes by the clock of the machine.
      await job.moveToDelayed(systemClock.nowMs() + againMs, token)
      throw new DelayedError()
    }
    const summary = counts.map(([state, count]) => `${count} ${state}`).join(', ')
    await job.log(`${settled} of ${of}: ${summary}`)
    if (totals !== undefined && totals.rejected + totals.failed > 0)
      throw new UnrecoverableError(summary)
    return totals
  }

const FIRST_PAUSE_MS = 100
const MAX_PAUSE_MS = 5_000

/** Waits longer after each failure. Resolves at once if the signal is aborted. */
const pause = (failures: number, signal?: AbortSignal): Promise<void> =>
  sleep(Math.min(FIRST_PAUSE_MS * 2 ** failures, MAX_PAUSE_MS), undefined, { signal }).catch(
    () => {},
  )

/**
 * A worker that pauses after each failed request for a job. BullMQ 6.7 pauses only after an error
 * that it counts as a lost connection (ECONNREFUSED), and repeats the request at once after every
 * other error. If that error involves no input or output, as from an ended pool, no timer, request
 * or signal of this process runs again (`retryIfFailed` in its worker.js).
 */
export class PacedWorker extends Worker<JobData, Ended> {
  #failures = 0
  readonly #ending = new AbortController()

  protected override async moveToActive(
    token: string,
    name?: string,
  ): Promise<Job<JobData, Ended>> {
    try {
      const job = await super.moveToActive(token, name)
      this.#failures = 0
      return job
    } catch (error) {
      await pause(this.#failures++, this.#ending.signal)
      throw error
    }
  }

  override close(force?: boolean): Promise<void> {
    this.#ending.abort()
    return super.close(force)
  }
}

interface Opened {
  waitUntilReady(): Promise<unknown>
  close(): Promise<void>
}

/**
 * Opens a queue or a worker, and opens it again if it does not become ready. BullMQ remembers the
 * failure, so that every later call of the same queue fails.
 * @param opened is called with each that is opened
 */
export async function openReady<T extends Opened>(
  open: () => T,
  attempts: number,
  { signal, opened }: { signal?: AbortSignal; opened?: (entry: T) => void } = {},
): Promise<T> {
  for (let failures = 0; ; failures++) {
    const entry = open()
    opened?.(entry)
    try {
      await entry.waitUntilReady()
      return entry
    } catch (error) {
      await entry.close().catch(() => {})
      if (failures + 1 < attempts) await pause(failures, signal)
      if (failures + 1 >= attempts || signal?.aborted === true) throw error
    }
  }
}

/** Starts a worker. If it does not become ready, it is opened again until it does or is stopped. */
export function keepWorking(open: () => Opened): { stop(): Promise<void> } {
  const ending = new AbortController()
  let worker: Opened | undefined
  const opened = (made: Opened): void => void (worker = made)
  openReady(open, Number.POSITIVE_INFINITY, { signal: ending.signal, opened }).catch(() => {})
  return {
    async stop() {
      ending.abort()
      // BullMQ waits for its server when it closes. If the server is down, the broker stops waiting
      // after 3 s.
      if (worker !== undefined) await within(ANSWER_MS, worker.close()).catch(() => {})
    },
  }
}
