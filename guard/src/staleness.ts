import type { Clock } from './clock.ts'

/**
 * The staleness policy: what a guard does with valid tokens while it has not heard from the broker
 * for too long.
 */

export interface Staleness {
  /** So long a silence is not a reason to worry: heartbeats come every 15 s. */
  afterSeconds: number
  /** What then: `refuse` rejects every token, `introspect` asks the broker about each. */
  policy: 'refuse' | 'introspect'
}

export const DEFAULT_STALENESS: Staleness = { afterSeconds: 35, policy: 'refuse' }

/** Whether the broker has been silent for too long to know what is revoked. */
export const isStale = ({ afterSeconds }: Staleness, silentForMs: number): boolean =>
  silentForMs > afterSeconds * 1000

export function stalenessProblems({ afterSeconds, policy }: Staleness): string[] {
  const problems: string[] = []
  if (!within(afterSeconds, 1, 3600))
    problems.push(
      'staleness.afterSeconds: 1 to 3600; heartbeats come every 15 s, so 35 is sensible.',
    )
  if (policy !== 'refuse' && policy !== 'introspect')
    problems.push("staleness.policy: 'refuse' or 'introspect'.")
  return problems
}

export const within = (value: number, from: number, to: number): boolean =>
  Number.isFinite(value) && value >= from && value <= to

/**
 * How long the broker has sent nothing, by the clock that says longer: one stops while a machine
 * sleeps, the other can be set.
 */
export class Freshness {
  readonly #clock: Clock
  #wall: number | undefined
  #monotonic = 0

  constructor(clock: Clock) {
    this.#clock = clock
  }

  heard(): void {
    this.#wall = this.#clock.nowMs()
    this.#monotonic = this.#clock.monotonicMs()
  }

  /** Milliseconds; infinite where nothing has ever come. */
  silentForMs(): number {
    if (this.#wall === undefined) return Infinity
    return Math.max(
      this.#clock.nowMs() - this.#wall,
      this.#clock.monotonicMs() - this.#monotonic,
      0,
    )
  }
}
