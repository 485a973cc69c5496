import { Ajv2020 } from 'ajv/dist/2020.js'
import { Webhook } from 'standardwebhooks'
import { describe, expect, onTestFinished, test } from 'vitest'
import type { DeliveryRef } from '../../db/types.ts'
import { addressRanges } from '../../src/runtime/remote-address.ts'
import { webhookJsonSchema } from '../../src/protocol/webhook-event.ts'
import { WEBHOOK_SWITCHES, WEBHOOK_TYPES } from '../../src/protocol/webhook-types.ts'
import { createOutbound } from '../../src/runtime/outbound.ts'
import { startWorkers } from '../../workers/start.ts'
import { startCmb } from '../command/cmb.ts'
import { createRig, type Rig, type RigOptions, TENANT } from '../rig.ts'
import { deliverLogout as attempt } from './attempt.ts'
import { LocalQueue } from './local-queue.ts'
import { ok, startReceiver, status, type Receiver } from './receiver.ts'

/** Messages as a receiver gets them that verifies with the library of Standard Webhooks. */

interface Added {
  id: string
  secret: string
}
type Request = Receiver['requests'][number]

async function world(options: RigOptions = {}) {
  const rig = await createRig({ realTime: true, deps: { queue: new LocalQueue() }, ...options })
  const { type } = await startCmb(rig)
  const receiver = await startReceiver()
  const cmb = async <T>(...args: string[]): Promise<T> => {
    const ran = await type(['webhooks', ...args, '--json'])
    expect([args, ran.code, ran.err]).toEqual([args, 0, ''])
    return ran.json<T & Record<string, unknown>>()
  }
  const add = (...events: string[]) =>
    cmb<Added>('add', receiver.url, ...events.flatMap((event) => ['--event', event]))
  return { rig, receiver, cmb, add, type }
}

async function withWorkers(rig: Rig): Promise<void> {
  const workers = await startWorkers(rig.deps)
  onTestFinished(() => workers.drain())
}

const verified = (secret: string, { body, headers }: Request) =>
  new Webhook(secret).verify(body, headers as Record<string, string>) as Record<string, unknown>
const validates = new Ajv2020({
  strict: false,
  formats: { 'date-time': true, uuid: true },
}).compile(webhookJsonSchema())

/** Writes a test event of an endpoint without sending it. */
async function testEvent(rig: Rig, id: string): Promise<DeliveryRef> {
  const ref = await rig.store.testWebhook(id)
  return ref ?? expect.unreachable()
}
const stateOf = async (rig: Rig, { id }: DeliveryRef) => rig.store.findDelivery(id)

const OLGA = { kind: 'operator', id: 'olga' } as const
const SAID = { caseReference: 'INC-4711', comment: 'Laptop stolen on the train' }

/** Causes each event by an act of the store. */
async function causeEachEvent({ store, openSession, clock, config }: Rig): Promise<void> {
  const now = clock.now()
  const [laptop, phone, other] = [
    (await openSession()).session,
    (await openSession()).session,
    (await openSession()).session,
  ]
  const { sub } = laptop
  const user = { kind: 'user', id: sub } as const
  for (const device of ['first', 'second'])
    await newDevice(store, now, config.limits.idleSeconds, device)
  const report = {
    everywhere: false,
    atMicrosoft: false,
    address: '203.0.113.7',
    freshSince: now - 300,
    now,
  }
  await store.reportByUser({ sub, acting: laptop.sid, what: { sid: phone.sid }, ...report })
  await store.revoke({
    selector: { kind: 'session', sid: other.sid },
    reason: 'refresh_token_reuse',
    actor: { kind: 'client', id: 'sydney' },
    now,
  })
  await store.revoke({
    selector: { kind: 'subject', sub },
    reason: 'signed_out_everywhere',
    actor: user,
    now,
  })
  await store.revoke({
    selector: { kind: 'tenant', tid: TENANT },
    reason: 'administrator',
    actor: OLGA,
    ...SAID,
    now,
  })
  const by = { actor: OLGA, may: 'administer', operatorTenant: undefined, now } as const
  const locked = await store.lock({
    ...by,
    ...SAID,
    target: { kind: 'user', tid: TENANT, oid: laptop.user.oid },
    endsAt: now + 3600,
  })
  await store.liftLock({ id: locked.outcome === 'locked' ? locked.lock.id : '', actor: OLGA, now })
  await store.addKey({
    kid: 'another',
    alg: 'ES256',
    privateSealed: null,
    publicJwk: {},
    createdAt: now,
    state: 'next',
  })
  await store.activateKey({ kid: 'another', retireAt: now + 60, now })
  await store.changeTenant({ tid: TENANT, change: { idleSeconds: 600 } })
}

