import { describe, expect, test } from 'vitest'
import type { SignalStream } from '../../db/types.ts'
import { STREAM_EVENTS, VERIFICATION } from '../../src/protocol/stream-event.ts'
import { benches, STORES, T0, TENANT, type Bench } from './fixture.ts'

const SCOPES = ['openid', 'offline_access', 'ssf.read']

const stream = (id: string, changed: Partial<SignalStream> = {}): SignalStream => ({
  id,
  clientId: 'sydney',
  method: 'push',
  endpointUrl: `https://${id}.example/events`,
  eventsRequested: [...STREAM_EVENTS],
  status: 'enabled',
  statusBy: 'receiver',
  verifiedAt: T0,
  createdAt: T0,
  updatedAt: T0,
  ...changed,
})
const messages = async (b: Bench, refs: readonly { id: string }[]) =>
  Promise.all(
    refs.map(
      async ({ id }) =>
        JSON.parse((await b.store.findDelivery(id))?.payload ?? '{}') as {
          type: string
          about?: object
        },
    ),
  )
const held = async (b: Bench, id: string) =>
  (await b.store.pollStream({ id, limit: 100 })).deliveries
const revokeSession = async (b: Bench, who: string) => {
  const { session } = await b.signIn(who)
  await b.exchange(session.sid, 'sydney')
  const answer = await b.revoke({ kind: 'session', sid: session.sid })
  return answer.outcome === 'revoked'
    ? answer.committed.pending.filter(({ targetId }) => targetId.startsWith('st_'))
    : []
}

