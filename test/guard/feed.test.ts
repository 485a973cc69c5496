import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { covers, createGuard, type Bearer, type Entry, type Selector } from '@case-manager/guard'
import { VERSION } from '../../guard/src/version.ts'
import {
  type Broker,
  CLIENT,
  eventually,
  logoutRequest,
  makeKey,
  startBroker,
  startGuard,
  TestClock,
  why,
} from './stand-in.ts'

const ALICE = { sid: 's_1', sub: 'u_alice', client_id: 'sydney', tid: 'tenant-1' }

const lastFeed = (broker: Broker) =>
  broker.requests.findLast(({ url }) => url.startsWith('/revocations?'))!

describe('what a revocation covers (docs/feed.md, "An entry")', () => {
  const SELECTORS: [Selector, Record<string, unknown>][] = [
    [{ kind: 'session', sid: 's_1' }, { sid: 's_2' }],
    [{ kind: 'grant', sid: 's_1', client_id: 'sydney' }, { client_id: 'melbourne' }],
    [{ kind: 'grant', sid: 's_1', client_id: 'sydney' }, { sid: 's_2' }],
    [{ kind: 'subject', sub: 'u_alice' }, { sub: 'u_bob' }],
    [{ kind: 'client', client_id: 'sydney' }, { client_id: 'melbourne' }],
    [{ kind: 'tenant', tid: 'tenant-1' }, { tid: 'tenant-2' }],
  ]

  test.each(SELECTORS)(
    '%j: tokens authorized before it, not those authorized after, and not %j',
    async (selector, other) => {
      const broker = await startBroker()
      const guard = await startGuard(broker)
      const before = await broker.token()
      const others = await broker.token(other)
      expect(await why(guard, before)).toBe('good')
      const seq = broker.revoke(selector)
      await eventually(() => expect(guard.status().enforcedSeq).toBe(seq))
      expect(await why(guard, before)).toBe('revoked')
      expect(await why(guard, others)).toBe('good')
      // A token of the same second and session stays valid: the log decides, not the clock.
      expect(await why(guard, await broker.token({ rev: seq }))).toBe('good')
      expect(guard.isRevoked({ ...ALICE, rev: seq - 1 })).toBe(true)
      expect(guard.isRevoked({ ...ALICE, rev: seq })).toBe(false)
    },
  )

  test('everything', async () => {
    const broker = await startBroker()
    const guard = await startGuard(broker)
    const token = await broker.token({ sub: 'u_anyone', sid: 's_any' })
    broker.revoke({ kind: 'everything' })
    await eventually(async () => expect(await why(guard, token)).toBe('revoked'))
  })

  test('a token of no session is reached by its client and by everything, and by nothing of a user', async () => {
    const broker = await startBroker()
    const guard = await startGuard(broker)
    const token = await broker.token({ sid: undefined, tid: undefined, sub: 'sydney' })
    for (const [selector] of SELECTORS) if (selector.kind !== 'client') broker.revoke(selector)
    await eventually(() => expect(guard.status().enforcedSeq).toBe(broker.seq))
    expect(await why(guard, token)).toBe('good')
    const seq = broker.revoke({ kind: 'client', client_id: 'sydney' })
    await eventually(() => expect(guard.status().enforcedSeq).toBe(seq))
    expect(await why(guard, token)).toBe('revoked')
  })

  test('a kind that this guard does not know covers everything', async () => {
    const broker = await startBroker()
    const guard = await startGuard(broker)
    const token = await broker.token()
    broker.revoke({ kind: 'device', device: 'x' } as unknown as Selector)
    await eventually(async () => expect(await why(guard, token)).toBe('revoked'))
  })
})

