import { describe, expect, test } from 'vitest'
import { openMany, outage, ROUND, STEP, VOUCHED } from './many.ts'

describe('the probe over 10,000 live sessions', () => {
  test('an even load, each session once a round; no burst after a restart; Microsoft down for an hour and back, and no user is signed out', async () => {
    const world = await openMany(10_000)
    const mean = (10_000 * STEP) / ROUND
    const even = (load: number[]) => {
      expect(Math.max(...load)).toBeLessThan(2 * mean)
      expect(Math.min(...load)).toBeGreaterThan(mean / 2)
    }
    even(await world.pass(ROUND))
    expect(world.asked).toHaveLength(10_000)
    expect(new Set(world.asked.map(({ oid }) => oid)).size).toBe(10_000)

    // After an outage of two hours every session is overdue, and is probed as evenly as ever.
    world.rig.clock.advance(7200)
    world.restart()
    even(await world.pass(150))

    world.answers(() => outage)
    const down = (await world.pass(3600)).reduce((sum, probes) => sum + probes, 0)
    expect(down).toBeLessThan(100)
    expect(await world.live()).toBe(10_000)

    world.answers(() => VOUCHED)
    // The broker notices the end of the outage after the longest back-off at the latest.
    await world.pass(310)
    even(await world.pass(100))
    expect(await world.live()).toBe(10_000)
    expect((await world.rig.store.head()).seq).toBe(0)
  })
})
