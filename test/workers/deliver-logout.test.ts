import type { ServerResponse } from 'node:http'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { decodeJwt, decodeProtectedHeader } from 'jose'
import type { Committed, Delivery, DeliveryRef } from '../../db/types.ts'
import { REASON_CLASSES, REASONS, type Reason } from '../../src/protocol/revocation.ts'
import { logoutTokens } from '../../src/outbox/logout-token.ts'
import { receiptOf } from '../../src/revocation/receipt.ts'
import { requestRevocation } from '../../src/revocation/revoke.ts'
import { MAX_ATTEMPTS } from '../../src/outbox/attempt.ts'
import { startWorkers } from '../../workers/start.ts'
import { createRig, type FakeClock, type Rig, type RigOptions } from '../rig.ts'
import { deliverLogout } from './attempt.ts'
import { signedIn as signedInAt } from '../token/tokens.ts'
import { DrivenQueue, LocalQueue } from './local-queue.ts'
import { ok, startReceiver, status, type Receiver } from './receiver.ts'

const DELIVERY: Delivery = {
  id: 'd',
  kind: 'logout_token',
  seq: 1,
  clientId: 'sydney',
  targetId: 't',
  uri: 'https://sydney.example',
  sid: 's_1',
  priority: 'urgent',
  state: 'pending',
  attempts: 0,
  createdAtMs: 0,
}
const ADMINISTRATOR = { kind: 'operator', id: 'olivia' } as const

async function broker(options: RigOptions = {}) {
  const queue = new LocalQueue()
  const rig = await createRig({ deps: { queue }, ...options })
  return { rig, queue }
}

/** Signs one user in at one instance. */
const signedIn = (rig: Rig, receiver: Receiver, changes: Parameters<Rig['register']>[1] = {}) =>
  signedInAt(rig, { logoutUris: [receiver.url], ...changes })

async function end(rig: Rig, sid: string): Promise<Committed> {
  const answer = await rig.deps.store.revoke({
    selector: { kind: 'session', sid },
    reason: 'signed_out',
    actor: { kind: 'user', id: 'u_1' },
    now: rig.clock.now(),
  })
  if (answer.outcome !== 'revoked') throw new Error(`not revoked: ${answer.outcome}`)
  return answer.committed
}

const only = (refs: readonly DeliveryRef[]): DeliveryRef => {
  expect(refs).toHaveLength(1)
  return refs[0] as DeliveryRef
}

const find = async (rig: Rig, ref: DeliveryRef) => {
  const delivery = await rig.deps.store.findDelivery(ref.id)
  if (delivery === undefined) throw new Error('no such delivery')
  return delivery
}