describe('following the feed', () => {
  test('nothing is accepted before the first snapshot: 503', async () => {
    const broker = await startBroker()
    broker.broken['/revocations'] = 503
    const guard = await startGuard(broker, { start: false })
    const started = guard.start()
    const token = await broker.token()
    await eventually(() => expect(broker.count('/revocations')).toBeGreaterThan(1))
    expect(await guard.check(token)).toMatchObject({ ok: false, status: 503, why: 'starting' })
    broker.revoke({ kind: 'session', sid: 's_1' })
    broker.broken = {}
    await started
    expect(await why(guard, token)).toBe('revoked')
    expect(await why(guard, await broker.token())).toBe('good')
  })

  test('a guard without the right secret accepts nothing, says what to do, and keeps retrying', async () => {
    const broker = await startBroker()
    const causes: unknown[] = []
    const guard = await startGuard(broker, {
      start: false,
      clientSecret: 'wrong',
      hooks: { problem: (error) => causes.push(error.cause) },
    })
    void guard.start()
    await eventually(() =>
      expect(String(causes[0])).toContain('rejected the client_id or the secret'),
    )
    expect(String(causes)).not.toContain('wrong')
    expect(await why(guard, await broker.token())).toBe('starting')
    await eventually(() => expect(broker.count('/revocations')).toBeGreaterThan(1))
  })

  test('it names itself and authenticates by Basic, form-encoded (RFC 6749 §2.3.1)', async () => {
    const broker = await startBroker()
    await startGuard(broker)
    expect(lastFeed(broker).url).toMatch(/^\/revocations\?guard=web-1&nonce=[\w-]{16,64}$/)
  })

  test('it reports what it enforces, and what it is: at once, then of a burst the newest, once a second at most', async () => {
    const clock = new TestClock('turned')
    const broker = await startBroker(clock)
    broker.aheadSeconds = 4
    const guard = await startGuard(broker, {
      withoutLease: 'introspect',
    })
    await eventually(() =>
      expect(broker.reports).toEqual([
        {
          epoch: 'epoch-a',
          seq: 100,
          guard: 'web-1',
          streams: ['stream-1'],
          version: VERSION,
          without_lease: 'introspect',
          lease_ran_out: { count: 0 },
          clock_offset_seconds: 4,
          every_seconds: 15,
        },
      ]),
    )
    await eventually(() => expect(guard.status().reportedSeq).toBe(100))
    for (let i = 0; i < 200; i++) broker.revoke({ kind: 'session', sid: `s_${i}` })
    await eventually(() => expect(guard.status()).toMatchObject({ enforcedSeq: 300, entries: 200 }))
    clock.advance(0.9)
    expect(broker.reports).toHaveLength(1)
    clock.advance(0.2)
    await eventually(() => expect(broker.reports.map(({ seq }) => seq)).toEqual([100, 300]))
    await eventually(() => expect(guard.status().reportedSeq).toBe(300))
  })

  test('it reports after half of its lease though nothing is revoked, and says so', async () => {
    const clock = new TestClock('turned')
    const broker = await startBroker(clock)
    let accepted = 0
    const guard = await startGuard(broker, { hooks: { reported: () => accepted++ } })
    await eventually(() => expect(accepted).toBe(1))
    for (let passed = 0; passed < 30; passed += 5) {
      broker.heartbeat()
      await eventually(() => expect(guard.status().leaseMs).toBeGreaterThan(29_000))
      // A report without an answer would be sent again once the clock has passed its timeout.
      await eventually(() => expect(accepted).toBe(passed < 15 ? 1 : 2))
      clock.advance(5)
    }
    expect(broker.reports).toMatchObject([
      { seq: 100, every_seconds: 15 },
      { seq: 100, every_seconds: 15 },
    ])
  })

  test('its version is that of its package', () => {
    expect(
      JSON.parse(readFileSync(new URL('../../guard/package.json', import.meta.url), 'utf8')),
    ).toMatchObject({ version: VERSION })
  })

  test('what does not concern it is applied as well', async () => {
    const broker = await startBroker()
    const guard = await startGuard(broker)
    broker.seq = 150
    broker.send('head', { seq: 150 }, 150)
    await eventually(() => expect(broker.reports.at(-1)?.seq).toBe(150))
    expect(guard.status().entries).toBe(0)
  })

  test('a report that did not reach the broker is made again', async () => {
    const broker = await startBroker()
    broker.reportStatus = 503
    const guard = await startGuard(broker)
    await eventually(() => expect(broker.count('/revocations/enforced')).toBeGreaterThan(1))
    broker.reportStatus = 204
    await eventually(() => expect(guard.status().reportedSeq).toBe(100))
  })

  test('after a break it resumes from what it had, a little before, and misses nothing', async () => {
    const broker = await startBroker()
    const guard = await startGuard(broker)
    const token = await broker.token()
    expect(await why(guard, token)).toBe('good')
    broker.cut()
    broker.revoke({ kind: 'session', sid: 's_1' })
    await eventually(async () => expect(await why(guard, token)).toBe('revoked'))
    await eventually(() => expect(broker.reports.at(-1)?.seq).toBe(101))
    const resumed = broker.requests.filter(({ url }) => url.startsWith('/revocations?')).at(-1)
    expect(resumed?.headers['last-event-id']).toBe('epoch-a.36')
    // The lease did not run out, because the break was short.
    expect(guard.status()).toMatchObject({ ready: true, connected: true })
    expect(guard.status().counters.leasesRunOut).toBe(0)
  })

  test('keys that were retired while it was away are dropped when it is back', async () => {
    const broker = await startBroker()
    const guard = await startGuard(broker)
    const token = await broker.token()
    expect(await why(guard, token)).toBe('good')
    broker.retiredKids = ['es-1']
    broker.cut()
    await eventually(async () => expect(await why(guard, token)).toBe('unknown_key'))
  })

  test('duplicates, gaps and entries out of order change nothing', async () => {
    const broker = await startBroker()
    const heard: number[] = []
    const guard = await startGuard(broker, { hooks: { enforced: ({ seq }) => heard.push(seq) } })
    const exp = broker.clock.now + 360
    const cutoff = { seq: 110, selector: { kind: 'session', sid: 's_1' }, exp }
    const two = { seq: 120, selector: { kind: 'session', sid: 's_1' }, exp }
    const three = { seq: 115, selector: { kind: 'session', sid: 's_2' }, exp }
    for (const entry of [two, two, cutoff, three, cutoff, two])
      broker.send('revocation', entry, entry.seq)
    broker.send('head', { seq: 130 }, 130)
    broker.seq = 130
    await eventually(() => expect(guard.status().enforcedSeq).toBe(130))
    expect(heard).toEqual([120, 115])
    expect(guard.status().counters.duplicates).toBe(4)
    expect(await why(guard, await broker.token({ rev: 119 }))).toBe('revoked')
    expect(await why(guard, await broker.token({ rev: 120 }))).toBe('good')
    expect(await why(guard, await broker.token({ sid: 's_2', rev: 114 }))).toBe('revoked')
  })

  test('a restored broker: what the former log said is forgotten, and none of its tokens is honored', async () => {
    const broker = await startBroker()
    const resets: string[] = []
    const guard = await startGuard(broker, { hooks: { reset: (epoch) => resets.push(epoch) } })
    broker.revoke({ kind: 'subject', sub: 'u_alice' })
    await eventually(() => expect(guard.status().entries).toBe(1))
    const old = await broker.token({ sub: 'u_bob', sid: 's_bob' })
    expect(await why(guard, old)).toBe('good')
    broker.clock.advance(2)
    // The numbers of the new log are far below those of the former one.
    broker.restore(40)
    broker.revoke({ kind: 'everything' })
    await eventually(() =>
      expect(broker.reports.at(-1)).toMatchObject({ epoch: broker.epoch, seq: 41, guard: 'web-1' }),
    )
    expect(resets).toEqual([broker.epoch])
    expect(guard.status()).toMatchObject({
      ready: true,
      epoch: broker.epoch,
      enforcedSeq: 41,
      entries: 1,
      counters: { resets: 1 },
    })
    expect(await why(guard, old)).toBe('revoked')
    expect(await why(guard, await broker.token())).toBe('good')
    const seq = broker.revoke({ kind: 'session', sid: 's_other' })
    await eventually(() => expect(guard.status().enforcedSeq).toBe(seq))
    expect(await why(guard, await broker.token())).toBe('good')
    expect(await why(guard, old)).toBe('revoked')
  })

  test('a restored broker: what a logout token ended stays ended', async () => {
    const broker = await startBroker()
    const guard = await startGuard(broker, { onLogout: () => {} })
    const token = await broker.token({ rev: 30 })
    await guard.receiveLogout(logoutRequest(await broker.logoutToken({ sid: 's_1', rev: 35 })))
    broker.restore(40)
    await eventually(() => expect(guard.status().epoch).toBe(broker.epoch))
    await eventually(() => expect(guard.status().leaseMs).toBeGreaterThan(0))
    expect(await why(guard, token)).toBe('revoked')
    expect(await why(guard, await broker.token({ sid: 's_2', rev: 30 }))).toBe('good')
  })

  test('tokens of a tenant that the feed does not cover are rejected, and what they opened ends', async () => {
    const broker = await startBroker()
    const guard = await startGuard(broker)
    const token = await broker.token()
    const result = await guard.check(token)
    if (!result.ok) throw new Error(result.why)
    const held = guard.hold(result.claims)
    broker.tenants = ['tenant-2']
    broker.cut()
    await eventually(() => expect(held.aborted).toBe(true))
    expect(await guard.check(token)).toMatchObject({ status: 401, why: 'tenant' })
    expect(guard.isRevoked({ ...ALICE, rev: 100 })).toBe(true)
    expect(await why(guard, await broker.token({ tid: undefined }))).toBe('good')
    // One more tenant: the guard lacks its earlier revocations, and reads all of them again.
    broker.tenants = ['tenant-1', 'tenant-2']
    broker.cut()
    await eventually(async () => expect(await why(guard, token)).toBe('good'))
    expect(lastFeed(broker).headers['last-event-id']).toBeUndefined()
    // A broker without the member covers all.
    broker.tenants = undefined
    broker.cut()
    await eventually(async () =>
      expect(await why(guard, await broker.token({ tid: 'tenant-3' }))).toBe('good'),
    )
  })

  test('a restored broker signs by new keys: they are read at once, however short ago the former ones were', async () => {
    const broker = await startBroker()
    const guard = await startGuard(broker)
    expect(await why(guard, await broker.token())).toBe('good')
    broker.retiredKids = ['es-1']
    broker.keys = [await makeKey('es-after')]
    broker.restore(40)
    await eventually(() =>
      expect(guard.status()).toMatchObject({ ready: true, epoch: broker.epoch }),
    )
    expect(await why(guard, await broker.token())).toBe('good')
    expect(await why(guard, await broker.token({}, {}, await makeKey('es-none')))).toBe(
      'unknown_key',
    )
  })

  test('between a reset and what follows it, nothing is accepted', async () => {
    const broker = await startBroker()
    const guard = await startGuard(broker)
    const token = await broker.token()
    broker.send('reset', { epoch: 'epoch-b' })
    await eventually(async () => expect(await why(guard, token)).toBe('starting'))
    broker.send(
      'snapshot',
      { epoch: 'epoch-b', seq: 7, entries: [], retired_kids: [] },
      7,
      'epoch-b',
    )
    broker.send('live', { epoch: 'epoch-b', seq: 7 }, 7, 'epoch-b')
    await eventually(() =>
      expect(guard.status()).toMatchObject({ ready: true, epoch: 'epoch-b', enforcedSeq: 7 }),
    )
  })

  const lastEventId = (broker: Broker) =>
    broker.requests.filter(({ url }) => url.startsWith('/revocations?')).at(-1)?.headers[
      'last-event-id'
    ]

  test('where its report was of another log, it asks exactly from where it is', async () => {
    const broker = await startBroker()
    const guard = await startGuard(broker)
    await eventually(() => expect(broker.reports.length).toBe(1))
    broker.reportStatus = 409
    broker.revoke({ kind: 'session', sid: 's_9' })
    await eventually(() => expect(broker.count('/revocations')).toBeGreaterThan(1))
    expect(lastEventId(broker)).toBe('epoch-a.101')
    broker.reportStatus = 204
    await eventually(() => expect(guard.status().ready).toBe(true))
  })

  test('an answer to an earlier report does not undo that it asks for everything', async () => {
    const broker = await startBroker()
    const guard = await startGuard(broker)
    await eventually(() => expect(broker.reports).toHaveLength(1))
    const { promise, resolve } = Promise.withResolvers<void>()
    broker.reportStatus = 409
    broker.holds['/revocations/enforced'] = promise
    broker.revoke({ kind: 'session', sid: 's_2' })
    await eventually(() => expect(broker.count('/revocations/enforced')).toBe(2))
    // The guard cannot know what it missed, and reconnects without a position.
    broker.holds['/revocations'] = new Promise(() => {})
    broker.send('head', 'nonsense')
    await eventually(() => expect(broker.count('/revocations')).toBe(2))
    resolve()
    await eventually(() => expect(broker.count('/revocations')).toBe(3))
    expect(lastFeed(broker).headers['last-event-id']).toBeUndefined()
    expect(guard.status().ready).toBe(false)
  })

  test('a log that went back in the same epoch (a database put back by hand) is noticed, and tokens of the lost part are rejected', async () => {
    const broker = await startBroker()
    const guard = await startGuard(broker)
    for (let i = 0; i < 5; i++) broker.revoke({ kind: 'session', sid: `s_other_${i}` })
    await eventually(() => expect(guard.status().enforcedSeq).toBe(105))
    const lost = await broker.token({ rev: 104 })
    expect(await why(guard, lost)).toBe('good')
    broker.clock.advance(10)
    // The broker's log goes back by less than what a resuming guard reads again.
    broker.seq = 102
    broker.entries = []
    broker.cut()
    await eventually(() =>
      expect(guard.status()).toMatchObject({
        ready: true,
        enforcedSeq: 102,
        counters: { resets: 1 },
      }),
    )
    expect(lastEventId(broker)).toBe('epoch-a.105')
    expect(await why(guard, lost)).toBe('revoked')
    expect(await why(guard, await broker.token({ rev: 102 }))).toBe('good')
  })

  test.each([
    ['an entry that is none', 'revocation', { seq: 'x' }],
    ['a snapshot that is none', 'snapshot', { epoch: 'epoch-a' }],
    ['a live that is none', 'live', {}],
    ['a head that is none', 'head', { seq: -1 }],
  ])('%s is not passed over: everything is asked for again', async (_, event, data) => {
    const broker = await startBroker()
    const problems: string[] = []
    const guard = await startGuard(broker, {
      hooks: { problem: ({ message }) => problems.push(message) },
    })
    broker.send(event, data, 101)
    await eventually(() =>
      expect(problems).toContain(`The feed sent a ${event} that cannot be read.`),
    )
    await eventually(() =>
      expect(guard.status()).toMatchObject({ ready: true, counters: { connects: 2 } }),
    )
  })

  test('another log in the midst of a stream is not believed', async () => {
    const broker = await startBroker()
    const guard = await startGuard(broker)
    broker.send(
      'revocation',
      { seq: 500, selector: { kind: 'session', sid: 's_1' }, exp: broker.clock.now + 360 },
      500,
      'epoch-x',
    )
    await eventually(() => expect(guard.status().counters.connects).toBe(2))
    await eventually(() =>
      expect(guard.status()).toMatchObject({ ready: true, enforcedSeq: 100, entries: 0 }),
    )
  })

  test('events of a later broker are ignored', async () => {
    const broker = await startBroker()
    const guard = await startGuard(broker)
    broker.raw('event: weather\ndata: sunny\n\n')
    const seq = broker.revoke({ kind: 'session', sid: 's_1' })
    await eventually(() => expect(guard.status().enforcedSeq).toBe(seq))
    expect(guard.status().counters.connects).toBe(1)
  })

  test('when the broker ends the stream it is connected again', async () => {
    const broker = await startBroker()
    const gone: string[] = []
    const guard = await startGuard(broker, { hooks: { disconnected: ({ why }) => gone.push(why) } })
    broker.send('end', { why: 'shutdown' })
    await eventually(() =>
      expect(guard.status()).toMatchObject({ connected: true, counters: { connects: 2 } }),
    )
    expect(gone).toEqual(['the broker ended it: shutdown'])
  })

  test('memory is bounded: expired entries are forgotten, and over the cap the older half becomes one cutoff', async () => {
    const clock = new TestClock('turned')
    const broker = await startBroker(clock)
    const collapsed: number[] = []
    const guard = await startGuard(broker, {
      maxEntries: 10,
      hooks: { collapsed: ({ seq }) => collapsed.push(seq) },
    })
    const token = await broker.token()
    for (let i = 0; i < 11; i++) broker.revoke({ kind: 'session', sid: `s_other_${i}` })
    await eventually(() =>
      expect(guard.status()).toMatchObject({ enforcedSeq: 111, entries: 6, cutoffSeq: 105 }),
    )
    expect(collapsed).toEqual([105])
    expect(await guard.check(token)).toMatchObject({ why: 'cutoff', error: 'invalid_token' })
    // A session may be one of those that the cutoff stands for.
    expect(guard.isRevoked({ ...ALICE, rev: 100 })).toBe(true)
    expect(guard.isRevoked({ ...ALICE, rev: 105 })).toBe(false)
    expect(await why(guard, await broker.token({ rev: 105 }))).toBe('good')
    expect(await why(guard, await broker.token({ sid: 's_other_10', rev: 110 }))).toBe('revoked')
    clock.advance(10)
    for (let beats = 0; beats < 40; beats++) {
      broker.heartbeat()
      await eventually(() => expect(guard.status().leaseMs).toBeGreaterThan(29_000))
      clock.advance(10)
    }
    expect(guard.status()).toMatchObject({
      entries: 0,
      cutoffSeq: undefined,
      ready: true,
      counters: { connects: 1 },
    })
  })

  test('a clock that was set back revives nothing', async () => {
    const clock = new TestClock('turned')
    const broker = await startBroker(clock)
    const guard = await startGuard(broker)
    const token = await broker.token({ exp: clock.now + 600 })
    broker.revoke({ kind: 'session', sid: 's_1' })
    await eventually(async () => expect(await why(guard, token)).toBe('revoked'))
    clock.set(3600)
    clock.advance(31)
    expect(guard.status().entries).toBe(0)
    clock.set(-3600)
    expect(await why(guard, token)).not.toBe('good')
    // At the next sweep it notices, and asks for everything again.
    clock.advance(31)
    await eventually(() => {
      clock.advance(0.2)
      expect(guard.status()).toMatchObject({ ready: true, entries: 1 })
    })
    expect(await why(guard, token)).toBe('revoked')
    // A clock that is so much faster gives no lease, until a minute shows that it is no longer
    // faster.
    await eventually(async () => {
      clock.advance(1)
      broker.heartbeat()
      expect(await why(guard, await broker.token({ sid: 's_2' }))).toBe('good')
    })
  })
})

