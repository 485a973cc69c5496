import { describe, expect, test } from 'vitest'
import { completeClock } from '../../guard/src/clock.ts'
import { Lease } from '../../guard/src/lease.ts'
import { eventually, startBroker, startGuard, TestClock, why, type Broker } from './stand-in.ts'

/** The broker is gone: no stream, and no answer. */
function silence(broker: Broker): void {
  broker.broken['/revocations'] = 503
  broker.cut()
}

async function turned(options: Parameters<typeof startGuard>[1] = {}) {
  const clock = new TestClock('turned')
  const broker = await startBroker(clock)
  const gone: string[] = []
  const problems: string[] = []
  const hooks = {
    disconnected: ({ why }: { why: string }) => void gone.push(why),
    problem: ({ message }: Error) => void problems.push(message),
  }
  const guard = await startGuard(broker, { hooks, ...options })
  return { broker, clock, gone, guard, problems }
}

describe('a guard without a lease', () => {
  test('rejects tokens by default, and accepts them again as soon as it is up to date', async () => {
    const broker = await startBroker()
    const guard = await startGuard(broker)
    const token = await broker.token()
    silence(broker)
    await eventually(() => expect(guard.status().connected).toBe(false))
    broker.clock.advance(29.9)
    expect(await why(guard, token)).toBe('good')
    broker.clock.advance(0.1)
    expect(await guard.check(token)).toMatchObject({ ok: false, status: 503, why: 'no_lease' })
    expect(guard.status()).toMatchObject({ ready: true, leaseMs: 0 })
    expect(guard.status().counters.leasesRunOut).toBe(1)
    broker.revoke({ kind: 'session', sid: 's_2' })
    broker.broken = {}
    await eventually(async () => expect(await why(guard, token)).toBe('good'))
    expect(await why(guard, await broker.token({ sid: 's_2', rev: 100 }))).toBe('revoked')
  })

  test('tells the broker that it ran out', async () => {
    const { broker, clock, guard } = await turned()
    await eventually(() => expect(broker.reports).toHaveLength(1))
    expect(broker.reports[0]).toMatchObject({
      without_lease: 'reject',
      lease_ran_out: { count: 0 },
    })
    silence(broker)
    await eventually(() => expect(guard.status().connected).toBe(false))
    clock.advance(31)
    broker.broken = {}
    clock.advance(2)
    await eventually(() => {
      clock.advance(1)
      expect(broker.reports.at(-1)?.lease_ran_out).toEqual({ count: 1 })
    })
  })

  test('introspect: the broker is asked about each token, but for those that are not valid anyway (RFC 7662)', async () => {
    const broker = await startBroker()
    const guard = await startGuard(broker, { withoutLease: 'introspect' })
    const token = await broker.token()
    silence(broker)
    await eventually(() => expect(guard.status().connected).toBe(false))
    broker.clock.advance(31)
    expect(await guard.check(token)).toMatchObject({ ok: true })
    broker.active = false
    expect(await guard.check(token)).toMatchObject({ status: 401, why: 'inactive' })
    broker.active = undefined
    expect(await guard.check(token)).toMatchObject({ status: 503, why: 'no_lease' })
    const asked = broker.count('/introspect')
    expect(await why(guard, await broker.token({ aud: 'another' }))).toBe('audience')
    expect(broker.count('/introspect')).toBe(asked)
  })

  test('introspect: requests that wait for the same answer ask once', async () => {
    const broker = await startBroker()
    const guard = await startGuard(broker, { withoutLease: 'introspect' })
    const token = await broker.token()
    expect(await why(guard, token)).toBe('good')
    silence(broker)
    await eventually(() => expect(guard.status().connected).toBe(false))
    broker.clock.advance(31)
    const answers = await Promise.all(Array.from({ length: 20 }, () => why(guard, token)))
    expect(new Set(answers)).toEqual(new Set(['good']))
    expect(guard.status().counters.introspections).toBe(1)
  })

  test('introspect: a request that comes later than half a second after another asks by itself', async () => {
    const broker = await startBroker()
    const guard = await startGuard(broker, { withoutLease: 'introspect' })
    const token = await broker.token()
    expect(await why(guard, token)).toBe('good')
    silence(broker)
    await eventually(() => expect(guard.status().connected).toBe(false))
    broker.clock.advance(31)
    const { promise, resolve } = Promise.withResolvers<void>()
    broker.hold = promise
    const before = guard.check(token)
    await eventually(() => expect(broker.count('/introspect')).toBe(1))
    // The token is revoked here. An answer to the earlier question may still be `active`.
    broker.clock.advance(0.6)
    const after = guard.check(token)
    await eventually(() => expect(broker.count('/introspect')).toBe(2))
    resolve()
    await Promise.all([before, after])
  })

  test('introspect: an answer that a reset has overtaken does not count', async () => {
    const broker = await startBroker()
    const guard = await startGuard(broker, { withoutLease: 'introspect' })
    const token = await broker.token()
    broker.clock.advance(31)
    const { promise, resolve } = Promise.withResolvers<void>()
    broker.holds['/introspect'] = promise
    const checking = guard.check(token)
    await eventually(() => expect(broker.count('/introspect')).toBe(1))
    broker.send('reset', { epoch: 'epoch-b' })
    await eventually(() => expect(guard.status().ready).toBe(false))
    resolve()
    expect(await checking).toMatchObject({ status: 503, why: 'starting' })
  })

  test('introspect does not stand in for the first snapshot', async () => {
    const broker = await startBroker()
    broker.broken['/revocations'] = 503
    const guard = await startGuard(broker, { start: false, withoutLease: 'introspect' })
    void guard.start()
    await eventually(() => expect(broker.count('/revocations')).toBeGreaterThan(0))
    expect(await why(guard, await broker.token())).toBe('starting')
  })
})