describe('a logout token (Back-Channel Logout 1.0 §2.4)', () => {
  test('holds what the specification asks for, sid alone, the seq of the log, and no nonce', async () => {
    const { rig } = await broker()
    const receiver = await startReceiver()
    const { session } = await signedIn(rig, receiver)
    const { pending, revocation } = await end(rig, session.sid)
    await deliverLogout(rig.deps, only(pending))
    const { iat, exp, jti, ...rest } = receiver.tokens[0] ?? {}
    expect(rest).toEqual({
      iss: rig.config.issuer,
      aud: 'sydney',
      events: { 'http://schemas.openid.net/event/backchannel-logout': {} },
      sid: session.sid,
      rev: revocation.seq,
      reason_class: 'signed_out',
    })
    expect(iat).toBe(rig.clock.now())
    expect(exp).toBe(rig.clock.now() + 120)
    expect(jti).toMatch(/^[\w-]{22}$/)
  })

  test('says of every reason its class and no more: security reasons read as ended elsewhere, so that an attacker learns nothing', async () => {
    const { rig } = await broker()
    const found: Record<string, Reason[]> = {}
    for (const reason of REASONS) {
      const { body } = await logoutTokens(rig.deps).mint({ ...DELIVERY, reason }, rig.clock.now())
      const claims = decodeJwt(new URLSearchParams(body).get('logout_token') ?? '')
      ;(found[String(claims.reason_class)] ??= []).push(reason)
      expect(claims.events).toEqual({ 'http://schemas.openid.net/event/backchannel-logout': {} })
    }
    expect(Object.keys(found).sort()).toEqual([...REASON_CLASSES].sort())
    expect(found.ended_elsewhere).toEqual(
      expect.arrayContaining([
        'refresh_token_reuse',
        'refresh_token_late',
        'code_reuse',
        'security_event',
        'reported_by_user',
        'microsoft_session_revoked',
        'microsoft_user_at_risk',
        'microsoft_password_changed',
      ]),
    )
    expect(found.signed_out).toEqual(['signed_out', 'token_revoked', 'microsoft_signed_out'])
    for (const reason of [
      'signed_out_remotely',
      'signed_out_everywhere',
      'replaced',
      'session_limit',
      'locked',
    ])
      expect(found[reason]).toEqual([reason])
  })

  test.each(['RS256', 'ES256'] as const)(
    'is signed with the algorithm of the ID tokens of the client: %s',
    async (idTokenAlg) => {
      const { rig } = await broker()
      const receiver = await startReceiver()
      const { session } = await signedIn(rig, receiver, { idTokenAlg })
      await deliverLogout(rig.deps, only((await end(rig, session.sid)).pending))
      const token = new URLSearchParams(receiver.requests[0]?.body).get('logout_token') ?? ''
      expect(decodeProtectedHeader(token)).toMatchObject({ alg: idTokenAlg, typ: 'logout+jwt' })
      expect(
        await rig.keys.verify(token, { typ: 'logout+jwt', now: rig.clock.now() }),
      ).toBeDefined()
    },
  )

  test('is the only parameter of a form that is posted (§2.5)', async () => {
    const { rig } = await broker()
    const receiver = await startReceiver()
    const { session } = await signedIn(rig, receiver)
    await deliverLogout(rig.deps, only((await end(rig, session.sid)).pending))
    const request = receiver.requests[0]
    expect(request?.method).toBe('POST')
    expect(request?.headers['content-type']).toBe('application/x-www-form-urlencoded')
    expect([...new URLSearchParams(request?.body).keys()]).toEqual(['logout_token'])
  })

  test('names the user, and no session, where the client is registered so', async () => {
    const { rig } = await broker()
    const receiver = await startReceiver()
    const { session } = await signedIn(rig, receiver, { logoutBy: 'sub' })
    await requestRevocation(rig.deps, {
      selector: { kind: 'subject', sub: session.sub },
      reason: 'signed_out_everywhere',
      actor: { kind: 'user', id: session.sub },
      now: rig.clock.now(),
    })
    const { pending } = await rig.deps.store.fanOutPending({ limit: 100 })
    await deliverLogout(rig.deps, only(pending))
    expect(receiver.tokens[0]).toMatchObject({ sub: session.sub })
    expect(receiver.tokens[0]).not.toHaveProperty('sid')
  })
})

