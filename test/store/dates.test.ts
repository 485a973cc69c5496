import { describe, expect, onTestFinished, test } from 'vitest'
import { STORES, T0 } from './fixture.ts'

/** How the log dates its entries while a broker's clock is wrong. */

const HOUR = 3600

describe.each(STORES)('the times of the log, on %s', (_name, make) => {
  /** Returns a function that revokes by a clock, and returns the time of the entry after T0. */
  async function log() {
    const clock = { now: T0, isCertain: true }
    const under = make()
    const store = await under.open(
      () => clock.now * 1000,
      () => clock.isCertain,
    )
    onTestFinished(async () => {
      await store.close()
      await under.remove()
    })
    const revokeAt = async (after: number, isCertain = true): Promise<number> => {
      Object.assign(clock, { now: T0 + after, isCertain })
      await store.revoke({
        selector: { kind: 'everything' },
        reason: 'administrator',
        actor: { kind: 'operator', id: 'olivia' },
        now: T0 + after,
      })
      const times = (await store.newestTimes()) ?? expect.unreachable()
      expect(Math.floor(times.atMs / 1000)).toBe(times.at)
      return times.at - T0
    }
    return { revokeAt, store }
  }

  test('never decrease, however far a clock is behind', async () => {
    const { revokeAt } = await log()
    const given = [0, 10, -3 * HOUR, 70, 11, 70]
    const times: number[] = []
    for (const after of given) times.push(await revokeAt(after, false))
    expect(times).toEqual([0, 10, 10, 70, 70, 70])
  })

  test('decrease below an entry that a right clock shows to be more than a minute ahead, and not before', async () => {
    const { revokeAt } = await log()
    expect(await revokeAt(2 * HOUR, false)).toBe(2 * HOUR)
    expect(await revokeAt(0, false)).toBe(2 * HOUR)
    expect(await revokeAt(0)).toBe(0)
    expect(await revokeAt(60)).toBe(60)
    expect(await revokeAt(0)).toBe(60)
  })

  test('guards get what was revoked before and after a wrong time ahead, and it ends with its hour', async () => {
    const { revokeAt, store } = await log()
    for (const after of [0, 2 * HOUR, 1]) await revokeAt(after)
    const seqs = async (since: number) =>
      (await store.revocationsAfter({ after: 0, since: T0 + since, limit: 10 })).map(
        ({ seq }) => seq,
      )
    const all = await seqs(0)
    expect(all).toHaveLength(3)
    expect(await seqs(2)).toEqual(all.slice(1, 2))
    expect(await seqs(2 * HOUR + 1)).toEqual([])
  })
})
