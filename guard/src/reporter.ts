import type { Broker, Report } from './broker.ts'
import { pause, type Clock } from './clock.ts'
import type { Hooks } from './hooks.ts'

/** A thousand guards that each report at most once a second, not all in the same one. */
const BETWEEN_MS = 1000
const JITTER_MS = 250
const MAX_RETRY_MS = 30_000
/**
 * Also where nothing was revoked: the broker tells guards that are gone from those that are silent,
 * and the clock is compared.
 */
const REPEAT_MS = 5 * 60_000

interface ReporterParts {
  broker: Broker
  clock: Clock
  hooks: Hooks
  random: () => number
  stopping: AbortSignal
  /** What each report says besides: this guard, as it is now. */
  about: () => Omit<Report, 'epoch' | 'seq'>
  /** 409: the broker's log is another, or has not reached what is enforced here. */
  onConflict: () => void
}

/**
 * Tells the broker what this guard enforces: the proof that the last instance does. The first of a
 * burst at once, then the newest only, at most once a second, and again until the broker has it.
 */
export class Reporter {
  /** The newest that the broker has noted. */
  reportedSeq: number | undefined
  reports = 0
  readonly #parts: ReporterParts
  #newest: { epoch: string; seq: number } | undefined
  #last: { epoch: string; seq: number; atMs: number } | undefined
  #running = false

  constructor(parts: ReporterParts) {
    this.#parts = parts
  }

  /** Never waits and never throws. */
  enforced(epoch: string, seq: number): void {
    this.#newest = { epoch, seq }
    if (!this.#running) void this.#run()
  }

  /** As `enforced`, where the broker has not noted exactly that already. */
  enforcedAnew(epoch: string, seq: number): void {
    if (this.#last?.epoch !== epoch || this.#last.seq !== seq) this.enforced(epoch, seq)
    else this.repeat()
  }

  /** Says the last report again where that was long ago. */
  repeat(): void {
    if (
      this.#last === undefined ||
      this.#running ||
      this.#parts.clock.monotonicMs() - this.#last.atMs < REPEAT_MS
    )
      return
    this.enforced(this.#last.epoch, this.#last.seq)
  }

  async #run(): Promise<void> {
    const { clock, random, stopping } = this.#parts
    this.#running = true
    let retryMs = BETWEEN_MS
    while (this.#newest !== undefined && !stopping.aborted) {
      const report = this.#newest
      const heard = await this.#send(report)
      if (heard && this.#newest === report) this.#newest = undefined
      retryMs = heard ? BETWEEN_MS : Math.min(retryMs * 2, MAX_RETRY_MS)
      await pause(clock, retryMs + Math.round(random() * JITTER_MS), stopping)
    }
    this.#running = false
  }

  /** True where the broker has it already. */
  async #send(report: { epoch: string; seq: number }): Promise<boolean> {
    const { about, broker, clock, hooks, onConflict, stopping } = this.#parts
    const begun = clock.monotonicMs()
    try {
      const status = await broker.report({ ...report, ...about() }, stopping)
      if (status >= 200 && status < 300) {
        this.reports++
        this.reportedSeq = report.seq
        this.#last = { ...report, atMs: clock.monotonicMs() }
        hooks.reported({ seq: report.seq, ms: clock.monotonicMs() - begun })
        return true
      }
      if (status === 409) {
        onConflict()
        return true
      }
      hooks.problem(new Error(`The broker answered ${status} to the report of what is enforced.`))
      return status === 400
    } catch (cause) {
      if (!stopping.aborted)
        hooks.problem(
          new Error('The report of what is enforced did not reach the broker. It is sent again.', {
            cause,
          }),
        )
      return false
    }
  }
}
