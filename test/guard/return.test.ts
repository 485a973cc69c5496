import { describe, expect, test } from 'vitest'
import { logoutRequest, eventually, startBroker, startGuard, TestClock, why } from './stand-in.ts'

/** The time until a guard follows the log again after it lost the broker. */

async function lost() {
  const clock = new TestClock('turned')
  const broker = await startBroker(clock)
  const delays: number[] = []
  const guard = await startGuard(broker, {
    onLogout: () => {},
    random: () => 0.999,
    hooks: { disconnected: ({ retryMs }) => delays.push(retryMs) },
  })
  clock.advance(6)
  broker.broken['/revocations'] = 503
  broker.cut()
  await eventually(() => expect(delays).toHaveLength(1))
  return { broker, clock, delays, guard }
}

describe('after a loss', () => {
  test('it tries at least every 500 ms for 10 s, then every 2 s, and not longer the longer it lasts', async () => {
    const { broker, clock, delays, guard } = await lost()
    for (let n = 1; clock.monotonicMs() < 40_000; n++) {
      clock.advance((delays[n - 1] ?? 0) / 1000)
      await eventually(() => expect(delays).toHaveLength(n + 1))
    }
    // 20 attempts of 500 ms are 10 s.
    expect(delays.slice(0, 21)).toEqual([...Array.from({ length: 20 }, () => 500), 1998])
    expect(new Set(delays.slice(21))).toEqual(new Set([1998]))
    broker.broken = {}
    clock.advance(2)
    await eventually(() => expect(guard.status().connected).toBe(true))
    expect(guard.status().leaseMs).toBeGreaterThan(0)
  })

  test('with jitter: never the same for all, never at once', async () => {
    const broker = await startBroker()
    const delays: number[] = []
    broker.broken['/revocations'] = 503
    let n = 0
    const guard = await startGuard(broker, {
      start: false,
      random: () => (n++ % 10) / 10,
      hooks: { disconnected: ({ retryMs }) => delays.push(retryMs) },
    })
    void guard.start()
    await eventually(() => expect(delays.length).toBeGreaterThan(9))
    expect(Math.min(...delays)).toBeGreaterThanOrEqual(100)
    expect(Math.max(...delays)).toBeLessThanOrEqual(500)
    expect(new Set(delays).size).toBeGreaterThan(5)
  })

  test('it waits as long as the broker asks for by Retry-After, and a little at random, once a restart would be over', async () => {
    const { broker, clock, delays } = await lost()
    broker.retryAfter = '10'
    for (let n = 1; clock.monotonicMs() < 60_000; n++) {
      clock.advance((delays[n - 1] ?? 0) / 1000)
      await eventually(() => expect(delays).toHaveLength(n + 1))
    }
    expect(new Set(delays.slice(0, 20))).toEqual(new Set([500]))
    expect(new Set(delays.slice(20))).toEqual(new Set([14_995]))
  })

  test.each(['a logout token', 'a token with a newer rev'])(
    '%s says that the broker is back: it connects at once',
    async (what) => {
      const { broker, guard, clock } = await lost()
      broker.broken = {}
      broker.revoke({ kind: 'session', sid: 's_2' })
      // The clock does not go on: no delay ends.
      if (what === 'a logout token')
        await guard.receiveLogout(logoutRequest(await broker.logoutToken({ rev: 101 })))
      else expect(await why(guard, await broker.token({ rev: 101 }))).toBe('good')
      await eventually(() =>
        expect(guard.status()).toMatchObject({ connected: true, enforcedSeq: 101 }),
      )
      expect(clock.monotonicMs()).toBe(6000)
    },
  )

  test('the same token again does not: a token hurries the feed once', async () => {
    const { broker, guard, delays } = await lost()
    const token = await broker.token({ rev: 101 })
    expect(await why(guard, token)).toBe('good')
    await eventually(() => expect(delays).toHaveLength(2))
    for (let i = 0; i < 50; i++) await why(guard, token)
    expect(guard.status().counters.connects).toBe(2)
  })

  test('a stream that goes on without what a token proves to be there is dropped after a second', async () => {
    const clock = new TestClock('turned')
    const broker = await startBroker(clock)
    const gone: string[] = []
    const guard = await startGuard(broker, { hooks: { disconnected: ({ why }) => gone.push(why) } })
    // The stream is stuck: the broker's log goes on, and nothing of it arrives.
    broker.seq = 101
    broker.entries.push({
      seq: 101,
      selector: { kind: 'session', sid: 's_1' },
      exp: broker.now + 360,
    })
    const ended = await broker.token({ rev: 100 })
    expect(await why(guard, await broker.token({ rev: 101, sid: 's_2' }))).toBe('good')
    clock.advance(1)
    await eventually(() =>
      expect(gone).toEqual([
        'the broker has issued a token at seq 101, and the feed stopped at 100',
      ]),
    )
    clock.advance(0.5)
    await eventually(() =>
      expect(guard.status()).toMatchObject({ connected: true, enforcedSeq: 101 }),
    )
    expect(await why(guard, ended)).toBe('revoked')
  })
})
