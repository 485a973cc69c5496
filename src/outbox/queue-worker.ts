import { setTimeout as sleep } from 'node:timers/promises'
import { Worker, type Job } from 'bullmq'
import type { DeliveryRef } from '../../db/types.ts'

/**
 * Works around two defects of BullMQ's worker: a loop that never yields to the event loop, and a
 * failed start that is never repeated.
 */

/** The data of a job: one delivery, and `more` deliveries if a user waits for several. */
export type JobData = DeliveryRef & { more?: readonly DeliveryRef[] }

export const QUEUE_NAME = 'logout-delivery'
export const ANSWER_MS = 3_000
export const WORKER = {
  autorun: true,
  removeOnComplete: { count: 0 },
  removeOnFail: { count: 0 },
  lockDuration: 30_000,
  drainDelay: 5,
  runRetryDelay: 1_000,
}

export const eachOf =
  (perform: (ref: DeliveryRef) => Promise<void>) =>
  async ({ data: { more = [], ...ref } }: Job<JobData, void>): Promise<void> => {
    await Promise.all([ref, ...more].map(perform))
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
export class PacedWorker extends Worker<JobData, void> {
  #failures = 0
  readonly #ending = new AbortController()

  protected override async moveToActive(token: string, name?: string): Promise<Job<JobData, void>> {
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
 * Opens a queue, and opens it again if it does not become ready. BullMQ remembers the failure, so
 * that every later call of the same queue fails.
 */
export async function openReady<T extends Opened>(open: () => T, attempts: number): Promise<T> {
  for (let failures = 0; ; failures++) {
    const opened = open()
    try {
      await opened.waitUntilReady()
      return opened
    } catch (error) {
      await opened.close().catch(() => {})
      if (failures + 1 >= attempts) throw error
      await pause(failures)
    }
  }
}

/** Starts a worker. If it does not become ready, it is opened again until it does or is stopped. */
export function keepWorking(open: () => Opened): { stop(): Promise<void> } {
  const ending = new AbortController()
  let worker = open()
  const keep = async (): Promise<void> => {
    for (let failures = 0; !ending.signal.aborted; failures++) {
      try {
        await worker.waitUntilReady()
        return
      } catch {
        await worker.close().catch(() => {})
        await pause(failures, ending.signal)
        if (!ending.signal.aborted) worker = open()
      }
    }
  }
  void keep()
  return {
    async stop() {
      ending.abort()
      await worker.close()
    },
  }
}