describe('a lease', () => {
  test('is granted again by each heartbeat', async () => {
    const broker = await startBroker()
    const guard = await startGuard(broker)
    const token = await broker.token()
    for (let n = 0; n < 5; n++) {
      broker.clock.advance(20)
      broker.heartbeat()
      await eventually(() => expect(guard.status().leaseMs).toBeGreaterThan(29_000))
      expect(await why(guard, token)).toBe('good')
    }
    expect(guard.status().counters.leasesRunOut).toBe(0)
  })

  test('counts from when the broker knew the log, not from when its heartbeat came', async () => {
    const broker = await startBroker()
    const guard = await startGuard(broker)
    const token = await broker.token()
    broker.clock.advance(20)
    const delayed = broker.lease()
    broker.clock.advance(25)
    broker.send('lease', delayed)
    await eventually(() => expect(guard.status().leaseMs).toBeGreaterThan(4_900))
    expect(guard.status().leaseMs).toBeLessThan(5_000)
    broker.clock.advance(5)
    expect(await why(guard, token)).toBe('no_lease')
  })

  test('counts from before the request was sent, however late the answer came', async () => {
    const { broker, clock, guard } = await turned({ start: false })
    let release = (): void => {}
    void guard.start()
    await eventually(() => expect(guard.status().leaseMs).toBeGreaterThan(0))
    // The next connection is answered 4 s late, so that its own anchor gives 4 s less.
    broker.hold = new Promise((resolve) => (release = resolve))
    broker.clockName = 'clock-b'
    broker.cut()
    await eventually(() => {
      clock.advance(0.1)
      expect(broker.count('/revocations')).toBe(2)
    })
    clock.advance(4)
    broker.hold = undefined
    release()
    await eventually(() => expect(guard.status().connected).toBe(true))
    clock.advance(5)
    await eventually(() => {
      broker.heartbeat()
      expect(guard.status().leaseMs).toBeGreaterThan(25_500)
    })
    expect(guard.status().leaseMs).toBeLessThan(26_000)
  })

  test('of another clock than an anchor’s is none', async () => {
    const broker = await startBroker()
    const guard = await startGuard(broker)
    const token = await broker.token()
    broker.clock.advance(29)
    broker.send('lease', { ...broker.lease(), clock: 'another' })
    await eventually(() => expect(broker.count('/revocations/clock')).toBeGreaterThan(0))
    broker.clock.advance(1)
    expect(await why(guard, token)).toBe('no_lease')
  })

  test('is lost with a reset, and nothing is granted before the next live', async () => {
    const broker = await startBroker()
    const guard = await startGuard(broker)
    const token = await broker.token()
    broker.send('reset', { epoch: 'epoch-b' })
    await eventually(() => expect(guard.status().ready).toBe(false))
    broker.heartbeat()
    const snapshot = { epoch: 'epoch-b', seq: 200, entries: [], retired_kids: [] }
    broker.send('snapshot', snapshot, 200, 'epoch-b')
    await eventually(() => expect(guard.status().enforcedSeq).toBe(200))
    expect([guard.status().leaseMs, await why(guard, token)]).toEqual([0, 'starting'])
    broker.send('live', { epoch: 'epoch-b', seq: 200 }, 200, 'epoch-b')
    await eventually(() => expect(guard.status().ready).toBe(true))
    expect(await why(guard, token)).toBe('no_lease')
  })

  test('that is shorter counts at once', async () => {
    const broker = await startBroker()
    const guard = await startGuard(broker)
    broker.leaseSeconds = 1
    broker.heartbeat()
    await eventually(() => expect(guard.status().leaseMs).toBeLessThan(1_000))
  })

  test('is not held through the time in which the machine slept, or its clock was set forward', async () => {
    const broker = await startBroker()
    const guard = await startGuard(broker)
    const token = await broker.token()
    broker.clock.set(60)
    expect(await why(guard, token)).toBe('no_lease')
    // A heartbeat that yields none makes it take a new anchor.
    broker.heartbeat()
    await eventually(() => expect(broker.count('/revocations/clock')).toBe(1))
    await eventually(async () => {
      broker.heartbeat()
      expect(await why(guard, token)).toBe('good')
    })
  })

  test('does not grow where the clock is set back', async () => {
    const broker = await startBroker()
    const guard = await startGuard(broker)
    broker.clock.advance(10)
    const before = guard.status().leaseMs
    broker.clock.set(-60)
    expect(guard.status().leaseMs).toBe(before)
  })
})