describe('one attempt', () => {
  test('delivered: the proof is kept', async () => {
    const { rig } = await broker({ unannounced: true })
    const receiver = await startReceiver(status(204))
    const { session } = await signedIn(rig, receiver)
    const ref = only((await end(rig, session.sid)).pending)
    expect(await deliverLogout(rig.deps, ref)).toEqual({ outcome: 'delivered' })
    expect(await find(rig, ref)).toMatchObject({ state: 'delivered', attempts: 1, lastStatus: 204 })
    expect(await rig.deps.store.attemptsOf(ref.id)).toMatchObject([
      {
        attempt: 1,
        outcome: 'delivered',
        status: 204,
        jti: receiver.tokens[0]?.['jti'],
        atMs: rig.clock.nowMs(),
      },
    ])
    expect(await rig.metrics.registry.metrics()).toContain(
      'broker_delivery_attempts_total{client="sydney",outcome="delivered"} 1',
    )
  })

  test('ran twice, one after the other and at once: the instance gets one logout token', async () => {
    const { rig } = await broker({ unannounced: true })
    const receiver = await startReceiver()
    const { session } = await signedIn(rig, receiver)
    const ref = only((await end(rig, session.sid)).pending)
    const taken = await Promise.all([deliverLogout(rig.deps, ref), deliverLogout(rig.deps, ref)])
    expect(taken.map(({ outcome }) => outcome).sort()).toEqual(['delivered', 'passed'])
    expect(await deliverLogout(rig.deps, ref)).toEqual({ outcome: 'passed' })
    expect(receiver.tokens).toHaveLength(1)
  })

  test('rejected: 400 invalid_request settles it, visibly', async () => {
    const { rig, queue } = await broker({ unannounced: true })
    const receiver = await startReceiver(
      status(400, '{"error":"invalid_request"}', { 'content-type': 'application/json' }),
    )
    const { session } = await signedIn(rig, receiver)
    const ref = only((await end(rig, session.sid)).pending)
    expect(await deliverLogout(rig.deps, ref)).toMatchObject({
      outcome: 'rejected',
      failure: { client_id: 'sydney', cause: 'HTTP 400 invalid_request' },
    })
    expect(await find(rig, ref)).toMatchObject({ state: 'rejected', lastStatus: 400 })
    expect(queue.changes).toEqual([
      { seq: ref.seq, failure: 'sydney: attempt 1: HTTP 400 invalid_request' },
    ])
  })

  test('rejected in the 10 minutes after an emergency rotation: retried, because a receiver may keep the JWKS without the new key', async () => {
    const { rig } = await broker({ unannounced: true })
    const receiver = await startReceiver(
      status(400, '{"error":"invalid_request","error_description":"unknown kid"}'),
    )
    const { session } = await signedIn(rig, receiver)
    rig.clock.advance(3600)
    await rig.keys.rotate('RS256', 'emergency', rig.clock.now())
    const ref = only((await end(rig, session.sid)).pending)
    // The target answers, so that its breaker does not matter.
    expect(await deliverLogout(rig.deps, ref)).toEqual({ outcome: 'passed' })
    expect(await find(rig, ref)).toMatchObject({
      state: 'pending',
      attempts: 1,
      lastError: 'HTTP 400 invalid_request: unknown kid',
    })
    rig.clock.advance(600)
    expect(await deliverLogout(rig.deps, { ...ref, attempt: 2 })).toMatchObject({
      outcome: 'rejected',
      failure: { client_id: 'sydney', cause: 'HTTP 400 invalid_request' },
    })
  })

  test.each([
    ['a bare 400', status(400)],
    ['garbage', (response: ServerResponse) => void response.socket?.end('what is this')],
    ['a redirect', status(302, '', { location: 'http://127.0.0.1:1/' })],
    ['404', status(404)],
    ['500 with a page', status(500, '<html>'.repeat(5_000))],
    ['a connection that breaks', (response: ServerResponse) => void response.socket?.destroy()],
  ])(
    '%s: retried after a delay, with a jti of its own, and its revocation’s job hears of it',
    async (_what, answer) => {
      const { rig, queue } = await broker({ unannounced: true })
      const receiver = await startReceiver(answer)
      const { session } = await signedIn(rig, receiver)
      const ref = only((await end(rig, session.sid)).pending)
      expect(await deliverLogout(rig.deps, ref)).toMatchObject({ outcome: 'failed' })
      expect(await find(rig, ref)).toMatchObject({ state: 'pending', attempts: 1 })
      const [change] = queue.changes
      expect(change).toMatchObject({ seq: ref.seq })
      expect(change?.failure).toMatch(/^sydney: attempt 1: ./)
      const delayMs = ((await find(rig, ref)).nextAttemptAtMs ?? 0) - rig.clock.steadyMs()
      expect(delayMs).toBeGreaterThanOrEqual(375)
      expect(delayMs).toBeLessThanOrEqual(625)
      // No worker gets the delivery before its time.
      expect(await deliverLogout(rig.deps, { ...ref, attempt: 2 })).toEqual({ outcome: 'passed' })
      rig.clock.advance(1)
      receiver.answer = ok
      expect(await deliverLogout(rig.deps, { ...ref, attempt: 2 })).toEqual({
        outcome: 'delivered',
      })
      const [first, second] = receiver.tokens
      expect(second?.['jti']).not.toBe(first?.['jti'])
      expect(second?.['sid']).toBe(first?.['sid'])
    },
  )

  test('Retry-After is honored', async () => {
    const { rig } = await broker({ unannounced: true })
    const receiver = await startReceiver(status(429, '', { 'retry-after': '120' }))
    const { session } = await signedIn(rig, receiver)
    const ref = only((await end(rig, session.sid)).pending)
    expect(await deliverLogout(rig.deps, ref)).toMatchObject({
      outcome: 'failed',
      retryAfterSeconds: 120,
    })
    expect((await find(rig, ref)).nextAttemptAtMs).toBe(rig.clock.steadyMs() + 120_000)
  })

  test('the last attempt spent: dead, said in the log, and redrivable', async () => {
    const { rig } = await broker({ unannounced: true })
    const receiver = await startReceiver(status(503))
    const { session } = await signedIn(rig, receiver)
    const ref = only((await end(rig, session.sid)).pending)
    for (let attempt = 1; attempt <= MAX_ATTEMPTS; attempt++) {
      await deliverLogout(rig.deps, { ...ref, attempt })
      rig.clock.advance(2 * 86_400)
    }
    expect(await find(rig, ref)).toMatchObject({ state: 'failed', attempts: MAX_ATTEMPTS })
    expect(rig.lines.some((line) => line.includes('delivery_failed'))).toBe(true)
    const again = only(await rig.deps.store.redrive({ id: ref.id }))
    receiver.answer = ok
    expect(await deliverLogout(rig.deps, again)).toEqual({ outcome: 'delivered' })
  })

  test('a probe that fails is not an attempt; one that succeeds delivers', async () => {
    const { rig } = await broker({ unannounced: true })
    const receiver = await startReceiver(status(503))
    const { session } = await signedIn(rig, receiver)
    const ref = only((await end(rig, session.sid)).pending)
    for (let attempt = 1; attempt <= 9; attempt++) {
      await deliverLogout(rig.deps, { ...ref, attempt })
      rig.clock.advance(700)
    }
    const before = await find(rig, ref)
    rig.clock.advance(-700)
    const tenth = { ...ref, attempt: 10 }
    for (let i = 0; i < 5; i++)
      expect(await deliverLogout(rig.deps, tenth, 'probe')).toMatchObject({ outcome: 'failed' })
    expect(await find(rig, ref)).toEqual(before)
    receiver.answer = ok
    expect(await deliverLogout(rig.deps, tenth, 'probe')).toEqual({ outcome: 'delivered' })
  })

  test('an early attempt that fails brings forward what a clock wrong by 25 hours scheduled', async () => {
    const { rig } = await broker({ unannounced: true })
    const { session } = await signedIn(rig, await startReceiver(status(503)))
    const ref = only((await end(rig, session.sid)).pending)
    rig.clock.advance(25 * 3600)
    await deliverLogout(rig.deps, ref)
    rig.clock.advance(-25 * 3600)
    const second = { ...ref, attempt: 2 }
    expect(await deliverLogout(rig.deps, second, 'early')).toMatchObject({ outcome: 'failed' })
    const { nextAttemptAtMs = 0, attempts } = await find(rig, ref)
    expect(nextAttemptAtMs - rig.clock.steadyMs()).toBeLessThan(2_000)
    expect(attempts).toBe(1)
  })

  test('killed between the POST and the record: delivered again, with a jti that the instance has not seen', async () => {
    const { rig } = await broker({ unannounced: true })
    const receiver = await startReceiver()
    const { session } = await signedIn(rig, receiver)
    const ref = only((await end(rig, session.sid)).pending)
    const dying = {
      ...rig.deps,
      store: Object.create(rig.deps.store, {
        recordDelivery: { value: () => Promise.reject(new Error('killed')) },
      }) as typeof rig.deps.store,
    }
    await expect(deliverLogout(dying, ref)).rejects.toThrow('killed')
    expect(receiver.tokens).toHaveLength(1)
    // The relay does not find the row while the lease lasts, and finds it once the lease has
    // expired.
    expect(
      await rig.deps.store.dueDeliveries({
        targetId: ref.targetId,
        nowMs: rig.clock.nowMs(),
        limit: 10,
      }),
    ).toMatchObject({ refs: [] })
    rig.clock.advance(30)
    expect(
      await rig.deps.store.dueDeliveries({
        targetId: ref.targetId,
        nowMs: rig.clock.nowMs(),
        limit: 10,
      }),
    ).toMatchObject({ refs: [ref] })
    expect(await deliverLogout(rig.deps, ref)).toEqual({ outcome: 'delivered' })
    expect(new Set(receiver.tokens.map((token) => token['jti'])).size).toBe(2)
  })

  test('by sub, a user who has signed in there again since: each session that was revoked gets its token, and the new one none', async () => {
    const { rig, queue } = await broker({ unannounced: true })
    const receiver = await startReceiver(status(503))
    const { session, client } = await signedIn(rig, receiver, { logoutBy: 'sub' })
    const browsers = [session.sid, (await rig.openSession()).session.sid]
    await rig.signInAt(browsers[1] ?? '', client)
    await requestRevocation(rig.deps, {
      selector: { kind: 'subject', sub: session.sub },
      reason: 'signed_out_everywhere',
      actor: { kind: 'user', id: session.sub },
      now: rig.clock.now(),
    })
    const { pending } = await rig.deps.store.fanOutPending({ limit: 100 })
    const ref = only(pending)
    expect(await deliverLogout(rig.deps, ref)).toMatchObject({ outcome: 'failed' })
    await rig.signInAt((await rig.openSession()).session.sid, client)
    receiver.answer = ok
    rig.clock.advance(1)
    queue.sent.length = 0
    expect(await deliverLogout(rig.deps, { ...ref, attempt: 2 })).toEqual({ outcome: 'passed' })
    expect(await rig.deps.store.attemptsOf(ref.id)).toMatchObject([
      { outcome: 'retry' },
      { outcome: 'superseded' },
    ])
    for (const deliveryRef of queue.sent)
      expect(await deliverLogout(rig.deps, deliveryRef)).toEqual({ outcome: 'delivered' })
    expect(receiver.tokens.slice(1).map(({ sub, sid }) => sub ?? sid)).toEqual(browsers.toSorted())
  })

  test('a client that has been removed still gets its logout tokens', async () => {
    const { rig } = await broker({ unannounced: true })
    const receiver = await startReceiver()
    const { session } = await signedIn(rig, receiver, { idTokenAlg: 'ES256' })
    const ref = only((await end(rig, session.sid)).pending)
    await rig.deps.store.removeClient({
      clientId: 'sydney',
      source: 'any',
      actor: ADMINISTRATOR,
      now: rig.clock.now(),
    })
    await rig.clients.reload()
    expect(await deliverLogout(rig.deps, ref)).toEqual({ outcome: 'delivered' })
    expect(receiver.tokens[0]).toMatchObject({ aud: 'sydney' })
  })
})

