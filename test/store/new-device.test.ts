import { describe, expect, test } from 'vitest'
import type { WebhookEndpoint } from '../../db/types.ts'
import { WEBHOOK_SWITCHES } from '../../src/protocol/webhook-types.ts'
import {
  benches,
  expectOutcome,
  STORES,
  T0,
  TENANT,
  type Bench,
  type SignInOptions,
} from './fixture.ts'

const TYPE = 'session.new_device'
const OLGA = { kind: 'operator', id: 'olga' } as const

const addEndpoint = (b: Bench, id: string, how: Partial<WebhookEndpoint> = {}) =>
  b.store.addWebhook({
    id,
    url: `https://${id}.example/`,
    events: [TYPE],
    include: [],
    secretSealed: 'sealed',
    state: 'enabled',
    position: 0,
    createdAt: T0,
    updatedAt: T0,
    ...how,
  })

interface How extends SignInOptions {
  /** Null: the sign-in has no `email` claim. */
  email?: string | null
}
/** Signs Alice in with a browser that she has not used, unless `how` says otherwise. */
function tryToSignIn(b: Bench, { email = 'alice@contoso.example', ...how }: How = {}) {
  const user = {
    tid: TENANT,
    oid: 'oid-alice',
    name: 'Alice',
    username: 'alice@contoso.example',
    email: email ?? undefined,
  }
  return b.tryToSignIn('alice', {
    newDevice: true,
    from: { address: '203.0.113.7' },
    session: { user },
    ...how,
  })
}
const signIn = async (b: Bench, how?: How) => expectOutcome(await tryToSignIn(b, how), 'signed_in')

const pending = async (b: Bench, targetId: string) => {
  const { refs } = await b.store.dueDeliveries({ targetId, nowMs: b.now * 1000, limit: 100 })
  return Promise.all(
    refs.map(async ({ id }) => (await b.store.findDelivery(id)) ?? expect.unreachable()),
  )
}
interface Event {
  type: string
  timestamp: string
  position: number
  data: Record<string, unknown>
}
const events = async (b: Bench, targetId = 'wh_every') =>
  (await pending(b, targetId))
    .map(({ payload = '' }) => JSON.parse(payload) as Event)
    .toSorted((a, c) => a.position - c.position)
const addresses = async (b: Bench) => (await events(b)).map(({ data }) => data['email'])

