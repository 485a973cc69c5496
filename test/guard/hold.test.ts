import { describe, expect, test } from 'vitest'
import { HoldEnded, type AccessClaims, type Guard, type GuardOptions } from '@case-manager/guard'
import {
  eventually,
  logoutRequest,
  makeKey,
  startBroker,
  startGuard,
  TestClock,
  type Broker,
} from './stand-in.ts'

/**
 * Returns the claims of a token that the guard has just accepted, with which a connection is
 * opened.
 */
async function opened(
  guard: Guard,
  broker: Broker,
  claims: Record<string, unknown> = {},
  key = broker.keys[0],
): Promise<AccessClaims> {
  const result = await guard.check(await broker.token(claims, {}, key))
  if (!result.ok) throw new Error(result.why)
  return result.claims
}

const endOf = (signal: AbortSignal): string =>
  signal.aborted ? (signal.reason as HoldEnded).why : 'held'

async function both(
  options: Partial<GuardOptions> = {},
): Promise<{ broker: Broker; clock: TestClock; guard: Guard }> {
  const clock = new TestClock('turned')
  const broker = await startBroker(clock)
  return { broker, clock, guard: await startGuard(broker, options) }
}

describe('a connection that is held open', () => {
  test('ends when its session is revoked, and no other does', async () => {
    const { broker, guard } = await both()
    const mine = guard.hold(await opened(guard, broker))
    const others = [
      guard.hold(await opened(guard, broker, { sid: 's_2' })),
      guard.hold(await opened(guard, broker, { rev: broker.seq + 1 })),
      guard.hold(await opened(guard, broker, { sid: undefined, sub: 'sydney' })),
    ]
    expect(guard.status().holds).toBe(4)
    broker.revoke({ kind: 'session', sid: 's_1' })
    await eventually(() => expect(endOf(mine)).toBe('revoked'))
    expect(mine.reason).toBeInstanceOf(HoldEnded)
    expect((mine.reason as HoldEnded).message).toBe(
      'The token or session that opened this connection is revoked.',
    )
    expect(others.map(endOf)).toEqual(['held', 'held', 'held'])
    expect(guard.status().holds).toBe(3)
    broker.revoke({ kind: 'everything' })
    await eventually(() => expect(others.map(endOf)).toEqual(['revoked', 'revoked', 'revoked']))
  })

  test.each([
    { kind: 'grant', sid: 's_1', client_id: 'sydney' },
    { kind: 'subject', sub: 'u_alice' },
    { kind: 'client', client_id: 'sydney' },
    { kind: 'tenant', tid: 'tenant-1' },
  ] as const)('ends by a revocation of its $kind', async (selector) => {
    const { broker, guard } = await both()
    const signal = guard.hold(await opened(guard, broker))
    broker.revoke(selector)
    await eventually(() => expect(endOf(signal)).toBe('revoked'))
  })

  test('ends at once where the token was revoked before it was held', async () => {
    const { broker, guard } = await both()
    const claims = await opened(guard, broker)
    broker.revoke({ kind: 'session', sid: 's_1' })
    await eventually(() => expect(guard.isRevoked(claims)).toBe(true))
    expect(endOf(guard.hold(claims))).toBe('revoked')
  })

  test('ends when the token expires, tolerance included', async () => {
    const { broker, clock, guard } = await both()
    const signal = guard.hold(await opened(guard, broker, { exp: broker.now + 20 }))
    for (let seconds = 0; seconds < 24; seconds++) {
      clock.advance(1)
      broker.heartbeat()
    }
    expect(endOf(signal)).toBe('held')
    clock.advance(1)
    await eventually(() => expect(endOf(signal)).toBe('expired'))
  })

  test('ends when the machine’s clock is set past the expiry of the token, within seconds', async () => {
    const { broker, clock, guard } = await both()
    const signal = guard.hold(await opened(guard, broker))
    clock.set(400)
    clock.advance(5)
    await eventually(() => expect(signal.aborted).toBe(true))
  })

  test.each(['reject', 'introspect'] as const)(
    'ends when the lease has run out, unless it holds through that: %s',
    async (withoutLease) => {
      const { broker, clock, guard } = await both({ withoutLease })
      broker.broken['/revocations'] = 503
      broker.cut()
      const claims = await opened(guard, broker)
      const [signal, through] = [guard.hold(claims), guard.hold(claims, { withoutLease: true })]
      clock.advance(29.9)
      expect(endOf(signal)).toBe('held')
      clock.advance(0.2)
      await eventually(() => expect(endOf(signal)).toBe('no_lease'))
      expect(endOf(through)).toBe('held')
    },
  )

  test('ends when the key that signed its token is withdrawn', async () => {
    const { broker, clock, guard } = await both()
    const another = await makeKey('es-2')
    broker.keys.push(another)
    // An unknown key is asked for at most once in 5 s.
    clock.advance(6)
    const signal = guard.hold(await opened(guard, broker))
    const other = guard.hold(await opened(guard, broker, {}, another))
    broker.send('keys', { jwks: 'changed', retired_kids: ['es-1'] })
    await eventually(() => expect(endOf(signal)).toBe('revoked'))
    expect(endOf(other)).toBe('held')
  })

  test('ends when the guard forgets too much to judge its token', async () => {
    const { broker, guard } = await both({ maxEntries: 2 })
    const signal = guard.hold(await opened(guard, broker))
    for (const sid of ['a', 'b', 'c']) broker.revoke({ kind: 'session', sid })
    await eventually(() => expect(endOf(signal)).toBe('revoked'))
  })

  test('ends when the broker has another log in which everything is revoked', async () => {
    const { broker, clock, guard } = await both()
    const signal = guard.hold(await opened(guard, broker))
    broker.restore()
    await eventually(() => {
      clock.advance(0.5)
      expect(endOf(signal)).toBe('revoked')
    })
  })

  test('is forgotten when the connection closes, and ends with the guard', async () => {
    const { broker, guard } = await both()
    const claims = await opened(guard, broker)
    const closed = new AbortController()
    const [signal, other] = [guard.hold(claims, { until: closed.signal }), guard.hold(claims)]
    closed.abort()
    expect(guard.status().holds).toBe(1)
    await guard.stop()
    expect([endOf(signal), endOf(other)]).toEqual(['held', 'stopped'])
    expect(endOf(guard.hold(claims))).toBe('stopped')
  })

  test('a held connection is not a sink for logout tokens', async () => {
    const { broker, guard } = await both()
    guard.hold(await opened(guard, broker))
    expect((await guard.receiveLogout(logoutRequest(await broker.logoutToken()))).status).toBe(503)
  })

  test('one revocation looks at the connections that it may end alone, however many there are', async () => {
    const { broker, guard } = await both()
    const claims = await opened(guard, broker)
    let looks = 0
    const counted = (sid: string): AccessClaims =>
      Object.defineProperty({ ...claims, sid, sub: sid }, 'rev', {
        get: () => (looks++, claims.rev),
      })
    const signals = Array.from({ length: 5000 }, (_, at) => guard.hold(counted(`s_${at}`)))
    looks = 0
    broker.revoke({ kind: 'session', sid: 's_17' })
    broker.revoke({ kind: 'session', sid: 'other' })
    await eventually(() => expect(guard.status().enforcedSeq).toBe(broker.seq))
    expect([looks, signals.findIndex((signal) => signal.aborted)]).toEqual([1, 17])
  })
})