/** The rig's clock moves with the wall's, `times` as fast. */
function run(clock: FakeClock, times = 1): void {
  let last = performance.now()
  const timer = setInterval(() => {
    const now = performance.now()
    clock.advance(((now - last) / 1000) * times)
    last = now
  }, 20)
  onTestFinished(() => clearInterval(timer))
}

async function working(rig: Rig) {
  const workers = await startWorkers(rig.deps)
  onTestFinished(() => workers.drain())
  return workers
}

const delivered = (receiver: Receiver, count: number) =>
  vi.waitFor(() => expect(receiver.tokens.length).toBeGreaterThanOrEqual(count), {
    timeout: 60_000,
    interval: 20,
  })

describe('the workers', () => {
  test('what is announced is delivered at once, although the queue is down', async () => {
    const { rig } = await broker()
    const receiver = await startReceiver()
    const { session } = await signedIn(rig, receiver)
    await working(rig)
    await end(rig, session.sid)
    await delivered(receiver, 1)
  })

  test('what was not announced is found by the relay at start', async () => {
    const { rig } = await broker({ unannounced: true })
    const receiver = await startReceiver()
    const { session } = await signedIn(rig, receiver)
    await end(rig, session.sid)
    await working(rig)
    await delivered(receiver, 1)
  })

  test('sign-out everywhere: the cutoff is one row, and the worker writes and delivers a logout token for each session', async () => {
    const { rig } = await broker()
    const receiver = await startReceiver()
    const { session, client } = await signedIn(rig, receiver)
    const sids = [session.sid]
    for (let i = 0; i < 4; i++) {
      const more = await rig.openSession()
      await rig.signInAt(more.session.sid, client)
      sids.push(more.session.sid)
    }
    await working(rig)
    await requestRevocation(rig.deps, {
      selector: { kind: 'subject', sub: session.sub },
      reason: 'signed_out_everywhere',
      actor: { kind: 'user', id: session.sub },
      now: rig.clock.now(),
    })
    await delivered(receiver, 5)
    expect(receiver.tokens.map((token) => token['sid']).sort()).toEqual(sids.sort())
  })

  test('everything is revoked: the receipt keeps when the last logout token was answered, whether or not anyone reads it', async () => {
    const rig = await createRig({ deps: { queue: new DrivenQueue() } })
    const held: ServerResponse[] = []
    const receivers = [
      await startReceiver(),
      await startReceiver((response) => void held.push(response)),
    ]
    const clients = [
      await rig.register('Sydney', { logoutUris: [receivers[0]?.url ?? ''] }),
      await rig.register('Perth', { logoutUris: [receivers[1]?.url ?? ''] }),
      await rig.register('Darwin', { logoutUris: [], ownSessions: 'guard' }),
    ]
    for (let user = 0; user < 3; user++) {
      const { session } = await rig.openSession()
      for (const client of clients) await rig.signInAt(session.sid, client)
    }
    const streams = clients.flatMap(({ clientId }) =>
      ['web-1', 'web-2', 'web-3'].map((guardId) => ({ clientId, guardId })),
    )
    for (const of of streams) {
      const stream = `${of.clientId} ${of.guardId}`
      await rig.feed.leases.open({ ...of, stream, sessions: of.clientId === 'darwin' })
    }
    const { epoch } = await rig.store.head()
    const report = (enforcedSeq: number) =>
      rig.store.recordEnforced(
        ...streams.map(({ clientId, guardId }) => ({
          clientId,
          guardId,
          epoch,
          enforcedSeq,
          streams: [`${clientId} ${guardId}`],
          reportedAtMs: rig.clock.nowMs(),
        })),
      )
    const everything = () =>
      requestRevocation(rig.deps, {
        selector: { kind: 'everything' },
        reason: 'administrator',
        actor: ADMINISTRATOR,
        now: rig.clock.now(),
      })
    const states = async () =>
      (await receiptOf(rig.deps, 1))?.participants.map(({ tokens, sessions }) => [
        tokens.state,
        tokens.by,
        sessions.state,
        sessions.by,
      ])
    await working(rig)
    await everything()
    await report(1)
    await vi.waitFor(() => expect([receivers[0]?.tokens.length, held.length]).toEqual([3, 3]), {
      timeout: 60_000,
    })
    const byReport = ['confirmed', 'report']
    const pending = [...byReport, 'not_bounded', undefined]
    // While one logout token of any instance is pending, it is not known which were answered.
    expect(await states()).toEqual([[...byReport, ...byReport], pending, pending])

    rig.clock.advance(2)
    const at = rig.clock.nowMs()
    for (const response of held) ok(response)
    const kept = async () => (await rig.store.receiptRows([1]))[0]?.kept ?? []
    await vi.waitFor(
      async () =>
        expect((await kept()).filter(({ sessionsBy }) => sessionsBy === 'logout_token')).toEqual([
          expect.objectContaining({ clientId: 'perth', sessionsAtMs: at }),
          expect.objectContaining({ clientId: 'sydney', sessionsAtMs: at }),
        ]),
      { timeout: 60_000, interval: 20 },
    )
    // A row for each instance: none for its guards, sessions or logout tokens.
    expect(await kept()).toHaveLength(clients.length)

    const first = await receiptOf(rig.deps, 1)
    rig.clock.advance(600)
    await everything()
    await report(2)
    expect(await receiptOf(rig.deps, 1)).toEqual(first)
    const answered = [...byReport, 'confirmed', 'logout_token']
    expect(await states()).toEqual([[...byReport, ...byReport], answered, answered])
  })

  test('a session that has expired ends as any other: the instance gets a logout token', async () => {
    const { rig } = await broker()
    const receiver = await startReceiver()
    const { session } = await signedIn(rig, receiver)
    rig.clock.advance(9 * 3600)
    await working(rig)
    await delivered(receiver, 1)
    expect(receiver.tokens[0]).toMatchObject({ sid: session.sid })
  })

  test('an instance that was down for hours gets all that is pending soon after its return, not at the end of a backoff', async () => {
    const { rig } = await broker()
    const receiver = await startReceiver()
    const { session, client } = await signedIn(rig, receiver)
    const second = await rig.openSession()
    await rig.signInAt(second.session.sid, client)
    await receiver.goDown()
    for (const { sid } of [session, second.session]) {
      const ref = only((await end(rig, sid)).pending)
      for (let attempt = 1; attempt <= 11; attempt++) {
        await deliverLogout(rig.deps, { ...ref, attempt })
        rig.clock.advance(4 * 3600)
      }
      // The next attempt is hours away.
      rig.clock.advance(-4 * 3600)
    }
    await working(rig)
    run(rig.clock, 5)
    await vi.waitFor(() => expect(rig.deps.queue.targets()).toMatchObject([{ breaker: 'open' }]), {
      timeout: 20_000,
    })
    await receiver.comeBack()
    await delivered(receiver, 2)
    await expect
      .poll(() => rig.deps.queue.targets())
      .toMatchObject([{ breaker: 'closed', waiting: 0, running: 0 }])
  })

  test('one that hangs delays no other', async () => {
    const { rig } = await broker()
    let most = 0
    const hanging = await startReceiver(
      () => void (most = Math.max(most, ...rig.deps.queue.targets().map(({ running }) => running))),
    )
    const healthy = await startReceiver()
    const sydney = await rig.register('Sydney', { logoutUris: [hanging.url] })
    const melbourne = await rig.register('Melbourne', { logoutUris: [healthy.url] })
    const sids: string[] = []
    for (let i = 0; i < 30; i++) {
      const { session } = await rig.openSession()
      for (const client of [sydney, melbourne]) await rig.signInAt(session.sid, client)
      sids.push(session.sid)
    }
    await working(rig)
    for (const sid of sids) await end(rig, sid)
    await delivered(healthy, 30)
    const counts = await rig.deps.store.deliveryCounts()
    expect(counts.filter(({ clientId }) => clientId === 'sydney')).toMatchObject([
      { state: 'pending', count: 30 },
    ])
    expect(most).toBe(8)
    await hanging.goDown()
  })

  test('the clock is set back or forward by an hour: what is pending and what is revoked then is delivered without delay', async () => {
    const { rig } = await broker()
    const receiver = await startReceiver()
    const { session, client } = await signedIn(rig, receiver)
    const more = [await rig.openSession(), await rig.openSession()]
    for (const other of more) await rig.signInAt(other.session.sid, client)
    receiver.answer = status(503)
    await working(rig)
    run(rig.clock)
    await end(rig, session.sid)
    await expect.poll(() => receiver.requests).toHaveLength(1)
    receiver.answer = ok
    for (const [i, { session: next }] of more.entries()) {
      rig.clock.step(i === 0 ? -3600 : 7200)
      await end(rig, next.sid)
    }
    await expect
      .poll(() => rig.deps.store.deliveryCounts())
      .toMatchObject([{ state: 'delivered', count: 3 }])
  })

  test('drain: what is under way finishes, what waited is left in the store for the next', async () => {
    const { rig } = await broker()
    const answers: (() => void)[] = []
    const receiver = await startReceiver((response) => void answers.push(() => ok(response)))
    const client = await rig.register('Sydney', { logoutUris: [receiver.url] })
    const sids: string[] = []
    for (let i = 0; i < 12; i++) {
      const { session } = await rig.openSession()
      await rig.signInAt(session.sid, client)
      sids.push(session.sid)
    }
    const workers = await startWorkers(rig.deps)
    for (const sid of sids) await end(rig, sid)
    await delivered(receiver, 8)
    const drained = workers.drain()
    for (const answer of answers) answer()
    await drained
    expect(receiver.tokens).toHaveLength(8)
    expect(
      (await rig.deps.store.deliveryCounts()).map(({ state, count }) => [state, count]).sort(),
    ).toEqual([
      ['delivered', 8],
      ['pending', 4],
    ])
    receiver.answer = ok
    await working(rig)
    await delivered(receiver, 12)
  })
})