describe('a clock that counts suspension and goes wrong', () => {
  /** Returns a guard whose clock is a number of milliseconds ahead. */
  async function counting() {
    const clock = new TestClock()
    const broker = await startBroker(clock)
    const fault = { aheadMs: 0 }
    const guard = await startGuard(broker, {
      clock: {
        nowMs: () => clock.nowMs(),
        monotonicMs: () => clock.monotonicMs(),
        elapsedMs: () => clock.monotonicMs() + fault.aheadMs,
      },
    })
    return { broker, clock, fault, guard, token: await broker.token({ exp: broker.now + 3000 }) }
  }

  test('ends the lease where it has jumped ahead and goes back', async () => {
    const { broker, clock, fault, guard, token } = await counting()
    fault.aheadMs = 2_592_000_000
    await eventually(async () => {
      broker.heartbeat()
      expect(await why(guard, token)).toBe('good')
    })
    fault.aheadMs = 0
    expect(await why(guard, token)).toBe('no_lease')
    expect(guard.status().leaseMs).toBe(0)
    // It asks for an anchor at most once a second.
    clock.advance(1)
    await eventually(async () => {
      broker.heartbeat()
      expect(await why(guard, token)).toBe('good')
    })
    expect(guard.status().leaseMs).toBeLessThanOrEqual(30_000)
  })

  test('ends the lease where it goes back by less than has passed', async () => {
    const { clock, fault, guard, token } = await counting()
    clock.advance(10)
    expect(await why(guard, token)).toBe('good')
    fault.aheadMs = -5000
    expect(await why(guard, token)).toBe('no_lease')
  })

  test('holds no lease that has more than its length left, because the broker’s clock has jumped', async () => {
    const { broker, guard, token } = await counting()
    broker.send('lease', broker.lease(5_000))
    await eventually(() => expect(broker.count('/revocations/clock')).toBe(1))
    expect(guard.status().leaseMs).toBeLessThanOrEqual(30_000)
    await eventually(async () => {
      broker.heartbeat()
      expect(await why(guard, token)).toBe('good')
    })
  })
})

