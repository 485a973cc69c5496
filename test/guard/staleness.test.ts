import { describe, expect, test } from 'vitest'
import { eventually, startBroker, startGuard, TestClock, why, type Broker } from './stand-in.ts'

/** The broker is gone: no stream, and no answer. */
function silence(broker: Broker): void {
  broker.broken['/revocations'] = 503
  broker.cut()
}

describe('when the broker has sent nothing for a while', () => {
  test('by default tokens are rejected after 35 s, and accepted again as soon as the guard is up to date', async () => {
    const broker = await startBroker()
    const guard = await startGuard(broker)
    const token = await broker.token()
    silence(broker)
    await eventually(() => expect(guard.status().connected).toBe(false))
    broker.clock.advance(35)
    expect(await why(guard, token)).toBe('good')
    broker.clock.advance(1)
    expect(await guard.check(token)).toMatchObject({ ok: false, status: 503, why: 'stale' })
    expect(guard.status()).toMatchObject({ ready: true, stale: true, silentForMs: 36_000 })
    broker.revoke({ kind: 'session', sid: 's_2' })
    broker.broken = {}
    await eventually(async () => expect(await why(guard, token)).toBe('good'))
    expect(await why(guard, await broker.token({ sid: 's_2', rev: 100 }))).toBe('revoked')
  })

  test('heartbeats keep it fresh', async () => {
    const broker = await startBroker()
    const guard = await startGuard(broker)
    const token = await broker.token()
    broker.clock.advance(30)
    broker.heartbeat()
    await eventually(() => expect(guard.status().silentForMs).toBe(0))
    broker.clock.advance(30)
    expect(await why(guard, token)).toBe('good')
  })

  test('a connection that says nothing for 35 s is closed, though no error says that it is lost', async () => {
    const clock = new TestClock('turned')
    const broker = await startBroker(clock)
    const gone: string[] = []
    const guard = await startGuard(broker, { hooks: { disconnected: ({ why }) => gone.push(why) } })
    clock.advance(34)
    expect(guard.status().connected).toBe(true)
    clock.advance(1.5)
    await eventually(() => expect(gone).toEqual(['the broker sent nothing for 35 s']))
    clock.advance(1)
    await eventually(() =>
      expect(guard.status()).toMatchObject({
        connected: true,
        stale: false,
        counters: { connects: 2 },
      }),
    )
  })

  test('a broker that takes the connection and answers nothing is dropped after 5 s', async () => {
    const clock = new TestClock('turned')
    const broker = await startBroker(clock)
    const gone: string[] = []
    let release = (): void => {}
    const guard = await startGuard(broker, {
      start: false,
      hooks: { disconnected: ({ why }) => gone.push(why) },
    })
    broker.hold = new Promise((resolve) => (release = resolve))
    void guard.start()
    // Its discovery document is not waited for either.
    await eventually(() => expect(broker.count('/.well-known/openid-configuration')).toBe(1))
    clock.advance(5)
    await eventually(() => expect(broker.count('/revocations')).toBe(1))
    clock.advance(5)
    await eventually(() => expect(gone).toEqual(['no answer within 5000 ms']))
    release()
  })

  test('a machine that slept, or whose clock was set forward, does not know what it missed', async () => {
    const broker = await startBroker()
    const guard = await startGuard(broker)
    const token = await broker.token()
    broker.clock.set(60)
    expect(await why(guard, token)).toBe('stale')
    broker.heartbeat()
    await eventually(async () => expect(await why(guard, token)).toBe('good'))
  })

  test('introspect: the broker is asked about each token, but for those that are not valid anyway (RFC 7662)', async () => {
    const broker = await startBroker()
    const guard = await startGuard(broker, {
      staleness: { afterSeconds: 20, policy: 'introspect' },
    })
    const token = await broker.token()
    silence(broker)
    await eventually(() => expect(guard.status().connected).toBe(false))
    broker.clock.advance(21)
    expect(await guard.check(token)).toMatchObject({ ok: true })
    broker.active = false
    expect(await guard.check(token)).toMatchObject({ status: 401, why: 'inactive' })
    broker.active = undefined
    expect(await guard.check(token)).toMatchObject({ status: 503, why: 'stale' })
    const asked = broker.count('/introspect')
    expect(await why(guard, await broker.token({ aud: 'another' }))).toBe('audience')
    expect(broker.count('/introspect')).toBe(asked)
  })

  test('introspect: requests that wait for the same answer ask once', async () => {
    const broker = await startBroker()
    const guard = await startGuard(broker, {
      staleness: { afterSeconds: 20, policy: 'introspect' },
    })
    const token = await broker.token()
    expect(await why(guard, token)).toBe('good')
    silence(broker)
    await eventually(() => expect(guard.status().connected).toBe(false))
    broker.clock.advance(21)
    const answers = await Promise.all(Array.from({ length: 20 }, () => why(guard, token)))
    expect(new Set(answers)).toEqual(new Set(['good']))
    expect(guard.status().counters.introspections).toBe(1)
  })

  test('introspect does not stand in for the first snapshot', async () => {
    const broker = await startBroker()
    broker.broken['/revocations'] = 503
    const guard = await startGuard(broker, {
      start: false,
      staleness: { afterSeconds: 20, policy: 'introspect' },
    })
    void guard.start()
    await eventually(() => expect(broker.count('/revocations')).toBeGreaterThan(0))
    expect(await why(guard, await broker.token())).toBe('starting')
  })
})
