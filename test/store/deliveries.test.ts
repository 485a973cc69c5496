import { describe, expect, test } from 'vitest'
import type { AttemptResult } from '../../db/types.ts'
import { benches, expectOutcome, STORES, T0, TENANT, type Bench } from './fixture.ts'

const MS = T0 * 1000
const DAY_MS = 86_400_000

/** Ends a session at `clients`. Returns the deliveries that are then pending. */
async function pending(b: Bench, ...clients: string[]) {
  for (const clientId of clients) await b.client(clientId)
  const { session } = await b.signIn('alice')
  for (const clientId of clients) await b.exchange(session.sid, clientId)
  const { committed } = expectOutcome(
    await b.revoke({ kind: 'session', sid: session.sid }),
    'revoked',
  )
  return committed.pending
}

const first = async (b: Bench) =>
  (await pending(b, 'sydney'))[0] ?? { id: '', attempt: 0, targetId: '' }

const done = (
  attempt: number,
  outcome: 'delivered' | 'rejected' | 'failed' | 'superseded',
  atMs = MS,
): AttemptResult => ({
  outcome,
  attempt: { attempt, atMs, outcome, status: 200, latencyMs: 12, jti: `jti-${attempt}` },
})
const retry = (attempt: number, nextAttemptAtMs: number): AttemptResult => ({
  outcome: 'retry',
  nextAttemptAtMs,
  attempt: {
    attempt,
    atMs: MS,
    outcome: 'retry',
    status: 503,
    latencyMs: 12,
    error: 'answered 503',
  },
})