async function newDevice(
  store: Rig['store'],
  now: number,
  idleSeconds: number,
  which: string,
): Promise<void> {
  const session = {
    authTime: now,
    visitStartedAt: now,
    idleSeconds,
    absoluteAt: now + 43_200,
    roles: [],
    staySignedIn: false,
    device: 'Firefox on Windows',
  }
  await store.signIn({
    session: {
      ...session,
      user: { tid: TENANT, oid: 'oid-nora', name: 'Nora', email: 'nora@contoso.example' },
      cookieHash: `cookie-${which}`,
    },
    newDevice: true,
    from: { address: '203.0.113.7' },
    provenSeq: Number.MAX_SAFE_INTEGER,
    ids: { sub: 'u_nora', sid: `s_${which}` },
    now,
  })
}

describe('webhooks', () => {
  test('reach a receiver that verifies them, in the shape of the documented schema', async () => {
    const { rig, receiver, add, cmb } = await world()
    await withWorkers(rig)
    const { id, secret } = await add(
      'revocation.by_operator',
      'revocation.wide',
      'user.signed_out_everywhere',
    )
    const { session } = await rig.openSession()
    const now = rig.clock.now()
    const { sub, sid } = session
    await rig.store.revoke({
      selector: { kind: 'session', sid },
      reason: 'administrator',
      actor: { kind: 'operator', id: 'olga' },
      now,
    })
    await rig.store.revoke({
      selector: { kind: 'subject', sub },
      reason: 'signed_out_everywhere',
      actor: { kind: 'user', id: sub },
      now,
    })
    await rig.store.revoke({
      selector: { kind: 'everything' },
      reason: 'restored',
      actor: { kind: 'broker', id: 'restore' },
      now,
    })
    await cmb('test', id)
    await expect.poll(() => receiver.requests).toHaveLength(4)
    const bodies = receiver.requests
      .map((request) => verified(secret, request))
      .toSorted((a, b) => Number(a.position) - Number(b.position))
    expect(bodies.map(({ type, position, endpoint_id }) => [type, position, endpoint_id])).toEqual([
      ['revocation.by_operator', 1, id],
      ['user.signed_out_everywhere', 2, id],
      ['revocation.wide', 3, id],
      ['webhook.test', 4, id],
    ])
    for (const body of bodies)
      expect([validates(body), validates.errors, body]).toEqual([true, null, body])
    await expect
      .poll(async () =>
        (await rig.store.deliveryCounts()).find((deliveryCount) => deliveryCount.clientId === id),
      )
      .toMatchObject({ state: 'delivered', count: 4 })
  })

  test('tell of a revocation through the admin API by a client, as of one by an operator', async () => {
    const { rig, receiver, add } = await world()
    await withWorkers(rig)
    await add('revocation.by_operator')
    const robot = await rig.register('Robot', {
      grants: ['client_credentials'],
      redirectUris: [],
      scopes: ['broker:administer'],
    })
    const form = { grant_type: 'client_credentials', scope: 'broker:administer' }
    const token = (await (
      await rig.post('/token', form, { authorization: robot.basic })
    ).json()) as { access_token: string }
    const { session } = await rig.openSession()
    await rig.opsApp.request('http://localhost:7401/admin/v1/revocations', {
      method: 'POST',
      headers: {
        authorization: `Bearer ${token.access_token}`,
        'content-type': 'application/json',
      },
      body: JSON.stringify({ selector: { kind: 'session', sid: session.sid } }),
    })
    await expect.poll(() => receiver.requests).toHaveLength(1)
    expect(JSON.parse(receiver.requests[0]?.body ?? '')).toMatchObject({
      type: 'revocation.by_operator',
      data: { actor_kind: 'client', reason: 'administrator' },
    })
  })

  test('of every type are verified by a receiver, and fit the schema', async () => {
    const { rig, receiver, add, cmb } = await world()
    const { id, secret } = await add(...WEBHOOK_TYPES)
    await cmb(
      'change',
      id,
      ...WEBHOOK_SWITCHES.flatMap((webhookSwitch) => ['--include', webhookSwitch]),
    )
    await causeEachEvent(rig)
    await testEvent(rig, id)
    const { refs } = await rig.store.dueDeliveries({
      targetId: id,
      nowMs: rig.clock.nowMs(),
      limit: 100,
    })
    for (const ref of refs)
      expect(await attempt(rig.deps, ref)).toMatchObject({ outcome: 'delivered' })
    const bodies = receiver.requests.map((request) => verified(secret, request))
    expect(new Set(bodies.map(({ type }) => type))).toEqual(new Set(WEBHOOK_TYPES))
    for (const body of bodies)
      expect([validates(body), validates.errors, body]).toEqual([true, null, body])
  })

  test('keep their id and their bytes over retries and a redrive; each attempt has its own time', async () => {
    const { rig, receiver, add } = await world()
    const { id, secret } = await add('revocation.theft')
    receiver.answer = status(500)
    const ref = await testEvent(rig, id)
    expect(await attempt(rig.deps, ref)).toMatchObject({ outcome: 'failed' })
    rig.clock.advance(2)
    receiver.answer = status(410)
    expect(await attempt(rig.deps, { ...ref, attempt: 2 })).toMatchObject({
      outcome: 'rejected',
      failure: { cause: 'HTTP 410' },
    })
    receiver.answer = ok
    const [redriven] = await rig.store.redrive({ targetId: id })
    expect(await attempt(rig.deps, redriven ?? ref)).toMatchObject({ outcome: 'delivered' })
    const requests = receiver.requests
    expect(new Set(requests.map(({ headers }) => headers['webhook-id']))).toEqual(new Set([ref.id]))
    expect(new Set(requests.map(({ body }) => body)).size).toBe(1)
    expect(requests.map((request) => verified(secret, request).type)).toEqual([
      'webhook.test',
      'webhook.test',
      'webhook.test',
    ])
    expect(requests[0]?.headers['webhook-timestamp']).not.toBe(
      requests[1]?.headers['webhook-timestamp'],
    )
    expect((await rig.store.attemptsOf(ref.id)).map(({ jti }) => jti)).toEqual([
      ref.id,
      ref.id,
      ref.id,
    ])
  })

  test('are signed by the former secret too until its overlap ends', async () => {
    const { rig, receiver, add, cmb } = await world()
    const former = await add('revocation.theft')
    const { id } = former
    const { secret } = await cmb<Added>('rotate-secret', id, '--overlap', '60')
    const both = await testEvent(rig, id)
    await attempt(rig.deps, both)
    expect(
      receiver.requests.map((request) => [
        verified(secret, request).type,
        verified(former.secret, request).type,
      ]),
    ).toEqual([['webhook.test', 'webhook.test']])
    rig.clock.advance(61)
    await attempt(rig.deps, await testEvent(rig, id))
    const [, last] = receiver.requests
    expect(last === undefined ? undefined : verified(secret, last).type).toBe('webhook.test')
    expect(() => last && verified(former.secret, last)).toThrow(/No matching signature/)
  })

  test('are not sent to an endpoint that was disabled, and what was pending is closed', async () => {
    const { rig, receiver, add, cmb } = await world()
    const { id } = await add('revocation.theft')
    const [pending, failed] = [await testEvent(rig, id), await testEvent(rig, id)]
    receiver.answer = status(410)
    await attempt(rig.deps, failed)
    expect(receiver.requests).toHaveLength(1)
    expect(await cmb('change', id, '--disable', 'the receiver moves')).toMatchObject({
      state: 'disabled',
      cause: 'the receiver moves',
    })
    expect([await stateOf(rig, pending), await stateOf(rig, failed)]).toMatchObject([
      { state: 'closed' },
      { state: 'closed' },
    ])
    expect(await attempt(rig.deps, pending)).toEqual({ outcome: 'passed' })
    expect(receiver.requests).toHaveLength(1)
    expect(await cmb('change', id, '--enable')).toMatchObject({ state: 'enabled', cause: null })
  })

  test('follow no redirect, and of the answer only the status is kept', async () => {
    const { rig, receiver, add } = await world()
    const { id } = await add('revocation.theft')
    receiver.answer = status(307, 'the secret of the receiver', {
      location: `${receiver.url}/elsewhere`,
    })
    const ref = await testEvent(rig, id)
    expect(await attempt(rig.deps, ref)).toMatchObject({
      outcome: 'failed',
      failure: { cause: 'HTTP 307', address: new URL(receiver.url).origin },
    })
    expect(receiver.requests).toHaveLength(1)
    expect(await stateOf(rig, ref)).toMatchObject({ lastStatus: 307, lastError: 'HTTP 307' })
  })

  test.each([
    [
      'a private address',
      'https://10.0.0.7/hook',
      /10\.0\.0\.7 is a private address, and BROKER_WEBHOOK_PRIVATE_RANGES/,
    ],
    [
      'a metadata address',
      'https://169.254.169.254/latest',
      /169\.254\.169\.254 is a link-local, metadata or reserved address/,
    ],
    ['this machine', 'https://127.0.0.1:7401/admin/v1', /127\.0\.0\.1 is a loopback address/],
    ['plain http', 'http://siem.example/hook', /siem\.example is not https/],
  ])('never go to %s, unless the operator allows it', async (_what, url, cause) => {
    const webhookOutbound = createOutbound({
      allowLoopback: false,
      privateRanges: addressRanges(['10.9.0.0/16']),
    })
    onTestFinished(() => webhookOutbound.close())
    const { rig } = await world({ deps: { queue: new LocalQueue(), webhookOutbound } })
    const sealed = rig.deps.sealer.seal('webhook_endpoints/wh_1/secret_sealed', 'whsec_AAAA')
    const endpoint = {
      id: 'wh_1',
      url,
      events: [],
      include: [],
      secretSealed: sealed,
      state: 'enabled',
      position: 0,
      createdAt: 0,
      updatedAt: 0,
    } as const
    await rig.store.addWebhook({ ...endpoint, events: [], include: [] })
    expect((await attempt(rig.deps, await testEvent(rig, 'wh_1'))).failure?.cause).toMatch(cause)
  })

  test('cmb and the API reject an address that is not https, and unknown events', async () => {
    const { type, add, rig } = await world()
    const { config } = rig.deps
    expect(
      await type(['webhooks', 'add', 'http://siem.example/', '--event', 'revocation.wide']),
    ).toMatchObject({
      code: 1,
      err: expect.stringContaining('must be https') as string,
    })
    expect(
      await type(['webhooks', 'add', 'https://siem.example/', '--event', 'revocation.everything']),
    ).toMatchObject({ code: 2 })
    const { id } = await add('revocation.theft')
    config.allowLoopbackTargets = false
    for (const args of [
      ['add', 'http://127.0.0.1:7401/', '--event', 'revocation.wide'],
      ['change', id, '--address', 'http://127.0.0.1:7401/'],
    ])
      expect(await type(['webhooks', ...args])).toMatchObject({
        code: 1,
        err: expect.stringContaining('must be https') as string,
      })
    expect(await type(['webhooks', 'show', 'wh_none'])).toMatchObject({
      code: 1,
      err: expect.stringContaining('cmb webhooks list') as string,
    })
  })

  test('each act on an endpoint is in the audit log, without the secret', async () => {
    const { rig, add, cmb } = await world()
    const { id, secret } = await add('revocation.theft')
    const rotated = await cmb<Added>('rotate-secret', id, '--case', 'INC-4711')
    await cmb('change', id, '--event', 'revocation.wide', '--include', 'case_references')
    await cmb('remove', id)
    const entries = await rig.store.listAudit({ limit: 10 })
    expect(
      entries.map(({ act, target, ended }) => [act, target, ended?.outcome]).toReversed(),
    ).toEqual(
      ['add', 'rotate_secret', 'change', 'remove'].map((act) => [
        `webhook.${act}`,
        `webhook ${id}`,
        'done',
      ]),
    )
    expect(entries.find(({ act }) => act === 'webhook.change')?.details).toEqual({
      changed: {
        events: { before: ['revocation.theft'], after: ['revocation.wide'] },
        include: { before: [], after: ['case_references'] },
      },
    })
    for (const key of [secret, rotated.secret])
      expect(JSON.stringify([entries, rig.lines])).not.toContain(key.slice('whsec_'.length))
  })
})