describe('listening to revocations', () => {
  test('a listener gets each one once, when it is already enforced; what a listener throws affects no other', async () => {
    const broker = await startBroker()
    const guard = await startGuard(broker)
    const mine: Bearer[] = [
      { ...ALICE, rev: 100 },
      { ...ALICE, sid: 's_2', rev: 100 },
      { ...ALICE, rev: 101 },
    ]
    const ended: Bearer[] = []
    const delivered: Entry[] = []
    guard.onRevocation(() => {
      throw new Error('a listener of somebody else')
    })
    guard.onRevocation((revocation) => {
      delivered.push(revocation)
      expect(guard.isRevoked({ ...ALICE, rev: revocation.seq - 1 })).toBe(true)
      ended.push(...mine.filter((session) => covers(revocation, session)))
    })
    const deaf = guard.onRevocation(() => expect.unreachable())
    deaf()
    broker.revoke({ kind: 'session', sid: 's_1' }, 'signed_out_everywhere')
    broker.cut()
    await eventually(() =>
      expect(
        guard.status().counters.duplicates + guard.status().counters.connects,
      ).toBeGreaterThanOrEqual(2),
    )
    await eventually(() =>
      expect(guard.status()).toMatchObject({ connected: true, enforcedSeq: 101 }),
    )
    expect(delivered.map(({ seq, reasonClass }) => [seq, reasonClass])).toEqual([
      [101, 'signed_out_everywhere'],
    ])
    expect(ended).toEqual([mine[0]])
  })

  test('at the start a listener gets no old entries; what an instance kept over its restart it asks about', async () => {
    const broker = await startBroker()
    broker.revoke({ kind: 'session', sid: 's_1' })
    const guard = createGuard({ issuer: broker.issuer, ...CLIENT, clock: broker.clock })
    const delivered: number[] = []
    guard.onRevocation(({ seq }) => delivered.push(seq))
    await guard.start()
    expect(delivered).toEqual([])
    expect([
      guard.isRevoked({ ...ALICE, rev: 100 }),
      guard.isRevoked({ ...ALICE, sid: 's_2', rev: 100 }),
    ]).toEqual([true, false])
    // A listener gets what is revoked from then on, also where the feed was lost meanwhile.
    broker.cut()
    const missed = broker.revoke({ kind: 'session', sid: 's_3' })
    await eventually(() => expect(delivered).toEqual([missed]))
    await guard.stop()
  })
})