describe('an anchor', () => {
  test('during which this machine’s clock went back is none, however late the lease comes that it would allow', () => {
    let elapsedMs = 0
    const clock = { ...completeClock(undefined), elapsedMs: () => elapsedMs }
    const lease = new Lease(clock, () => undefined)
    const grant = { clock: 'clock-a', knownMs: 0, seconds: 30 }
    lease.anchor({ clock: 'clock-a', brokerMs: 0, sentMs: 5000, receivedMs: 0 })
    elapsedMs = 10_000
    lease.grant(grant)
    expect(lease.held).toBe(false)
    lease.anchor({ clock: 'clock-a', brokerMs: 10_000, sentMs: 10_000, receivedMs: 10_000 })
    lease.grant(grant)
    expect(lease.held).toBe(true)
  })

  test('is taken again once drift has used 2 % of the length', async () => {
    const { broker, clock, guard } = await turned()
    for (let passed = 0; passed < 600; passed += 10) {
      clock.advance(10)
      broker.heartbeat()
      await eventually(() => expect(guard.status().leaseMs).toBeGreaterThan(29_000))
    }
    expect(broker.count('/revocations/clock')).toBe(0)
    clock.advance(10)
    broker.heartbeat()
    await eventually(() => expect(broker.count('/revocations/clock')).toBe(1))
  })

  test('of another process makes the guard open the stream again', async () => {
    const { broker, clock, gone, guard } = await turned()
    const lease = broker.lease(-700_000)
    broker.clockName = 'clock-b'
    broker.send('lease', lease)
    await eventually(() => expect(gone).toEqual(['requests reach another process of the broker']))
    clock.advance(1)
    await eventually(() => expect(guard.status().counters.connects).toBe(2))
  })

  test('counts only where its answer repeats the random value', async () => {
    const { broker, guard, problems } = await turned()
    broker.instead['/revocations/clock'] = (response) =>
      void response.end(JSON.stringify({ clock: 'clock-a', at_ms: -60_000, nonce: 'old' }))
    broker.send('lease', broker.lease(-700_000))
    await eventually(() => expect(problems).toEqual(['The clock of the broker could not be read.']))
    expect(guard.status().leaseMs).toBeLessThanOrEqual(30_000)
  })

  test.each([
    ['slower', 0.997, -3000],
    ['faster', 1.003, 3000],
  ])(
    'shows that this machine’s clock is much %s than the broker’s: no lease is held',
    async (_, rate, ppm) => {
      const clock = new TestClock('turned')
      const broker = await startBroker(clock)
      const problems: string[] = []
      const guard = await startGuard(broker, {
        clock: {
          nowMs: () => clock.nowMs(),
          monotonicMs: () => clock.monotonicMs(),
          elapsedMs: () => clock.monotonicMs() * rate,
          after: (ms, run) => clock.after?.(ms, run) ?? (() => {}),
        },
        hooks: { problem: ({ message }) => void problems.push(message) },
      })
      const token = await broker.token({ exp: broker.now + 3000 })
      clock.advance(100)
      broker.cut()
      await eventually(() => expect(guard.status().connected).toBe(false))
      clock.advance(1)
      await eventually(() => expect(guard.status().clockDriftPpm).toBeDefined())
      expect(Math.abs((guard.status().clockDriftPpm ?? 0) - ppm)).toBeLessThan(500)
      expect(await why(guard, token)).toBe('no_lease')
      expect(problems.some((each) => each.includes('ppm. A lease allows for 1000'))).toBe(true)
    },
  )
})

describe('a connection', () => {
  test('that says nothing for half of the lease is closed, though no error says that it is lost', async () => {
    const { clock, gone, guard } = await turned()
    clock.advance(14)
    expect(guard.status().connected).toBe(true)
    clock.advance(1.5)
    await eventually(() => expect(gone).toEqual(['the broker sent nothing for 15 s']))
    clock.advance(1)
    await eventually(() =>
      expect(guard.status()).toMatchObject({ connected: true, counters: { connects: 2 } }),
    )
    await eventually(() => expect(guard.status().leaseMs).toBeGreaterThan(29_000))
  })

  test('that a broker takes, and answers nothing on, is dropped after 5 s', async () => {
    const { broker, clock, gone, guard } = await turned({ start: false })
    let release = (): void => {}
    broker.hold = new Promise((resolve) => (release = resolve))
    void guard.start()
    // The guard does not wait for the discovery document either.
    await eventually(() => expect(broker.count('/.well-known/openid-configuration')).toBe(1))
    clock.advance(5)
    await eventually(() => expect(broker.count('/revocations')).toBe(1))
    clock.advance(5)
    await eventually(() => expect(gone).toEqual(['no answer within 5000 ms']))
    release()
  })
})
