import { uptime } from 'node:os'
import type { GuardClock } from '@case-manager/guard'
import type { SteadyClock } from '../../src/runtime/clock.ts'

/**
 * The clocks of a simulated machine: they differ in speed from the real one, the wall clock can be
 * set, and the machine can be suspended. The process is stopped meanwhile (SIGSTOP), so that only
 * the readings are simulated.
 */

/** Milliseconds of CLOCK_MONOTONIC. All processes of a machine can compare them. */
export const sharedMs = (): number => Number(process.hrtime.bigint() / 1_000n) / 1_000

export class BenchClock implements SteadyClock {
  /** By how much the wall clock is wrong. */
  stepMs = 0
  /** By how much the clock that counts suspension is wrong. */
  jumpMs = 0
  readonly #rate: number
  readonly #began = { wall: Date.now(), steady: performance.now(), boot: uptime() * 1_000 }
  readonly #suspended: { fromMs: number; ms: number }[] = []

  constructor(rate: number) {
    this.#rate = rate
  }

  nowMs(): number {
    const { wall } = this.#began
    return Math.floor(wall + (Date.now() - wall) * this.#rate) + this.stepMs
  }
  now(): number {
    return Math.floor(this.nowMs() / 1_000)
  }
  /** Does not count suspensions, as CLOCK_MONOTONIC of Linux. */
  monotonicMs(): number {
    const { steady } = this.#began
    const nowMs = performance.now()
    const lostMs = this.#suspended.reduce(
      (sum, { fromMs, ms }) => sum + Math.min(Math.max(0, nowMs - fromMs), ms),
      0,
    )
    return steady + (nowMs - steady - lostMs) * this.#rate
  }
  steadyMs(): number {
    return Math.floor(performance.timeOrigin + this.monotonicMs())
  }
  /** Counts suspensions, in steps of 10 ms, as CLOCK_BOOTTIME by `os.uptime()`. */
  elapsedMs(): number {
    const { boot } = this.#began
    return Math.floor((boot + (uptime() * 1_000 - boot) * this.#rate + this.jumpMs) / 10) * 10
  }

  /**
   * The machine was suspended for `ms`, which end now. Its wall clock was behind by as much, so that
   * it is right from now on.
   */
  resume(ms: number): void {
    this.stepMs += ms
    this.jumpMs += ms
  }

  /** The machine is suspended from now on, for `ms`. The caller stops the process for as long. */
  suspend(ms: number): void {
    this.#suspended.push({ fromMs: performance.now(), ms })
  }

  /** Returns the clock for a guard. Timers stand still while the machine is suspended. */
  forGuard(countsSuspension: boolean): GuardClock {
    return {
      nowMs: () => this.nowMs(),
      monotonicMs: () => this.monotonicMs(),
      ...(countsSuspension && { elapsedMs: () => this.elapsedMs() }),
      after: (ms, run) => this.#after(ms, run),
    }
  }

  #after(ms: number, run: () => void): () => void {
    const dueMs = this.monotonicMs() + ms
    let timer: NodeJS.Timeout
    const look = (): void => {
      const leftMs = dueMs - this.monotonicMs()
      if (leftMs <= 0) return run()
      timer = setTimeout(look, Math.max(1, leftMs)).unref()
    }
    timer = setTimeout(look, ms).unref()
    return () => clearTimeout(timer)
  }
}
