import type { Guard } from '@case-manager/guard'
import { until } from '../broker-process.ts'
import { startGuards } from '../guards.ts'
import { newBrowser, type TestInstance, type TestWorld, sidOf } from '../world.ts'
import { persist } from './users.ts'

/**
 * Guards that stay connected while the broker ends and returns, and a user of theirs who is revoked
 * as soon as it is back.
 */

export const GUARDS = 4

interface Parts {
  world: TestWorld
  instance: TestInstance
  upn: string
  revoke(sid: string): Promise<void>
}

export class Witness {
  readonly #parts: Parts
  readonly #guards: Guard[]
  /**
   * Milliseconds from the broker's return until each guard was live, and from then (or from the
   * revocation) until it rejected.
   */
  readonly liveMs: number[] = []
  readonly rejectedMs: number[] = []

  private constructor(parts: Parts, guards: Guard[]) {
    this.#parts = parts
    this.#guards = guards
  }

  static async open(parts: Parts): Promise<Witness> {
    const { world, instance } = parts
    return new Witness(
      parts,
      await startGuards(world, instance, { count: GUARDS, name: 'witness' }),
    )
  }

  async close(): Promise<void> {
    await Promise.all(this.#guards.map((guard) => guard.stop()))
  }

  /**
   * Watches a restart: a revocation right after it must reach the guards.
   * @param restart ends the broker and starts it again
   */
  async during(restart: () => Promise<void>): Promise<void> {
    const { world, instance, upn, revoke } = this.#parts
    const { tokens } = await persist(`${upn} signs in`, () =>
      world.signIn(newBrowser(), instance, { login_hint: upn }),
    )
    for (const guard of this.#guards)
      await until(
        'a guard takes the token',
        async () => (await guard.check(tokens.access_token)).ok,
      )
    const connects = this.#guards.map((guard) => guard.status().counters.connects)
    await restart()
    const startedMs = performance.now()
    await persist('a revocation right after the start', () => revoke(sidOf(tokens.id_token)))
    const acknowledgedMs = performance.now()
    await Promise.all(
      this.#guards.map(async (guard, index) => {
        await until(
          'a guard is live again',
          () => isLive(guard) && guard.status().counters.connects > (connects[index] ?? 0),
        )
        const liveMs = performance.now()
        await until(
          'a guard rejects what was revoked',
          async () => !(await guard.check(tokens.access_token)).ok,
        )
        this.#note(liveMs - startedMs, performance.now() - Math.max(liveMs, acknowledgedMs))
      }),
    )
  }

  #note(liveMs: number, rejectedMs: number): void {
    this.liveMs.push(Math.round(liveMs))
    this.rejectedMs.push(Math.max(0, Math.round(rejectedMs)))
  }
}

const isLive = (guard: Guard): boolean => {
  const { connected, leaseMs } = guard.status()
  return connected && leaseMs > 0
}
