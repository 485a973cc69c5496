import { describe, expect, test } from 'vitest'
import { eventually, type Broker } from '../stand-in.ts'
import { PYTHON, startBrokerOfToday, startProgram } from './python-program.ts'

/** The guard for Python where it judges an instance's own sessions. */

const PROGRAM = new URL('python-sessions.py', import.meta.url).pathname

async function application(prepare: (broker: Broker) => void = () => {}, options: object = {}) {
  const broker = await startBrokerOfToday()
  prepare(broker)
  const isEvent = ({ open }: Record<string, unknown>): boolean => open === true
  const { ask, events, logged } = startProgram(PROGRAM, broker, options, isEvent)
  const judge = (session: unknown) => ask({ do: 'session', session })
  const becomes = (session: object, state: object) =>
    eventually(async () => expect(await judge(session)).toMatchObject(state))
  return { broker, ask, judge, becomes, opened: () => events.length, logged }
}

describe.skipIf(PYTHON === undefined)('an own session at the guard for Python', () => {
  test.each([
    ['session', { kind: 'session', sid: 's_1' }],
    ['grant', { kind: 'grant', sid: 's_1', client_id: 'sydney' }],
    ['subject', { kind: 'subject', sub: 'u_alice' }],
    ['client', { kind: 'client', client_id: 'sydney' }],
    ['tenant', { kind: 'tenant', tid: 'tenant-1' }],
    ['everything', { kind: 'everything' }],
  ] as const)('is live until a revocation of its %s, and then ended', async (_, selector) => {
    const { broker, becomes, judge } = await application()
    const session = broker.sessionClaims()
    await becomes(session, { state: 'live', rev: 100 })
    broker.revoke(selector, 'administrator')
    await becomes(session, { state: 'ended', why: 'revoked', reason: 'administrator' })
    expect(await judge(broker.sessionClaims())).toMatchObject({ state: 'live' })
    expect(broker.sessionForms).toHaveLength(0)
  })

  test.each([{}, { poll: true }])(
    'that was revoked hours ago is ended at a guard that starts now (%o)',
    async (options) => {
      const { broker, becomes } = await application((prepared) => {
        prepared.revoke({ kind: 'session', sid: 's_1' }, 'signed_out')
        const [entry] = prepared.entries
        if (entry !== undefined) entry.exp = prepared.now - 7200
      }, options)
      await becomes(broker.sessionClaims({ rev: 100 }), { state: 'ended', reason: 'signed_out' })
    },
  )

  test('is ended where its claims are wrong or its time is over, and never raises', async () => {
    const { broker, becomes, judge } = await application()
    await becomes(broker.sessionClaims(), { state: 'live' })
    const wrong = [
      { iss: 'https://other.example' },
      { aud: 'melbourne' },
      { aud: [] },
      { sid: 5 },
      { sub: '' },
      { rev: -1 },
      { rev: 1.5 },
      { iat: '1' },
      { session_expiry: null },
    ].map((changes) => broker.sessionClaims(changes))
    for (const session of [...wrong, [], 'text', 7])
      expect(await judge(session as object)).toMatchObject({ state: 'ended', why: 'invalid' })
    expect(await judge(broker.sessionClaims({ session_expiry: broker.now - 10 }))).toMatchObject({
      state: 'ended',
      why: 'expired',
    })
  })

  test('that the entries do not reach back to is asked about once, and then judged', async () => {
    const { broker, becomes, judge } = await application((prepared) => {
      prepared.completeFrom = 90
    })
    const session = broker.sessionClaims({ rev: 80 })
    await becomes(session, { state: 'live', rev: 100 })
    expect(await judge(session)).toMatchObject({ state: 'live' })
    expect(broker.sessionForms.map((form) => form.get('rev'))).toEqual(['80'])
    broker.sessionAnswer = undefined
    expect(await judge(broker.sessionClaims({ rev: 81 }))).toMatchObject({ state: 'unknown' })
    broker.sessionAnswer = () => ({ active: false })
    expect(await judge(broker.sessionClaims({ rev: 82 }))).toMatchObject({ state: 'ended' })
    broker.revoke({ kind: 'subject', sub: 'u_alice' })
    await becomes(session, { state: 'ended', why: 'revoked' })
  })

  test('is not known once the guard is stopped, and no token is accepted', async () => {
    const { broker, ask, becomes, judge } = await application()
    const token = await broker.token()
    await becomes(broker.sessionClaims(), { state: 'live' })
    expect(await ask({ do: 'token', token })).toEqual({ status: 200 })
    await ask({ do: 'stop' })
    expect(await judge(broker.sessionClaims())).toMatchObject({ state: 'unknown', why: 'starting' })
    expect(await ask({ do: 'token', token })).toEqual({ status: 503 })
  })

  test('is judged where the discovery document cannot be read', async () => {
    const { broker, becomes } = await application((prepared) => {
      prepared.instead['/.well-known/openid-configuration'] = (response) =>
        void response.writeHead(503).end()
    })
    await becomes(broker.sessionClaims(), { state: 'live' })
  })

  test('a listener may wait for a request that is checked in another thread', async () => {
    const { broker, ask, becomes } = await application()
    const session = broker.sessionClaims()
    await becomes(session, { state: 'live' })
    await ask({ do: 'keep', cookie: 'checked', session })
    broker.revoke({ kind: 'session', sid: 's_1' })
    await becomes(session, { state: 'ended' })
    await eventually(async () => expect(await ask({ do: 'waited' })).toEqual({ waited: [false] }))
  })

  test('is polled for without a report for each poll', async () => {
    const { broker, becomes, judge } = await application(
      (prepared) => {
        prepared.leaseSeconds = 1
      },
      { poll: true },
    )
    await becomes(broker.sessionClaims(), { state: 'live' })
    await eventually(async () => {
      await judge(broker.sessionClaims())
      expect(broker.count('/revocations')).toBeGreaterThan(8)
    })
    expect(broker.reports.map(({ seq }) => seq)).toEqual([100])
  })

  test('a listener that fails withholds the report until it has succeeded', async () => {
    const { broker, ask, becomes, logged } = await application()
    const session = broker.sessionClaims()
    await becomes(session, { state: 'live' })
    await eventually(() =>
      expect(broker.reports.at(-1)).toMatchObject({ seq: 100, sessions: true }),
    )
    await ask({ do: 'listener' })
    broker.revoke({ kind: 'session', sid: 's_1' })
    await becomes(session, { state: 'ended' })
    await eventually(() => expect(logged()).toContain('the store is down'))
    expect(broker.reports.map(({ seq }) => seq)).not.toContain(101)
    await ask({ do: 'listener' })
    await eventually(() => expect(broker.reports.at(-1)).toMatchObject({ seq: 101 }))
  })

  test.each(['wsgi', 'asgi', 'django'])(
    'is ended by the middleware for %s, and the page learns why',
    async (by) => {
      const { broker, ask, becomes, opened } = await application((prepared) => {
        prepared.completeFrom = 90
        prepared.sessionAnswer = undefined
      })
      const session = broker.sessionClaims()
      const open = (path: string, cookie = 'c') => ask({ do: by, cookie, path })
      await ask({ do: 'keep', cookie: 'c', session })
      await ask({ do: 'keep', cookie: 'old', session: broker.sessionClaims({ rev: 80 }) })
      await becomes(session, { state: 'live' })
      expect(await open('/', 'old')).toMatchObject({ status: 503 })
      expect(await open('/')).toMatchObject({ status: 200, body: 'True None' })
      const events = by === 'asgi' ? open('/session/events') : undefined
      if (events !== undefined) await eventually(() => expect(opened()).toBe(1))
      else expect((await open('/session/events')).body).toBe('retry: 2000\n\n')
      broker.revoke({ kind: 'session', sid: 's_1' }, 'signed_out')
      if (events !== undefined)
        expect((await events).body).toContain('"reason_class": "signed_out"')
      else await becomes(session, { state: 'ended' })
      expect(await open('/')).toMatchObject({ status: 200, body: 'False signed_out' })
      expect(await open('/')).toMatchObject({ status: 200, body: 'False None' })
      expect((await open('/session/events')).body).toContain('event: ended')
    },
  )
})
