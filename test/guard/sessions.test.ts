import { describe, expect, test } from 'vitest'
import { HoldEnded, type Guard, type GuardOptions, type SessionState } from '@case-manager/guard'
import { eventually, startBroker, startGuard, TestClock, type Broker } from './stand-in.ts'

const HOUR = 3600

async function both(
  options: Partial<GuardOptions> & { start?: boolean } = {},
  prepare: (broker: Broker) => void = () => {},
): Promise<{ broker: Broker; clock: TestClock; guard: Guard }> {
  const clock = new TestClock('turned')
  const broker = await startBroker(clock)
  prepare(broker)
  const guard = await startGuard(broker, { ...options, start: false })
  guard.judgeSessions()
  if (options.start !== false) await guard.start()
  return { broker, clock, guard }
}

/** Lets time pass while the broker is connected. */
const pass = async (guard: Guard, broker: Broker, clock: TestClock, seconds: number) => {
  clock.advance(seconds)
  await connected(guard, broker, clock)
}
/** Waits for a lease, and lets the time pass that a new connection takes. */
const connected = (guard: Guard, broker: Broker, clock: TestClock) =>
  eventually(() => {
    clock.advance(0.2)
    broker.heartbeat()
    const { enforcedSeq, leaseMs, ready } = guard.status()
    expect([ready, enforcedSeq]).toEqual([true, broker.seq])
    expect(leaseMs).toBeGreaterThan(0)
  })

const wordOf = (state: SessionState): string =>
  state.state === 'live' ? 'live' : `${state.state} ${state.why}`

