import type { Broker, Report } from './broker.ts'
import { pause, type Clock } from './clock.ts'
import type { Hooks } from './hooks.ts'

/**
 * The shortest time between two reports, so that a thousand guards each report at most once a
 * second. The jitter spreads them.
 */
const BETWEEN_MS = 1000
const JITTER_MS = 250
const MAX_RETRY_MS = 30_000
const LEAST_REPEAT_MS = 10_000

/**
 * Returns the time after which a report is repeated even if nothing was revoked, so that the broker
 * knows that the guard is alive: half of the lease, so that a lost report raises no alarm.
 */
export const repeatMs = (leaseMs: number): number => Math.max(LEAST_REPEAT_MS, leaseMs / 2)

interface ReporterParts {
  broker: Broker
  clock: Clock
  hooks: Hooks
  random: () => number
  stopping: AbortSignal
  /** Returns the lowest `seq` that may not be reported yet, or Infinity. */
  withheldFrom: () => number
  /** Returns the other members of a report: the guard and its current state. */
  about: () => Omit<Report, 'epoch' | 'seq'>
  /**
   * Called for a 409: the broker's log is another one, or has not reached the position that was
   * reported.
   */
  onConflict: (position: { epoch: string; seq: number }) => void
}

/**
 * Reports to the broker what this guard enforces, which proves that the last instance does. The
 * first report of a burst goes at once, then only the newest, at most once a second, until the
 * broker has it.
 */
export class Reporter {
  /** The newest `seq` that the broker has accepted. */
  reportedSeq: number | undefined
  reports = 0
  readonly #parts: ReporterParts
  #newest: { epoch: string; seq: number } | undefined
  #last: { epoch: string; seq: number; atMs: number } | undefined
  /** The last report that is not sent again. */
  #done: { epoch: string; seq: number } | undefined
  #running = false

  constructor(parts: ReporterParts) {
    this.#parts = parts
  }

  /** Reports that everything up to `seq` is enforced. Never waits and never throws. */
  enforced(epoch: string, seq: number): void {
    this.#newest = { epoch, seq }
    if (!this.#running) void this.#run()
  }

  /** Reports what was withheld before. */
  resume(): void {
    if (this.#newest !== undefined && !this.#running) void this.#run()
  }

  /** Reports the same as `enforced`, unless the broker has already accepted exactly that. */
  enforcedAnew(epoch: string, seq: number): void {
    if (this.#last?.epoch !== epoch || this.#last.seq !== seq) this.enforced(epoch, seq)
  }

  /** Repeats the last report if it is at least as old as `afterMs`. */
  repeat(afterMs: number): void {
    if (
      this.#last === undefined ||
      this.#newest !== undefined ||
      this.#parts.clock.monotonicMs() - this.#last.atMs < afterMs
    )
      return
    this.enforced(this.#last.epoch, this.#last.seq)
  }

  async #run(): Promise<void> {
    const { clock, random, stopping } = this.#parts
    this.#running = true
    let retryMs = BETWEEN_MS
    for (let report; (report = this.#due()) !== undefined && !stopping.aborted;) {
      const heard = await this.#send(report)
      if (heard) this.#done = report
      if (heard && this.#newest === report) this.#newest = undefined
      retryMs = heard ? BETWEEN_MS : Math.min(retryMs * 2, MAX_RETRY_MS)
      await pause(clock, retryMs + Math.round(random() * JITTER_MS), stopping)
    }
    this.#running = false
  }

  /** Returns the next report: up to where nothing is withheld. Undefined if there is nothing new. */
  #due(): { epoch: string; seq: number } | undefined {
    const newest = this.#newest
    if (newest === undefined) return undefined
    const seq = this.#parts.withheldFrom() - 1
    if (newest.seq <= seq) return newest
    const isDone = this.#done?.epoch === newest.epoch && this.#done.seq >= seq
    return isDone ? undefined : { epoch: newest.epoch, seq }
  }

  /** Sends a report. Returns whether it is done, so that it is not sent again. */
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
        onConflict(report)
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
