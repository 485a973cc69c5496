import type { Broker } from './broker.ts'
import { pause, type Clock } from './clock.ts'
import type { Hooks } from './hooks.ts'

const BETWEEN_MS = 100
const MAX_RETRY_MS = 30_000

/**
 * Tells the broker what this guard enforces: the proof that the last instance does. The first of a burst at once, then the newest only, and
 * again until it has been heard.
 */
export class Reporter {
  /** The newest that the broker has noted. */
  reportedSeq: number | undefined
  reports = 0
  readonly #parts: { broker: Broker; guardId: string; clock: Clock; hooks: Hooks; stopping: AbortSignal; onForeignEpoch: () => void }
  #newest: { epoch: string; seq: number } | undefined
  #running = false

  constructor(parts: { broker: Broker; guardId: string; clock: Clock; hooks: Hooks; stopping: AbortSignal; onForeignEpoch: () => void }) {
    this.#parts = parts
  }

  /** Never waits and never throws. */
  applied(epoch: string, seq: number): void {
    this.#newest = { epoch, seq }
    if (!this.#running) void this.#run()
  }

  async #run(): Promise<void> {
    const { clock, stopping } = this.#parts
    this.#running = true
    let retryMs = BETWEEN_MS
    while (this.#newest !== undefined && !stopping.aborted) {
      const report = this.#newest
      const heard = await this.#send(report)
      if (heard && this.#newest === report) this.#newest = undefined
      retryMs = heard ? BETWEEN_MS : Math.min(retryMs * 2, MAX_RETRY_MS)
      await pause(clock, retryMs, stopping)
    }
    this.#running = false
  }

  /** True where it need not be said again. */
  async #send(report: { epoch: string; seq: number }): Promise<boolean> {
    const { broker, clock, guardId, hooks, onForeignEpoch, stopping } = this.#parts
    const begun = clock.monotonicMs()
    try {
      const status = await broker.reportApplied({ ...report, guard: guardId }, stopping)
      if (status >= 200 && status < 300) {
        this.reports++
        this.reportedSeq = report.seq
        hooks.reported({ seq: report.seq, ms: clock.monotonicMs() - begun })
        return true
      }
      if (status === 409) {
        onForeignEpoch()
        return true
      }
      hooks.problem(new Error(`The broker answered ${status} to the report of what is enforced.`))
      return status === 400
    } catch (cause) {
      if (!stopping.aborted) hooks.problem(new Error('The broker could not be told what is enforced; it is tried again.', { cause }))
      return false
    }
  }
}