describe('a session of the instance', () => {
  test('is live until a revocation covers it, and ended with the reason from then on', async () => {
    const { broker, guard } = await both()
    const session = broker.sessionClaims()
    expect(await guard.checkSession(session)).toEqual({ state: 'live', rev: 100 })
    broker.revoke({ kind: 'subject', sub: 'u_alice' }, 'signed_out_everywhere')
    await eventually(async () =>
      expect(await guard.checkSession(session)).toEqual({
        state: 'ended',
        why: 'revoked',
        reasonClass: 'signed_out_everywhere',
      }),
    )
    expect(wordOf(await guard.checkSession(broker.sessionClaims({ sid: 's_2' })))).toBe('live')
    expect(broker.sessionForms).toHaveLength(0)
    expect(guard.status().sessionsFromSeq).toBe(0)
  })

  test.each([
    ['session', { kind: 'session', sid: 's_1' }],
    ['grant', { kind: 'grant', sid: 's_1', client_id: 'sydney' }],
    ['client', { kind: 'client', client_id: 'sydney' }],
    ['tenant', { kind: 'tenant', tid: 'tenant-1' }],
    ['everything', { kind: 'everything' }],
  ] as const)('is ended by a revocation of its %s', async (_name, selector) => {
    const { broker, guard } = await both()
    const session = broker.sessionClaims()
    expect(wordOf(await guard.checkSession(session))).toBe('live')
    broker.revoke(selector)
    await eventually(async () =>
      expect(wordOf(await guard.checkSession(session))).toBe('ended revoked'),
    )
  })

  test('says the oldest of the reasons that ended it', async () => {
    const { broker, guard } = await both()
    const session = broker.sessionClaims()
    broker.revoke({ kind: 'session', sid: 's_1' }, 'signed_out')
    broker.revoke({ kind: 'everything' }, 'administrator')
    await eventually(() => expect(guard.status().enforcedSeq).toBe(102))
    expect(await guard.checkSession(session)).toMatchObject({ reasonClass: 'signed_out' })
  })

  test.each([2, 11])(
    'that was revoked is ended at a guard that starts %i h later, which asks for sessions',
    async (hours) => {
      const { broker, clock, guard } = await both({ start: false })
      const session = broker.sessionClaims()
      broker.revoke({ kind: 'session', sid: 's_1' }, 'signed_out')
      clock.advance(hours * HOUR)
      await guard.start()
      expect(wordOf(await guard.checkSession(session))).toBe('ended revoked')
      const without = await startGuard(broker)
      expect(without.status().entries).toBe(0)
      expect(guard.status().entries).toBe(1)
    },
  )

  test('stays ended for as long as it could have lived, and then it has expired', async () => {
    const { broker, clock, guard } = await both()
    const session = broker.sessionClaims()
    broker.revoke({ kind: 'session', sid: 's_1' })
    await eventually(() => expect(guard.status().enforcedSeq).toBe(101))
    for (let hour = 1; hour <= 11; hour++) {
      await pass(guard, broker, clock, HOUR)
      expect(wordOf(await guard.checkSession(session))).toBe('ended revoked')
    }
    await pass(guard, broker, clock, HOUR + 60)
    expect(wordOf(await guard.checkSession(session))).toBe('ended expired')
    expect(guard.status().entries).toBe(0)
  })

  test.each([
    ['of another issuer', { iss: 'https://other.example' }, 'ended invalid'],
    ['for another client', { aud: 'perth' }, 'ended invalid'],
    ['for a list that holds another client', { aud: ['sydney', 'perth'] }, 'ended invalid'],
    ['for an empty list', { aud: [] }, 'ended invalid'],
    ['for a list of this client', { aud: ['sydney'] }, 'live'],
    ['without sub', { sub: undefined }, 'ended invalid'],
    ['without sid', { sid: '' }, 'ended invalid'],
    ['with a rev that is text', { rev: '100' }, 'ended invalid'],
    ['with a rev beyond the safe integers', { rev: 2 ** 53 }, 'ended invalid'],
    ['with a rev that is no whole number', { rev: Number.NaN }, 'ended invalid'],
    ['with a negative rev', { rev: -1 }, 'ended invalid'],
    ['with a tenant that is no text', { tenant: {} }, 'ended invalid'],
    ['without iat', { iat: null }, 'ended invalid'],
    ['without end', { session_expiry: undefined }, 'ended invalid'],
    ['with an end that is no number', { session_expiry: Infinity }, 'ended invalid'],
  ])('%s is judged by its claims', async (_name, changes, expected) => {
    const { broker, guard } = await both()
    expect(wordOf(await guard.checkSession(broker.sessionClaims(changes)))).toBe(expected)
    expect(broker.sessionForms).toHaveLength(0)
  })

  test.each([[null], [undefined], ['text'], [7], [[]], [{}]])(
    'that is %j is none',
    async (given) => {
      const { guard } = await both()
      expect(wordOf(await guard.checkSession(given as unknown as object))).toBe('ended invalid')
      expect(guard.holdSession(given as unknown as object).aborted).toBe(true)
    },
  )

  test('is not known before the first snapshot, without a lease, and after the guard has stopped', async () => {
    const { broker, clock, guard } = await both({ start: false })
    const session = broker.sessionClaims()
    expect(wordOf(await guard.checkSession(session))).toBe('unknown starting')
    await guard.start()
    expect(wordOf(await guard.checkSession(session))).toBe('live')
    broker.revoke({ kind: 'session', sid: 's_2' })
    await eventually(() => expect(guard.status().enforcedSeq).toBe(101))
    broker.broken['/revocations'] = 503
    broker.cut()
    clock.advance(31)
    expect(wordOf(await guard.checkSession(session))).toBe('unknown no_lease')
    expect(wordOf(await guard.checkSession(broker.sessionClaims({ sid: 's_2', rev: 100 })))).toBe(
      'ended revoked',
    )
    expect(broker.sessionForms).toHaveLength(0)
    await guard.stop()
    expect(wordOf(await guard.checkSession(session))).toBe('unknown starting')
  })

  test('is not ended by a clock that was set ahead: it is asked about', async () => {
    const { broker, clock, guard } = await both()
    const session = broker.sessionClaims()
    broker.revoke({ kind: 'session', sid: 's_2' })
    const revoked = broker.sessionClaims({ sid: 's_2', rev: 100 })
    await eventually(() => expect(guard.status().enforcedSeq).toBe(101))
    clock.set(13 * HOUR)
    broker.aheadSeconds = -13 * HOUR
    clock.advance(31)
    broker.cut()
    await connected(guard, broker, clock)
    expect(guard.status()).toMatchObject({ clockOffsetSeconds: -13 * HOUR })
    broker.sessionAnswer = (form) =>
      form.get('sid') === 's_2'
        ? { active: false }
        : { active: true, rev: broker.seq, session_expiry: broker.now + HOUR }
    expect(wordOf(await guard.checkSession(session))).toBe('live')
    expect(wordOf(await guard.checkSession(revoked))).toBe('ended revoked')
    expect(broker.sessionForms).toHaveLength(2)
  })

  test('is not ended by a wrong `Date` of the broker: it is asked about each time', async () => {
    const { broker, clock, guard } = await both()
    const session = broker.sessionClaims()
    broker.aheadSeconds = 13 * HOUR
    broker.cut()
    await eventually(async () => {
      await connected(guard, broker, clock)
      expect(guard.status()).toMatchObject({ clockOffsetSeconds: 13 * HOUR })
    })
    expect(wordOf(await guard.checkSession(session))).toBe('live')
    expect(wordOf(await guard.checkSession(session))).toBe('live')
    expect(broker.sessionForms).toHaveLength(2)
    expect((guard.holdSession(session).reason as HoldEnded).why).toBe('no_lease')
    broker.sessionAnswer = undefined
    expect(wordOf(await guard.checkSession(session))).toBe('unknown not_known')
    const past = broker.sessionClaims({ session_expiry: clock.now - 60 })
    expect(wordOf(await guard.checkSession(past))).toBe('ended expired')
    broker.revoke({ kind: 'session', sid: 's_2' }, 'signed_out')
    await eventually(() => expect(guard.status().enforcedSeq).toBe(101))
    const revoked = broker.sessionClaims({ sid: 's_2', rev: 100, session_expiry: clock.now + HOUR })
    expect(wordOf(await guard.checkSession(revoked))).toBe('ended revoked')
    broker.sessionAnswer = () => ({ active: false })
    expect(wordOf(await guard.checkSession(session))).toBe('ended expired')
  })
})

