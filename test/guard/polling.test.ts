import { describe, expect, test } from 'vitest'
import type { Guard, GuardOptions, HoldEnded } from '@case-manager/guard'
import { eventually, startBroker, startGuard, TestClock, why, type Broker } from './stand-in.ts'

async function both(
  options: Partial<GuardOptions> = {},
  leaseSeconds = 20,
): Promise<{ broker: Broker; clock: TestClock; guard: Guard }> {
  const clock = new TestClock('turned')
  const broker = await startBroker(clock)
  // A guard polls every quarter of the lease, by default every 5 s.
  broker.leaseSeconds = leaseSeconds
  return { broker, clock, guard: await startGuard(broker, { poll: true, ...options }) }
}

const polls = (broker: Broker): number => broker.count('/revocations')

describe('a guard that polls (docs/feed.md, "Poll")', () => {
  test('needs neither a start nor a stream: the first check reads the whole log, page by page', async () => {
    const broker = await startBroker()
    for (const sid of ['s_1', 's_2', 's_3', 's_4', 's_5']) broker.revoke({ kind: 'session', sid })
    broker.page = 2
    const guard = await startGuard(broker, { start: false, poll: true })
    expect(await why(guard, await broker.token({ rev: 100 }))).toBe('revoked')
    expect(await why(guard, await broker.token({ sid: 's_5', rev: 100 }))).toBe('revoked')
    expect(await why(guard, await broker.token({ sid: 's_6', rev: 100 }))).toBe('good')
    expect([polls(broker), broker.streams.size]).toEqual([3, 0])
    expect(guard.status()).toMatchObject({ ready: true, connected: true, enforcedSeq: 105 })
  })

  test('enforces a revocation at the first check after a quarter of the lease, and does not ask before', async () => {
    const { broker, clock, guard } = await both()
    const token = await broker.token()
    const asked = polls(broker)
    broker.revoke({ kind: 'session', sid: 's_1' })
    clock.advance(4.9)
    expect([await why(guard, token), polls(broker)]).toEqual(['good', asked])
    clock.advance(0.2)
    expect([await why(guard, token), polls(broker)]).toEqual(['revoked', asked + 1])
  })

  test('asks once for all requests that come at once', async () => {
    const { broker, clock, guard } = await both()
    const tokens = await Promise.all(Array.from({ length: 20 }, () => broker.token()))
    clock.advance(6)
    const asked = polls(broker)
    expect(new Set(await Promise.all(tokens.map((token) => why(guard, token))))).toEqual(
      new Set(['good']),
    )
    expect(polls(broker)).toBe(asked + 1)
  })

  test('has no lease when no poll has succeeded for its length, and accepts again with the first that does', async () => {
    const { broker, clock, guard } = await both()
    broker.broken['/revocations'] = 503
    clock.advance(19)
    expect(await why(guard, await broker.token())).toBe('good')
    clock.advance(2)
    expect(await why(guard, await broker.token())).toBe('no_lease')
    broker.broken = {}
    clock.advance(5)
    expect(await why(guard, await broker.token())).toBe('good')
  })

  test('accepts nothing before the first poll has succeeded', async () => {
    const broker = await startBroker()
    broker.broken['/revocations'] = 500
    const guard = await startGuard(broker, { start: false, poll: true })
    expect(await why(guard, await broker.token())).toBe('starting')
    expect(guard.status().lastProblem?.message).toContain(
      `answered the feed with 500 '', expected 200 "application/json"`,
    )
    broker.broken = {}
    expect(await why(guard, await broker.token())).toBe('good')
  })

  test('a restored broker: tokens of the former log are rejected', async () => {
    const { broker, clock, guard } = await both()
    const token = await broker.token()
    expect(await why(guard, token)).toBe('good')
    clock.advance(6)
    broker.restore()
    expect(await why(guard, token)).toBe('revoked')
    expect(guard.status()).toMatchObject({ epoch: broker.epoch, counters: { resets: 1 } })
  })

  test('a log that was put back without a new epoch is read again', async () => {
    const { broker, clock, guard } = await both()
    for (let n = 0; n < 100; n++) broker.revoke({ kind: 'session', sid: `x_${n}` })
    clock.advance(6)
    const token = await broker.token()
    expect(await why(guard, token)).toBe('good')
    clock.advance(6)
    broker.seq -= 30
    broker.entries = broker.entries.slice(0, 70)
    expect(await why(guard, token)).toBe('revoked')
    expect(guard.status().enforcedSeq).toBe(broker.seq)
  })

  test('an answer that it asked for before it started over does not count', async () => {
    const clock = new TestClock('turned')
    const broker = await startBroker(clock)
    const token = await broker.token({ rev: 100, exp: clock.now + 3600 })
    broker.revoke({ kind: 'session', sid: 's_1' })
    broker.entries[0]!.exp = clock.now + 3660
    broker.seq = 300
    const guard = await startGuard(broker, { poll: true })
    expect(await why(guard, token)).toBe('revoked')
    // The clock goes two hours ahead for a sweep, which forgets the entry, and back.
    clock.set(7200)
    broker.aheadSeconds = -7200
    clock.advance(31)
    expect(guard.status().entries).toBe(0)
    clock.set(-7200)
    broker.aheadSeconds = 0
    clock.advance(27)
    const { promise, resolve } = Promise.withResolvers<void>()
    broker.holds['/revocations'] = promise
    const asked = polls(broker)
    const checking = guard.check(token)
    await eventually(() => expect(polls(broker)).toBe(asked + 1))
    // The next sweep notices that the clock was set back, and starts over.
    clock.advance(3)
    expect(guard.status().ready).toBe(false)
    resolve()
    expect(await checking).toMatchObject({ why: 'revoked' })
    expect(await why(guard, token)).toBe('revoked')
  })

  test('pages that cover different tenants are read again from the start', async () => {
    const { broker, clock, guard } = await both()
    for (const sid of ['s_1', 's_2', 's_3']) broker.revoke({ kind: 'session', sid })
    broker.page = 2
    broker.tenants = ['tenant-1']
    const asked = polls(broker)
    broker.instead['/revocations'] = (response) => {
      delete broker.instead['/revocations']
      const nonce = new URL(broker.requests.at(-1)!.url, broker.issuer).searchParams.get('nonce')
      const page = { epoch: broker.epoch, seq: 102, entries: [], retired_kids: [], reset: false }
      response.end(JSON.stringify({ ...page, more: true, nonce, tenants: ['tenant-2'] }))
    }
    clock.advance(6)
    expect(await why(guard, await broker.token({ rev: 100 }))).toBe('revoked')
    const urls = broker.requests.filter(({ url }) => url.startsWith('/revocations?'))
    expect(urls.slice(asked).map(({ url }) => /after=(\d+)/.exec(url)?.[1])).toEqual([
      '36',
      '102',
      undefined,
      '102',
    ])
  })

  test('an answer that has arrived when the guard is stopped does not count', async () => {
    let answered: (() => Promise<void>) | undefined
    const { broker, clock, guard } = await both({
      fetch: async (input, init) => {
        const response = await fetch(input, init)
        const body = response.status === 204 ? null : await response.text()
        const stop = answered
        answered = undefined
        void stop?.()
        return new Response(body, response)
      },
    })
    const token = await broker.token()
    expect(await why(guard, token)).toBe('good')
    answered = () => guard.stop()
    clock.advance(6)
    const asked = polls(broker)
    expect(await guard.check(token)).toMatchObject({ ok: false })
    expect([await why(guard, token), polls(broker)]).toEqual(['starting', asked + 1])
  })

  test('reports what it enforces once, and not after each poll', async () => {
    // It polls every 2 s here; a sign of life is due 10 s after the last report.
    const { broker, clock, guard } = await both({}, 8)
    // The test waits for the answer: while the guard waits for it, the test's clock would end the
    // report, and another would follow.
    await eventually(() => expect(guard.status().reportedSeq).toBe(100))
    const asked = polls(broker)
    for (let n = 0; n < 3; n++) {
      clock.advance(2.1)
      await guard.check(await broker.token())
    }
    expect(polls(broker)).toBe(asked + 3)
    expect(broker.reports).toHaveLength(1)
    broker.revoke({ kind: 'session', sid: 's_2' })
    clock.advance(2.1)
    await guard.check(await broker.token())
    await eventually(() => expect(broker.reports.map(({ seq }) => seq)).toEqual([100, 101]))
  })

  test('ends a connection that it holds when its token expires, while a poll for it has no answer yet', async () => {
    const { broker, clock, guard } = await both()
    const result = await guard.check(await broker.token({ exp: clock.now + 7 }))
    if (!result.ok) throw new Error(result.why)
    const signal = guard.hold(result.claims)
    const { promise, resolve } = Promise.withResolvers<void>()
    broker.holds['/revocations'] = promise
    const asked = polls(broker)
    clock.advance(5)
    await eventually(() => expect(polls(broker)).toBe(asked + 1))
    clock.advance(5)
    await eventually(() =>
      expect(guard.status().lastProblem?.message).toContain('no answer within 5000 ms'),
    )
    expect(signal.aborted).toBe(false)
    // The tolerance for clocks is 5 s.
    clock.advance(2)
    expect((signal.reason as HoldEnded | undefined)?.why).toBe('expired')
    resolve()
  })

  test('polls for the connections that it holds, though no request comes', async () => {
    const { broker, clock, guard } = await both()
    const result = await guard.check(await broker.token())
    if (!result.ok) throw new Error(result.why)
    const signal = guard.hold(result.claims)
    broker.revoke({ kind: 'session', sid: 's_1' })
    clock.advance(5.1)
    await eventually(() => expect((signal.reason as HoldEnded | undefined)?.why).toBe('revoked'))
  })

  test('is granted a lease by the last page alone', async () => {
    const { broker, clock, guard } = await both()
    const token = await broker.token({ sid: 's_9', rev: 1000 })
    for (const sid of ['s_1', 's_2', 's_3']) broker.revoke({ kind: 'session', sid })
    broker.page = 2
    clock.advance(19)
    const before = guard.status().leaseMs
    broker.instead['/revocations'] = (response) => {
      const page = { epoch: broker.epoch, seq: 102, entries: [], retired_kids: [], reset: false }
      const lease = { ...broker.lease(), at_ms: clock.monotonicMs() }
      response.end(JSON.stringify({ ...page, more: true, lease }))
      broker.broken['/revocations'] = 503
    }
    expect(await why(guard, token)).toBe('good')
    expect(guard.status().leaseMs).toBeLessThanOrEqual(before)
    clock.advance(2)
    expect(await why(guard, token)).toBe('no_lease')
  })
})