describe.each(STORES)('a session on a new device, on %s', (_name, make) => {
  const open = benches(make)
  const openWithEndpoint = async () => {
    const b = await open()
    await addEndpoint(b, 'wh_every', { include: [...WEBHOOK_SWITCHES] })
    return b
  }

  test('is an event of webhooks, with name, addresses and IP address only where their switches are on', async () => {
    const b = await openWithEndpoint()
    await addEndpoint(b, 'wh_none')
    await signIn(b)
    b.now += 60
    const { session } = await signIn(b)
    const plain = { sub: session.sub, sid: session.sid, tid: TENANT, device: 'Firefox on Windows' }
    expect((await events(b, 'wh_none')).map(({ data }) => data)).toEqual([plain])
    expect(await events(b)).toEqual([
      {
        type: TYPE,
        timestamp: new Date(b.now * 1000).toISOString(),
        endpoint_id: 'wh_every',
        position: 1,
        data: {
          ...plain,
          name: 'Alice',
          username: 'alice@contoso.example',
          email: 'alice@contoso.example',
          ip_address: '203.0.113.7',
        },
      },
    ])
    expect(await pending(b, 'wh_every')).toMatchObject([
      { kind: 'webhook', clientId: 'wh_every', sub: session.sub, seq: undefined },
    ])
  })

  test('is none for the first sign-in of a user, a browser that they know, a session that is renewed, or a sign-in that is rejected', async () => {
    const b = await openWithEndpoint()
    const { cookie } = await signIn(b)
    await signIn(b, { browser: cookie })
    await signIn(b, { newDevice: false })
    expect(await tryToSignIn(b, { limit: { most: 1, whenFull: 'ask' } })).toMatchObject({
      outcome: 'rejected',
      why: 'session_limit',
    })
    expect(await events(b)).toEqual([])
  })

  test('is one event for each of several at once; of two first sign-ins at once, one is the first', async () => {
    const b = await openWithEndpoint()
    const [first, second] = await Promise.all([signIn(b), signIn(b)])
    const [event, ...more] = await events(b)
    expect([more, [first.session.sid, second.session.sid]]).toEqual([
      [],
      expect.arrayContaining([event?.data['sid']]),
    ])
    await Promise.all([signIn(b), signIn(b), signIn(b)])
    expect((await events(b)).map(({ position }) => position)).toEqual([1, 2, 3, 4])
  })

  test('is written only for an endpoint that wants it and is enabled', async () => {
    const b = await open()
    await addEndpoint(b, 'wh_other', { events: ['revocation.theft'] })
    await addEndpoint(b, 'wh_disabled', { state: 'disabled' })
    await signIn(b)
    await signIn(b)
    expect(await b.store.listDeliveries({ limit: 9 })).toEqual([])
    expect((await b.store.listWebhooks()).map(({ position }) => position)).toEqual([0, 0])
  })

  test('has the address that was known before, never one that the sign-in brings', async () => {
    const b = await openWithEndpoint()
    await signIn(b)
    await signIn(b, { email: 'mallory@contoso.example' })
    await signIn(b, { email: null })
    await signIn(b, { email: 'eve@contoso.example' })
    expect(await addresses(b)).toEqual([
      'alice@contoso.example',
      'mallory@contoso.example',
      undefined,
    ])
  })

  test('has an address that a rejected sign-in did not change: not by a lock, not by one that is not fresh, not by the session limit', async () => {
    const b = await openWithEndpoint()
    const { session } = await signIn(b)
    const { sub } = session
    const known = await b.store.findSubject(sub)
    const reject = async (why: string, more: How = {}) =>
      expect(await tryToSignIn(b, { email: 'mallory@contoso.example', ...more })).toMatchObject({
        outcome: 'rejected',
        why,
      })
    await reject('session_limit', { limit: { most: 1, whenFull: 'ask' } })
    await b.store.revoke({
      selector: { kind: 'subject', sub },
      reason: 'administrator',
      actor: OLGA,
      now: b.now,
    })
    await reject('not_fresh', { provenSeq: 0 })
    const { id } = await lock(b)
    await reject('user_locked')
    expect(await b.store.findSubject(sub)).toEqual(known)
    await b.store.liftLock({ id, actor: OLGA, now: b.now })
    await signIn(b)
    expect(await addresses(b)).toEqual(['alice@contoso.example'])
  })

  test('is none where the only sign-in before was rejected: its address is not known', async () => {
    const b = await openWithEndpoint()
    const { id } = await lock(b)
    expect(await tryToSignIn(b, { email: 'mallory@contoso.example' })).toMatchObject({
      outcome: 'rejected',
      why: 'user_locked',
    })
    await b.store.liftLock({ id, actor: OLGA, now: b.now })
    await signIn(b)
    expect(await events(b)).toEqual([])
    expect(await b.store.findSubjectByUser(TENANT, 'oid-alice')).toMatchObject({
      name: 'Alice',
      email: 'alice@contoso.example',
    })
  })

  test('of an erased user: what is pending or failed is closed and emptied, and their next sign-in is a first one', async () => {
    const b = await open()
    await addEndpoint(b, 'wh_1', { events: [TYPE, 'revocation.by_operator'], include: ['names'] })
    for (let times = 0; times < 3; times++) await signIn(b)
    const { session } = await signIn(b)
    const [failed] = await pending(b, 'wh_1')
    const attempt = { attempt: 1, atMs: b.now * 1000, outcome: 'failed', latencyMs: 1 } as const
    await b.store.recordDelivery({ id: failed?.id ?? '', result: { outcome: 'failed', attempt } })
    await b.store.eraseUser({ sub: session.sub, actor: OLGA, now: b.now })
    // The message about the erasure itself remains.
    expect((await events(b, 'wh_1')).map(({ type }) => type)).toEqual(['revocation.by_operator'])
    const all = (await b.store.listDeliveries({ limit: 100 })).filter(
      ({ kind }) => kind !== 'logout_token',
    )
    expect(all.map(({ state }) => state).toSorted()).toEqual([
      'closed',
      'closed',
      'closed',
      'pending',
    ])
    expect(JSON.stringify(all)).not.toMatch(/Alice|alice@/)
    await signIn(b)
    expect(await events(b, 'wh_1')).toHaveLength(1)
  })
})

async function lock(b: Bench) {
  await b.store.putTenant({ tid: TENANT, mfaProof: 'amr', connectedAt: T0 })
  const target = { kind: 'user', tid: TENANT, oid: 'oid-alice' } as const
  return expectOutcome(
    await b.store.lock({
      target,
      actor: OLGA,
      may: 'administer',
      operatorTenant: undefined,
      now: b.now,
    }),
    'locked',
  ).lock
}