describe('a session that entries do not reach back to', () => {
  const older = (broker: Broker): void => {
    broker.completeFrom = 90
  }

  test.each([
    ['opened before what the broker knows', { rev: 89 }],
    ['without rev, of an ID token of a former broker', { rev: undefined, tenant: undefined }],
  ])('%s is asked about once', async (_name, changes) => {
    const { broker, guard } = await both({}, older)
    const session = broker.sessionClaims(changes)
    const states = await Promise.all([1, 2, 3].map(() => guard.checkSession(session)))
    expect(states).toEqual(states.map(() => ({ state: 'live', rev: 100 })))
    expect(wordOf(await guard.checkSession(session))).toBe('live')
    expect(broker.sessionForms).toHaveLength(1)
    const [form] = broker.sessionForms
    expect(form?.get('sid')).toBe('s_1')
    expect(form?.get('sub')).toBe('u_alice')
    expect(form?.get('rev')).toBe(changes.rev === undefined ? null : '89')
    expect(wordOf(await guard.checkSession(broker.sessionClaims({ rev: 90 })))).toBe('live')
    expect(broker.sessionForms).toHaveLength(1)
    broker.revoke({ kind: 'session', sid: 's_1' }, 'signed_out')
    await eventually(async () =>
      expect(await guard.checkSession(session)).toMatchObject({ reasonClass: 'signed_out' }),
    )
  })

  test('is ended if the broker says so, and is not asked about again', async () => {
    const { broker, guard } = await both({}, older)
    broker.sessionAnswer = () => ({ active: false })
    const session = broker.sessionClaims({ rev: 1 })
    expect(await guard.checkSession(session)).toEqual({ state: 'ended', why: 'revoked' })
    expect(await guard.checkSession(session)).toEqual({ state: 'ended', why: 'revoked' })
    expect(broker.sessionForms).toHaveLength(1)
  })

  test('ends when the broker says that it does', async () => {
    const { broker, clock, guard } = await both({}, older)
    broker.sessionAnswer = () => ({ active: true, rev: 100, session_expiry: broker.now + 15 })
    const session = broker.sessionClaims({ rev: 1 })
    expect(wordOf(await guard.checkSession(session))).toBe('live')
    const signal = guard.holdSession(session)
    await pass(guard, broker, clock, 21)
    expect(wordOf(await guard.checkSession(session))).toBe('ended expired')
    expect((signal.reason as HoldEnded).why).toBe('expired')
  })

  test.each([
    ['is down', undefined],
    ['answers with something else', {}],
    ['answers without rev', { active: true, session_expiry: 9e9 }],
    ['answers with a rev that is none', { active: true, rev: '7', session_expiry: 9e9 }],
    ['answers without an end', { active: true, rev: 100 }],
  ])('is not known where the broker %s, and it is asked again', async (_name, answer) => {
    const { broker, guard } = await both({}, older)
    broker.sessionAnswer = () => answer
    const session = broker.sessionClaims({ rev: 1 })
    expect(wordOf(await guard.checkSession(session))).toBe('unknown not_known')
    expect(wordOf(await guard.checkSession(session))).toBe('unknown not_known')
    expect(broker.sessionForms).toHaveLength(2)
  })

  test('is ended where a revocation arrives before the answer', async () => {
    const { broker, guard } = await both({}, older)
    broker.sessionAnswer = () => {
      const answer = { active: true, rev: 100, session_expiry: broker.now + HOUR }
      broker.revoke({ kind: 'subject', sub: 'u_alice' }, 'administrator')
      return answer
    }
    let go = (): void => {}
    broker.hold = new Promise((resolve) => (go = resolve))
    const checking = guard.checkSession(broker.sessionClaims({ rev: 1 }))
    go()
    await checking
    await eventually(() => expect(guard.status().enforcedSeq).toBe(101))
    expect(
      await guard.checkSession(broker.sessionClaims({ rev: 1, iat: broker.now })),
    ).toMatchObject({
      state: 'ended',
      reasonClass: 'administrator',
    })
  })

  test('is not called live by an answer that comes after a reset', async () => {
    const { broker, clock, guard } = await both({}, older)
    let answered = (): void => {}
    broker.instead['/revocations/session'] = (response) => {
      const body = JSON.stringify({ active: true, rev: 100, session_expiry: broker.now + HOUR })
      answered = () =>
        void response.writeHead(200, { 'content-type': 'application/json' }).end(body)
    }
    const session = broker.sessionClaims({ rev: 1 })
    const checking = guard.checkSession(session)
    await eventually(() => expect(broker.count('/revocations/session')).toBe(1))
    broker.restore()
    await connected(guard, broker, clock)
    answered()
    expect(wordOf(await checking)).toBe('unknown starting')
  })

  test('shares no question that was asked before another log began', async () => {
    const { broker, clock, guard } = await both({ withoutLease: 'introspect' }, older)
    const answers: (() => void)[] = []
    broker.instead['/revocations/session'] = (response) => {
      const body = JSON.stringify({ active: true, rev: broker.seq, session_expiry: 9e9 })
      answers.push(
        () => void response.writeHead(200, { 'content-type': 'application/json' }).end(body),
      )
    }
    const session = broker.sessionClaims({ rev: 1 })
    const checking = [guard.checkSession(session)]
    await eventually(() => expect(answers).toHaveLength(1))
    broker.restore()
    broker.completeFrom = 40
    await eventually(() => {
      clock.advance(0.01)
      expect(guard.status()).toMatchObject({ ready: true, epoch: broker.epoch })
    })
    checking.push(guard.checkSession(session))
    answers[0]?.()
    expect(wordOf((await checking[0]) as SessionState)).toBe('unknown starting')
    await eventually(() => expect(answers).toHaveLength(2))
    answers[1]?.()
    expect(await checking[1]).toEqual({ state: 'live', rev: broker.seq })
  })

  test('is not known where the lease ends while the broker is asked', async () => {
    const { broker, clock, guard } = await both({}, older)
    let answered = (): void => {}
    broker.instead['/revocations/session'] = (response) => {
      const body = JSON.stringify({ active: true, rev: 100, session_expiry: broker.now + HOUR })
      answered = () =>
        void response.writeHead(200, { 'content-type': 'application/json' }).end(body)
    }
    const checking = guard.checkSession(broker.sessionClaims({ rev: 1 }))
    await eventually(() => expect(broker.count('/revocations/session')).toBe(1))
    broker.broken['/revocations'] = 503
    broker.cut()
    // The time limit of the question is one of the timers that pass.
    await eventually(() => expect(guard.status().connected).toBe(false))
    answered()
    clock.advance(31)
    expect(wordOf(await checking)).toBe('unknown no_lease')
  })

  test('without a tenant is asked about again after each revocation of a tenant', async () => {
    const { broker, guard } = await both()
    const session = broker.sessionClaims({ tenant: undefined })
    expect(wordOf(await guard.checkSession(session))).toBe('live')
    const signal = guard.holdSession(session)
    broker.revoke({ kind: 'tenant', tid: 'tenant-1' })
    broker.sessionAnswer = () => ({ active: false })
    await eventually(() => expect(guard.status().enforcedSeq).toBe(101))
    expect((signal.reason as HoldEnded).why).toBe('no_lease')
    expect(wordOf(await guard.checkSession(session))).toBe('ended revoked')
  })

  test('because the ledger is bounded is asked about, and not ended', async () => {
    const { broker, guard } = await both({ maxEntries: 4 })
    const session = broker.sessionClaims()
    const held = guard.holdSession(session)
    for (let n = 0; n < 6; n++) broker.revoke({ kind: 'session', sid: `s_other${n}` })
    await eventually(() => expect(guard.status().enforcedSeq).toBe(106))
    expect(guard.status().cutoffSeq).toBeGreaterThan(100)
    expect((held.reason as HoldEnded).why).toBe('no_lease')
    expect(await guard.checkSession(session)).toEqual({ state: 'live', rev: 106 })
    expect(guard.holdSession(session).aborted).toBe(false)
    expect(broker.sessionForms).toHaveLength(1)
  })

  test('because the broker is of an older version is asked about, and after its upgrade no more', async () => {
    const problems: string[] = []
    const { broker, clock, guard } = await both(
      { hooks: { problem: (error) => problems.push(error.message) } },
      (older) => (older.completeFrom = undefined),
    )
    expect(problems.join()).toMatch(/Upgrade it/)
    const session = broker.sessionClaims()
    broker.broken['/revocations/session'] = 404
    expect(wordOf(await guard.checkSession(session))).toBe('unknown not_known')
    broker.broken = {}
    broker.completeFrom = 50
    broker.cut()
    await eventually(() => {
      clock.advance(0.2)
      expect(guard.status().sessionsFromSeq).toBe(50)
    })
    expect(wordOf(await guard.checkSession(session))).toBe('live')
  })
})