describe.each(STORES)('deliveries, on %s', (_name, make) => {
  const open = benches(make)

  test('one attempt is leased to one worker, also of two at once, until its time is over', async () => {
    const b = await open()
    const { id } = await first(b)
    const lease = (nowMs: number) =>
      b.store.leaseDelivery({ id, attempt: 1, nowMs, untilMs: nowMs + 10_000 })
    const both = await Promise.all([lease(MS), lease(MS)])
    expect(both.map(({ outcome }) => outcome).toSorted()).toEqual(['leased', 'taken'])
    expect(
      expectOutcome(both.find(({ outcome }) => outcome === 'leased') ?? both[0], 'leased'),
    ).toMatchObject({
      endsNewer: false,
      delivery: { id, attempts: 0 },
    })
    expect(await b.due(MS)).toEqual([])
    // The worker was killed, so that the same attempt is due again.
    expect(await b.due(MS + 10_000)).toMatchObject([{ id, attempt: 1 }])
    expect((await lease(MS + 10_000)).outcome).toBe('leased')
  })

  test('a worker whose clock is a day ahead and that dies holds a delivery no longer than any other', async () => {
    const b = await open()
    const { id } = await first(b)
    const lease = async (nowMs: number) =>
      (await b.store.leaseDelivery({ id, attempt: 1, nowMs, untilMs: nowMs + 15_000 })).outcome
    // The clocks of two machines may differ by so little.
    expect(await lease(MS + 30_000)).toBe('leased')
    expect([await b.due(MS), await lease(MS)]).toEqual([[], 'taken'])
    expect(await lease(MS + DAY_MS)).toBe('leased')
    expect(await b.due(MS)).toMatchObject([{ id, attempt: 1 }])
    expect(await lease(MS)).toBe('leased')
  })

  test('only the attempt that comes next is leased, when it is due, and not one that is settled', async () => {
    const b = await open()
    const { id } = await first(b)
    const lease = async (attempt: number, nowMs: number, early = false) =>
      (await b.store.leaseDelivery({ id, attempt, nowMs, untilMs: nowMs + 1000, early })).outcome
    expect(await lease(2, MS)).toBe('not_due')
    expect(await b.store.recordDelivery({ id, result: retry(1, MS + 60_000) })).toBe(true)
    expect(await lease(1, MS + 60_000)).toBe('not_due')
    expect(await lease(2, MS + 30_000)).toBe('not_due')
    expect(await lease(2, MS + 30_000, true)).toBe('leased')
    expect(await lease(2, MS + 60_000)).toBe('leased')
    await b.store.recordDelivery({ id, result: done(2, 'delivered') })
    expect(await lease(3, MS + 60_000)).toBe('settled')
    expect(
      (await b.store.leaseDelivery({ id: 'none', attempt: 1, nowMs: MS, untilMs: MS })).outcome,
    ).toBe('unknown')
  })

  test('an attempt is recorded once, and a delivered row never changes its state', async () => {
    const b = await open()
    const { id } = await first(b)
    const both = await Promise.all([
      b.store.recordDelivery({ id, result: done(1, 'delivered') }),
      b.store.recordDelivery({ id, result: retry(1, MS) }),
    ])
    expect(both).toEqual([true, false])
    expect(await b.store.recordDelivery({ id, result: done(2, 'failed') })).toBe(false)
    expect(await b.store.findDelivery(id)).toMatchObject({
      state: 'delivered',
      attempts: 1,
      lastStatus: 200,
      settledAtMs: MS + 12,
      nextAttemptAtMs: undefined,
    })
    expect(await b.store.redrive({ id })).toEqual([])
  })

  test('each attempt leaves its proof', async () => {
    const b = await open()
    const { id } = await first(b)
    await b.store.recordDelivery({ id, result: retry(1, MS + 500) })
    expect(await b.store.findDelivery(id)).toMatchObject({
      state: 'pending',
      attempts: 1,
      nextAttemptAtMs: MS + 500,
      lastStatus: 503,
      lastError: 'answered 503',
    })
    await b.store.recordDelivery({ id, result: done(2, 'delivered', MS + 600) })
    expect(await b.store.attemptsOf(id)).toEqual([
      {
        attempt: 1,
        atMs: MS,
        outcome: 'retry',
        status: 503,
        latencyMs: 12,
        jti: undefined,
        error: 'answered 503',
      },
      {
        attempt: 2,
        atMs: MS + 600,
        outcome: 'delivered',
        status: 200,
        latencyMs: 12,
        jti: 'jti-2',
        error: undefined,
      },
    ])
  })

  test('a lease given back is due when its giver says, the attempt not counted', async () => {
    const b = await open()
    const { id } = await first(b)
    await b.store.leaseDelivery({ id, attempt: 1, nowMs: MS, untilMs: MS + 60_000 })
    await b.store.releaseDelivery({ id, attempt: 1, nextAttemptAtMs: MS + 5000 })
    expect(await b.due(MS + 4999)).toEqual([])
    const { targetId } = (await b.store.findDelivery(id)) ?? { targetId: '' }
    expect(await b.store.earlyDeliveries({ targetId, nowMs: MS, limit: 10 })).toMatchObject({
      refs: [{ id, attempt: 1 }],
    })
    expect(await b.due(MS + 5000)).toMatchObject([{ id, attempt: 1 }])
    await b.store.recordDelivery({ id, result: done(1, 'delivered') })
    await b.store.releaseDelivery({ id, attempt: 2, nextAttemptAtMs: MS })
    expect(await b.store.findDelivery(id)).toMatchObject({ state: 'delivered' })
  })

  test('what is due to a target comes in the order in which it became due, in pages', async () => {
    const b = await open()
    const refs = [
      ...(await pending(b, 'sydney')),
      ...(await pending(b, 'sydney')),
      ...(await pending(b, 'sydney')),
    ]
    const [x, y, z] = refs.map(({ id }) => id)
    await b.store.recordDelivery({ id: x ?? '', result: retry(1, MS + 300) })
    await b.store.recordDelivery({ id: y ?? '', result: retry(1, MS + 100) })
    const targetId = refs[0]?.targetId ?? ''
    expect((await b.due(MS + 300)).map(({ id }) => id)).toEqual([z, y, x])
    expect(await b.store.dueDeliveries({ targetId, nowMs: MS + 300, limit: 1 })).toMatchObject({
      refs: [{ id: z, attempt: 1 }],
      more: true,
    })
    expect(await b.store.dueDeliveries({ targetId, nowMs: MS + 300, limit: 10 })).toMatchObject({
      more: false,
    })
    expect(await b.store.pendingTargetIds()).toEqual([targetId])
  })

  test('urgent ones come first, then as many of each wide revocation, then what expired: no revocation waits for another', async () => {
    const b = await open()
    await b.client('sydney')
    const signIn = async (who: string, tid = TENANT) => {
      const { session } = await b.signIn(who, { tid })
      await b.exchange(session.sid, 'sydney')
      return session
    }
    for (let i = 0; i < 8; i++) await signIn(`large-${i}`)
    const small = await signIn('small', '99999999-2222-4333-8444-555555555555')
    await b.revoke({ kind: 'tenant', tid: TENANT })
    await b.revoke({ kind: 'tenant', tid: '99999999-2222-4333-8444-555555555555' })
    await b.fanOutAll()
    await signIn('late')
    b.now += 9 * 3600
    await b.store.expireSessions({ now: b.now, limit: 10 })
    const user = await signIn('alice')
    const end = expectOutcome(await b.revoke({ kind: 'session', sid: user.sid }), 'revoked')
    const targetId = end.committed.pending[0]?.targetId ?? ''
    const page = await b.store.dueDeliveries({ targetId, nowMs: b.now * 1000, limit: 3 })
    expect(page.more).toBe(true)
    expect(page.refs.map(({ priority, seq }) => `${priority} ${seq}`)).toEqual([
      'urgent 4',
      'bulk 1',
      'bulk 1',
      'bulk 1',
      'bulk 2',
      'background 3',
    ])
    expect(await b.store.findDelivery(page.refs[4]?.id ?? '')).toMatchObject({ sid: small.sid })
  })

  test('what is not yet due to a target is read in pages, each once', async () => {
    const b = await open()
    const refs = [
      ...(await pending(b, 'sydney')),
      ...(await pending(b, 'sydney')),
      ...(await pending(b, 'perth')),
    ]
    for (const { id } of refs)
      await b.store.recordDelivery({ id, result: retry(1, MS + 3_600_000) })
    expect(await b.store.pendingTargets()).toMatchObject([
      { clientId: expect.any(String), pending: expect.any(Number), oldestAtMs: MS },
      { oldestAtMs: MS },
    ])
    const sydney = (await b.store.pendingTargets()).find(({ clientId }) => clientId === 'sydney')
    expect(sydney).toMatchObject({ pending: 2, uri: 'https://sydney.example/backchannel' })
    const input = { targetId: sydney?.targetId ?? '', nowMs: MS + 1000, limit: 1 }
    const page = await b.store.earlyDeliveries(input)
    const rest = await b.store.earlyDeliveries({ ...input, limit: 10, after: page.next })
    expect(rest.next).toBeUndefined()
    const sydneys = refs.filter(({ targetId }) => targetId === sydney?.targetId)
    expect([...page.refs, ...rest.refs].map(({ id }) => id).toSorted()).toEqual(
      sydneys.map(({ id }) => id).toSorted(),
    )
    expect((await b.store.earlyDeliveries({ ...input, nowMs: MS + 3_600_000 })).refs).toEqual([])
  })

  test('a pending one is tried now: it is due, its attempts go on, and no other delivery is touched', async () => {
    const b = await open()
    const [sydney, perth] = await pending(b, 'sydney', 'perth').then((refs) =>
      refs.toSorted((a, z) => a.id.localeCompare(z.id)),
    )
    const later = MS + 3_600_000
    for (const ref of [sydney, perth])
      await b.store.recordDelivery({ id: ref?.id ?? '', result: retry(1, later) })
    expect(await b.due(MS)).toEqual([])
    expect(await b.store.tryNow({ id: sydney?.id ?? '' })).toEqual({ ...sydney, attempt: 2 })
    expect((await b.due(MS)).map(({ id }) => id)).toEqual([sydney?.id])
    expect(await b.store.findDelivery(perth?.id ?? '')).toMatchObject({
      attempts: 1,
      nextAttemptAtMs: later,
    })
    await b.store.recordDelivery({ id: sydney?.id ?? '', result: done(2, 'delivered') })
    expect([
      await b.store.tryNow({ id: sydney?.id ?? '' }),
      await b.store.tryNow({ id: 'none' }),
    ]).toEqual([undefined, undefined])
  })

  test('failed and rejected ones stay visible and are redriven, by one, by target or by client; attempts count from zero', async () => {
    const b = await open()
    const [sydney, perth] = await pending(b, 'sydney', 'perth').then((refs) =>
      refs.toSorted((a, z) => a.id.localeCompare(z.id)),
    )
    await b.store.recordDelivery({ id: sydney?.id ?? '', result: done(1, 'failed') })
    await b.store.recordDelivery({ id: perth?.id ?? '', result: done(1, 'rejected') })
    expect(await b.due(MS)).toEqual([])
    expect(await b.store.listDeliveries({ state: 'failed', limit: 10 })).toMatchObject([
      { id: sydney?.id, settledAtMs: MS + 12 },
    ])
    expect(await b.store.redrive({ id: 'none' })).toEqual([])
    expect(await b.store.redrive({ targetId: sydney?.targetId })).toEqual([
      { ...sydney, attempt: 1 },
    ])
    const both = await Promise.all([b.store.redrive({}), b.store.redrive({})])
    expect(both.flat()).toMatchObject([{ id: perth?.id, attempt: 1 }])
    expect(await b.store.findDelivery(sydney?.id ?? '')).toMatchObject({
      state: 'pending',
      attempts: 0,
      nextAttemptAtMs: MS,
      settledAtMs: undefined,
    })
    expect(
      (
        await b.store.leaseDelivery({
          id: sydney?.id ?? '',
          attempt: 1,
          nowMs: MS + 50,
          untilMs: MS + 60,
        })
      ).outcome,
    ).toBe('leased')
  })

  test('of two revocations in one millisecond, the failed ones of one are listed and redriven', async () => {
    const b = await open()
    const [deliveryRef] = await pending(b, 'sydney', 'hobart')
    const [other] = await pending(b, 'perth')
    for (const ref of [deliveryRef, other])
      await b.store.recordDelivery({ id: ref?.id ?? '', result: done(1, 'failed') })
    expect((await b.store.findDelivery(other?.id ?? ''))?.createdAtMs).toBe(
      (await b.store.findDelivery(deliveryRef?.id ?? ''))?.createdAtMs,
    )
    const failed = { seq: deliveryRef?.seq ?? 0, state: 'failed', limit: 10 } as const
    expect(await b.store.listDeliveries(failed)).toMatchObject([{ id: deliveryRef?.id }])
    expect(await b.store.redrive({ seq: 99 })).toEqual([])
    expect(await b.store.redrive({ seq: deliveryRef?.seq })).toEqual([
      { ...deliveryRef, attempt: 1 },
    ])
    expect(await b.store.findDelivery(other?.id ?? '')).toMatchObject({ state: 'failed' })
  })

  test('pending, rejected and failed ones are closed with a reason, which is part of their proof; nothing is sent after that', async () => {
    const b = await open()
    const [waiting, rejected, told] = await pending(b, 'sydney', 'perth', 'hobart').then((refs) =>
      refs.map(({ id }) => id),
    )
    await b.store.recordDelivery({ id: rejected ?? '', result: done(1, 'rejected') })
    await b.store.recordDelivery({ id: told ?? '', result: done(1, 'delivered') })
    expect(
      await b.store.closeDeliveries({ id: told ?? '', reason: 'the instance is gone' }),
    ).toHaveLength(0)
    expect(await b.store.closeDeliveries({ reason: 'the instance is gone' })).toHaveLength(2)
    for (const id of [waiting ?? '', rejected ?? '']) {
      expect(await b.store.findDelivery(id)).toMatchObject({
        state: 'closed',
        settledAtMs: MS,
        nextAttemptAtMs: undefined,
      })
      expect((await b.store.attemptsOf(id)).at(-1)).toMatchObject({
        outcome: 'closed',
        error: 'the instance is gone',
        atMs: MS,
      })
    }
    expect(await b.due(MS)).toEqual([])
    expect(await b.store.pendingTargetIds()).toEqual([])
    expect(
      (await b.store.leaseDelivery({ id: waiting ?? '', attempt: 1, nowMs: MS, untilMs: MS }))
        .outcome,
    ).toBe('settled')
    expect(await b.store.redrive({})).toEqual([])
    expect(
      (await b.store.deliveryCounts()).map(({ state, count }) => [state, count]).toSorted(),
    ).toEqual([
      ['closed', 1],
      ['closed', 1],
      ['delivered', 1],
    ])
  })

  test('closed while an attempt was under way: that it was delivered is recorded, that it failed is not a reason to go on', async () => {
    const b = await open()
    const [x, y] = await pending(b, 'sydney', 'perth').then((refs) => refs.map(({ id }) => id))
    for (const id of [x ?? '', y ?? ''])
      await b.store.leaseDelivery({ id, attempt: 1, nowMs: MS, untilMs: MS + 1000 })
    await b.store.closeDeliveries({ reason: 'wrong address' })
    expect(await b.store.recordDelivery({ id: x ?? '', result: done(1, 'delivered') })).toBe(true)
    expect(await b.store.recordDelivery({ id: y ?? '', result: retry(1, MS + 500) })).toBe(false)
    expect(await b.store.findDelivery(x ?? '')).toMatchObject({ state: 'delivered' })
    expect(await b.store.findDelivery(y ?? '')).toMatchObject({ state: 'closed' })
  })

  test('they are counted by client and state, with the oldest that is pending, and listed newest first', async () => {
    const b = await open()
    const refs = await pending(b, 'sydney', 'perth')
    b.now += 10
    await pending(b, 'sydney')
    const sydney = (await b.store.listDeliveries({ clientId: 'sydney', limit: 10 })).map(
      ({ id }) => id,
    )
    expect(sydney).toHaveLength(2)
    expect(await b.store.listDeliveries({ clientId: 'sydney', limit: 1 })).toMatchObject([
      { createdAtMs: MS + 10_000 },
    ])
    expect(await b.store.listDeliveries({ limit: 10 })).toHaveLength(3)
    expect(
      await b.store.listDeliveries({ seq: 1, clientId: 'perth', state: 'pending', limit: 10 }),
    ).toHaveLength(1)
    await b.store.recordDelivery({
      id: refs.find(({ id }) => sydney.includes(id))?.id ?? '',
      result: done(1, 'delivered'),
    })
    expect(await b.store.deliveryCounts()).toEqual([
      { clientId: 'perth', state: 'pending', count: 1, oldestAtMs: MS },
      { clientId: 'sydney', state: 'delivered', count: 1 },
      { clientId: 'sydney', state: 'pending', count: 1, oldestAtMs: MS + 10_000 },
    ])
  })

  /**
   * Leases what is due. Returns whether each would end a newer session, by the client and by what
   * the message names.
   */
  const leased = async (b: Bench) => {
    const found: Record<string, boolean> = {}
    for (const { id, attempt } of await b.due(MS)) {
      const { delivery, endsNewer } = expectOutcome(
        await b.store.leaseDelivery({ id, attempt, nowMs: MS, untilMs: MS }),
        'leased',
      )
      found[`${delivery.clientId} ${delivery.sid ?? delivery.sub}`] = endsNewer
    }
    return found
  }
  const split = (b: Bench, id: string) =>
    b.store.splitDelivery({ id, attempt: done(1, 'superseded').attempt })

  test('by sub, it would end a newer session of the user there, and only there and only while that session lives', async () => {
    const b = await open()
    for (const clientId of ['sydney', 'perth']) await b.client(clientId, { logoutBy: 'sub' })
    const { sub, sid } = (await b.signIn('alice')).session
    for (const clientId of ['sydney', 'perth']) await b.exchange(sid, clientId)
    await b.revoke({ kind: 'subject', sub })
    await b.fanOutAll()
    const again = await b.signIn('alice')
    await b.exchange(again.session.sid, 'sydney')
    expect(await leased(b)).toEqual({ [`sydney ${sub}`]: true, [`perth ${sub}`]: false })
    await b.revoke({ kind: 'session', sid: again.session.sid })
    expect(await leased(b)).toMatchObject({ [`sydney ${sub}`]: false, [`perth ${sub}`]: false })
  })

  test('by sub, it is split into one for each session that it ends, those of older ones that it superseded among them', async () => {
    const b = await open()
    await b.client('sydney', { logoutBy: 'sub' })
    const ended: string[] = []
    for (let revocation = 0; revocation < 2; revocation++) {
      for (let browser = 0; browser < 2; browser++) {
        const { sid } = (await b.signIn('alice')).session
        await b.exchange(sid, 'sydney')
        ended.push(sid)
      }
      await b.revoke({ kind: 'tenant', tid: TENANT })
      // Each batch has one session.
      await b.fanOutAll(1)
    }
    const { sid, sub } = (await b.signIn('alice')).session
    await b.exchange(sid, 'sydney')
    expect(await leased(b)).toEqual({ [`sydney ${sub}`]: true })
    const id = (await b.due(MS))[0]?.id ?? ''
    const [refs, none] = await Promise.all([split(b, id), split(b, id)])
    expect([...refs, ...none]).toHaveLength(4)
    expect(await leased(b)).toEqual(
      Object.fromEntries(ended.map((endedSid) => [`sydney ${endedSid}`, false])),
    )
    expect(await b.store.findDelivery(id)).toMatchObject({
      state: 'superseded',
      payload: undefined,
    })
    expect(await b.store.deliveryCounts()).toMatchObject([
      { state: 'pending', count: 4 },
      { state: 'superseded', count: 2 },
    ])
    expect(await split(b, refs[0]?.id ?? none[0]?.id ?? '')).toEqual([])
  })

  test('by sub, a session that the fan-out reaches after the split gets its own', async () => {
    const b = await open()
    await b.client('sydney', { logoutBy: 'sub' })
    const sids = [(await b.signIn('alice')).session, (await b.signIn('alice')).session]
      .map(({ sid }) => sid)
      .toSorted()
    for (const sid of sids) await b.exchange(sid, 'sydney')
    await b.revoke({ kind: 'tenant', tid: TENANT })
    const { pending: first } = await b.store.fanOutPending({ limit: 1 })
    expect(await split(b, first[0]?.id ?? '')).toHaveLength(1)
    await b.fanOutAll()
    expect(Object.keys(await leased(b)).toSorted()).toEqual(sids.map((sid) => `sydney ${sid}`))
  })

  test('by sid, it stays pending when the user comes back there in the same session: what was opened before may live there still', async () => {
    const b = await open()
    for (const clientId of ['sydney', 'perth']) await b.client(clientId)
    const { sid } = (await b.signIn('alice')).session
    for (const clientId of ['sydney', 'perth']) await b.exchange(sid, clientId)
    await b.revoke({ kind: 'grant', sid, clientId: 'perth' })
    await b.revoke({ kind: 'client', clientId: 'sydney' })
    for (const clientId of ['sydney', 'perth']) await b.exchange(sid, clientId)
    await b.fanOutAll()
    expect(await leased(b)).toEqual({ [`perth ${sid}`]: false, [`sydney ${sid}`]: false })
  })

  test('a delivery that is superseded closes without having been delivered', async () => {
    const b = await open()
    const { id } = await first(b)
    expect(await b.store.recordDelivery({ id, result: done(1, 'superseded') })).toBe(true)
    expect(await b.store.findDelivery(id)).toMatchObject({ state: 'superseded' })
    expect(await b.store.attemptsOf(id)).toMatchObject([{ outcome: 'superseded' }])
  })
})