describe.each(STORES)('streams of security events, on %s', (_name, make) => {
  const open = benches(make)

  test('of two that a client adds at once, one is added, with its verification event', async () => {
    const b = await open()
    await b.client('sydney', { scopes: SCOPES })
    const both = await Promise.all(['st_1', 'st_2'].map((id) => b.store.addStream(stream(id))))
    expect(both.map(({ added }) => added).toSorted()).toEqual([false, true])
    const refs = both.flatMap((added) => added.refs)
    expect(await messages(b, refs)).toMatchObject([{ type: VERIFICATION }])
    const known = await b.store.streamOfClient('sydney')
    expect([known]).toEqual(await b.store.listStreams())
    expect(known).toEqual(await b.store.findStream(known?.id ?? ''))
  })

  test('a revocation writes its event in its own transaction: due where it is pushed, else held, which no lane leases', async () => {
    const b = await open()
    await b.client('sydney', { scopes: SCOPES })
    await b.store.addStream(stream('st_1'))
    const [ref] = await revokeSession(b, 'alice')
    expect(await messages(b, ref === undefined ? [] : [ref])).toMatchObject([
      { type: STREAM_EVENTS[0], about: { tid: TENANT } },
    ])
    await b.store.changeStream({ id: 'st_1', change: { status: 'paused' }, now: b.now })
    expect(await revokeSession(b, 'bob')).toEqual([])
    const [delivery] = await held(b, 'st_1')
    const far = { nowMs: (b.now + 86_400 * 365) * 1000, limit: 10, targetId: 'st_1' }
    expect((await b.store.dueDeliveries(far)).refs.map(({ id }) => id)).not.toContain(delivery?.id)
    expect((await b.store.earlyDeliveries(far)).refs).toEqual([])
    const lease = {
      id: delivery?.id ?? '',
      attempt: 1,
      nowMs: far.nowMs,
      untilMs: far.nowMs + 1000,
    }
    expect(await b.store.leaseDelivery({ ...lease, early: true })).toEqual({ outcome: 'not_due' })
    // The delivery is not overdue, because its receiver paused the stream.
    expect(
      (await b.store.deliveryCounts()).find(({ clientId }) => clientId === 'st_1'),
    ).toMatchObject({ state: 'pending', count: 3 })
    expect(await b.store.releaseStream({ id: 'st_1', limit: 10 })).toEqual([])
    await b.store.changeStream({ id: 'st_1', change: { status: 'enabled' }, now: b.now })
    expect((await b.store.releaseStream({ id: 'st_1', limit: 10 })).map(({ id }) => id)).toEqual([
      delivery?.id,
    ])
    expect(await b.store.leaseDelivery({ ...lease, early: false })).toMatchObject({
      outcome: 'leased',
    })
  })

  test('a delivery under way is held when its stream was paused, and its attempt is not counted', async () => {
    const b = await open()
    await b.client('sydney', { scopes: SCOPES })
    await b.store.addStream(stream('st_1'))
    const [{ id } = { id: '' }] = await revokeSession(b, 'alice')
    await b.store.leaseDelivery({
      id,
      attempt: 1,
      nowMs: b.now * 1000,
      untilMs: b.now * 1000 + 5000,
      early: false,
    })
    await b.store.holdDelivery({ id, attempt: 1 })
    expect(await held(b, 'st_1')).toMatchObject([{ id }])
    expect(await b.store.findDelivery(id)).toMatchObject({
      attempts: 0,
      state: 'pending',
      nextAttemptAtMs: undefined,
    })
  })

  test('what is polled is settled once, of two acknowledgments at once, and only by its own stream', async () => {
    const b = await open()
    await b.client('sydney', { scopes: SCOPES })
    await b.store.addStream(stream('st_1', { method: 'poll', endpointUrl: undefined }))
    await revokeSession(b, 'alice')
    const [{ id: delivery } = { id: '' }] = await held(b, 'st_1')
    const settle = (id: string) =>
      b.store.settlePolled({ id, results: [{ delivery }], nowMs: b.now * 1000 })
    expect(await settle('st_other')).toBe(0)
    expect((await Promise.all([settle('st_1'), settle('st_1')])).toSorted()).toEqual([0, 1])
    expect(await b.store.attemptsOf(delivery)).toHaveLength(1)
    expect(await b.store.findDelivery(delivery)).toMatchObject({
      state: 'delivered',
      payload: undefined,
    })
    expect(await held(b, 'st_1')).toEqual([])
  })

  test('of two requests for a verification at once, one is too soon', async () => {
    const b = await open()
    await b.client('sydney', { scopes: SCOPES })
    await b.store.addStream(stream('st_1'))
    const ask = () =>
      b.store.verifyStream({ id: 'st_1', state: 'x', notBefore: b.now - 59, now: b.now })
    expect((await Promise.all([ask(), ask()])).map(({ outcome }) => outcome).toSorted()).toEqual([
      'asked',
      'too_soon',
    ])
    expect(await b.store.verifyStream({ id: 'st_2', notBefore: 0, now: b.now })).toEqual({
      outcome: 'unknown',
    })
  })

  test('a verification that an endpoint accepted does not count for the endpoint after it', async () => {
    const b = await open()
    await b.client('sydney', { scopes: SCOPES })
    await b.store.addStream(stream('st_1', { verifiedAt: undefined }))
    await b.store.changeStream({
      id: 'st_1',
      change: { endpointUrl: 'https://new.example/' },
      now: b.now,
    })
    await b.store.streamVerified({
      id: 'st_1',
      endpointUrl: 'https://st_1.example/events',
      now: b.now,
    })
    expect((await b.store.findStream('st_1'))?.verifiedAt).toBeUndefined()
    await b.store.streamVerified({ id: 'st_1', endpointUrl: 'https://new.example/', now: b.now })
    expect((await b.store.findStream('st_1'))?.verifiedAt).toBe(b.now)
  })

  test('a receiver gets the ended sessions of a user who is erased', async () => {
    const b = await open()
    await b.client('sydney', { scopes: SCOPES })
    await b.store.addStream(stream('st_1', { method: 'poll', endpointUrl: undefined }))
    const { session } = await b.signIn('alice')
    await b.exchange(session.sid, 'sydney')
    await b.store.eraseUser({
      sub: session.sub,
      actor: { kind: 'operator', id: 'olga' },
      now: b.now,
    })
    expect(await messages(b, await held(b, 'st_1'))).toMatchObject([
      { type: STREAM_EVENTS[0], about: { sub: session.sub } },
    ])
  })

  test('a removed stream gets nothing, and what was pending is closed', async () => {
    const b = await open()
    await b.client('sydney', { scopes: SCOPES })
    await b.store.addStream(stream('st_1'))
    await revokeSession(b, 'alice')
    expect(await b.store.removeStream('st_1')).toBe(true)
    expect(await b.store.removeStream('st_1')).toBe(false)
    expect(await revokeSession(b, 'bob')).toEqual([])
    expect(
      (await b.store.deliveryCounts()).filter(({ clientId }) => clientId === 'st_1'),
    ).toMatchObject([{ state: 'closed', count: 2 }])
  })
})