describe('without a lease, a guard that may introspect', () => {
  const cutOff = async () => {
    const rig = await both({ withoutLease: 'introspect' })
    rig.broker.broken['/revocations'] = 503
    rig.broker.cut()
    rig.clock.advance(31)
    return rig
  }

  test('asks the broker about each session at each request', async () => {
    const { broker, guard } = await cutOff()
    const session = broker.sessionClaims()
    expect(wordOf(await guard.checkSession(session))).toBe('live')
    expect(wordOf(await guard.checkSession(session))).toBe('live')
    expect(broker.sessionForms).toHaveLength(2)
    broker.sessionAnswer = () => ({ active: false })
    expect(wordOf(await guard.checkSession(session))).toBe('ended revoked')
    broker.sessionAnswer = undefined
    expect(wordOf(await guard.checkSession(broker.sessionClaims({ sid: 's_2' })))).toBe(
      'unknown no_lease',
    )
  })

  test('holds no connection', async () => {
    const { broker, guard } = await cutOff()
    expect((guard.holdSession(broker.sessionClaims()).reason as HoldEnded).why).toBe('no_lease')
  })
})

describe('a guard that judges sessions', () => {
  test('ends the connections that a session has opened, with the reason', async () => {
    const { broker, guard } = await both()
    const signal = guard.holdSession(broker.sessionClaims())
    const other = guard.holdSession(broker.sessionClaims({ sid: 's_2', sub: 'u_bob' }))
    broker.revoke({ kind: 'subject', sub: 'u_alice' }, 'locked')
    await eventually(() => expect(signal.aborted).toBe(true))
    expect(signal.reason).toMatchObject({ why: 'revoked', reasonClass: 'locked' })
    expect(other.aborted).toBe(false)
  })

  test('says so in its reports, and only where it does', async () => {
    const { broker } = await both()
    const tokensOnly = await startGuard(broker, { guardId: 'api-1' })
    await eventually(() => expect(broker.reports).toHaveLength(2))
    const said = Object.fromEntries(broker.reports.map(({ guard, sessions }) => [guard, sessions]))
    expect(said).toEqual({ 'web-1': true, 'api-1': undefined })
    expect(wordOf(await tokensOnly.checkSession(broker.sessionClaims()))).toBe('unknown starting')
  })

  test.each([false, true])(
    'may begin after its start, and accepts tokens meanwhile (poll: %s)',
    async (poll) => {
      const clock = new TestClock()
      const broker = await startBroker(clock)
      broker.entries.push({
        seq: 60,
        selector: { kind: 'session', sid: 's_1' },
        exp: broker.now - 1,
        session_exp: broker.now + HOUR,
      })
      const problems: string[] = []
      const hooks = { problem: (error: Error) => void problems.push(error.message) }
      const guard = await startGuard(broker, { poll, hooks })
      const token = await broker.token()
      expect(await guard.check(token)).toMatchObject({ ok: true })
      guard.judgeSessions()
      expect(await guard.check(token)).toMatchObject({ ok: true })
      await eventually(async () =>
        expect(wordOf(await guard.checkSession(broker.sessionClaims({ rev: 50 })))).toBe(
          'ended revoked',
        ),
      )
      expect(wordOf(await guard.checkSession(broker.sessionClaims({ sid: 's_2' })))).toBe('live')
      expect(problems).toEqual([])
    },
  )

  test('asks about a session of a former log, without its rev, and believes the answer', async () => {
    const { broker, clock, guard } = await both()
    const revs: (string | null)[] = []
    const [first, second] = [
      broker.sessionClaims({ rev: 90 }),
      broker.sessionClaims({ sid: 's_2', rev: 90 }),
    ]
    clock.advance(1)
    broker.restore()
    await connected(guard, broker, clock)
    broker.sessionAnswer = (form) => {
      revs.push(form.get('rev'))
      return form.get('sid') === 's_1'
        ? { active: true, rev: 40, session_expiry: broker.now + HOUR }
        : { active: false }
    }
    expect(await guard.checkSession(first)).toEqual({ state: 'live', rev: 40 })
    expect(wordOf(await guard.checkSession(second))).toBe('ended revoked')
    expect(revs).toEqual([null, null])
    const signal = guard.holdSession(first)
    expect(signal.aborted).toBe(false)
    broker.revoke({ kind: 'session', sid: 's_1' }, 'signed_out')
    await eventually(() => expect(signal.aborted).toBe(true))
    expect(await guard.checkSession(first)).toMatchObject({ reasonClass: 'signed_out' })
  })
})
