import type { Guard } from '@case-manager/guard'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Cluster } from '../cluster/cluster.ts'
import { startGuards } from '../guards.ts'
import { basicOf, type TestInstance } from '../world.ts'
import type { Faults } from './faults.ts'
import { type KnownSession, type Seat, Violation } from './users.ts'

/**
 * Watches each acknowledged revocation: every broker must reject every later request. Every guard
 * must reject within `liveMs` if no fault happened, and otherwise once its lease has run out.
 */

/** The length of a guard's lease, where its client is registered with no other. */
const AFTER_SECONDS = 30
/** A fault shortly before may still affect a guard. */
const SETTLE_MS = 1_000
const GUARDS = 4
/** A broker that does not answer for so long accepts nothing. */
const ANSWER_MS = 8_000

interface Parts {
  cluster: Cluster
  /** The instance of these guards. */
  instance: TestInstance
  faults: () => Faults
  /** The time within which a live guard must reject, and any guard after its lease. */
  liveMs: number
}

export class ClusterWatch {
  readonly #cluster: Cluster
  readonly #instance: TestInstance
  readonly #faults: () => Faults
  readonly #liveMs: number
  readonly #guards: Guard[]
  readonly #watching: Promise<void>[] = []
  #violation: Violation | undefined
  /** Requests to single brokers that were rejected; and those without an answer, or with 503. */
  readonly answers = { rejected: 0, unavailable: 0 }
  /**
   * Milliseconds from the acknowledgment until each guard rejected: without a fault, and beside
   * one.
   */
  readonly guardMs = { calm: [] as number[], beside: [] as number[] }

  private constructor({ cluster, instance, faults, liveMs }: Parts, guards: Guard[]) {
    this.#cluster = cluster
    this.#instance = instance
    this.#guards = guards
    this.#faults = faults
    this.#liveMs = liveMs
  }

  static async open(parts: Parts): Promise<ClusterWatch> {
    return new ClusterWatch(
      parts,
      await startGuards(parts.cluster.world, parts.instance, {
        count: GUARDS,
        name: 'watch',
      }),
    )
  }

  /**
   * Checks sessions that an acknowledged act has ended.
   * @throws Violation, also an earlier one
   */
  async ended(sessions: readonly KnownSession[]): Promise<void> {
    if (this.#violation !== undefined) throw this.#violation
    const acknowledgedMs = performance.now()
    for (const { seats } of sessions)
      for (const seat of seats) {
        if (seat.instance === this.#instance)
          this.#watching.push(
            ...this.#guards.map((guard) => this.#guardRejects(guard, seat, acknowledgedMs)),
          )
      }
    const seats = sessions.flatMap((session) => session.seats)
    await Promise.all(
      this.#cluster.brokers.flatMap(({ env }) =>
        seats.map((seat) => this.#brokerRejects(env['BROKER_LISTEN'] ?? '', seat)),
      ),
    )
  }

  async #brokerRejects(
    listen: string,
    { instance, refreshToken, accessToken, city }: Seat,
  ): Promise<void> {
    const authorization = basicOf(instance)
    const ask = async (path: string, form: Record<string, string>) => {
      const init = {
        method: 'POST',
        headers: { authorization },
        body: new URLSearchParams(form),
        signal: AbortSignal.timeout(ANSWER_MS),
      }
      const answer = await fetch(`http://${listen}${path}`, init).catch(() => undefined)
      const body = ((await answer?.json().catch(() => ({}))) ?? {}) as {
        active?: boolean
        error?: string
      }
      if ((answer?.status === 200 && body.active !== false) || body.active === true)
        throw new Violation(
          `The broker at ${listen} answered ${path} of ${city} after the revocation was acknowledged.`,
        )
      if (body.active === false || body.error === 'invalid_grant') this.answers.rejected++
      else this.answers.unavailable++
    }
    await ask('/introspect', { token: accessToken })
    await ask('/token', { grant_type: 'refresh_token', refresh_token: refreshToken })
  }

  async #guardRejects(
    guard: Guard,
    { accessToken, city }: Seat,
    acknowledgedMs: number,
  ): Promise<void> {
    const { connects } = guard.status().counters
    const wasLive = guard.status().connected && guard.status().leaseMs > 0
    while ((await guard.check(accessToken)).ok) {
      if (performance.now() - acknowledgedMs > AFTER_SECONDS * 1000 + this.#liveMs) {
        this.#violation = new Violation(
          `A guard honored a token of ${city} for ${AFTER_SECONDS} s after its revocation was acknowledged.`,
        )
        return
      }
      await sleep(20)
    }
    const tookMs = Math.round(performance.now() - acknowledgedMs)
    const calm =
      wasLive &&
      guard.status().counters.connects === connects &&
      this.#faults().calmSinceMs() < acknowledgedMs - SETTLE_MS
    this.guardMs[calm ? 'calm' : 'beside'].push(tookMs)
    if (calm && tookMs > this.#liveMs)
      this.#violation = new Violation(
        `A guard that was live honored a token of ${city} for ${tookMs} ms after its revocation.`,
      )
  }

  async settle(): Promise<void> {
    await Promise.all(this.#watching)
    if (this.#violation !== undefined) throw this.#violation
  }
  async close(): Promise<void> {
    await Promise.all(this.#guards.map((guard) => guard.stop()))
  }
}
