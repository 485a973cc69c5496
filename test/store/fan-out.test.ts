import { describe, expect, test } from 'vitest'
import { benches, expectOutcome, statementsOf, STORES, T0, TENANT, type Bench } from './fixture.ts'

/** Signs in `users` users on `browsers` browsers each, and at sydney on each browser. */
async function crowd(b: Bench, users: number, browsers = 1) {
  const sessions = []
  for (let i = 0; i < users * browsers; i++) {
    const { session } = await b.signIn(`user-${i % users}`)
    await b.exchange(session.sid, 'sydney')
    sessions.push(session)
  }
  return sessions
}

const all = async (b: Bench) =>
  (await b.store.listDeliveries({ limit: 1000 })).map(({ sid, sub, clientId, state }) => ({
    sid,
    sub,
    clientId,
    state,
  }))

describe.each(STORES)('deliveries of wide revocations, on %s', (_name, make) => {
  const open = benches(make)

  test('every user is out at the commit, whatever the size; deliveries follow in batches, resumable, each session once', async () => {
    const b = await open()
    await b.client('sydney')
    const sessions = await crowd(b, 25)
    const { committed } = expectOutcome(await b.revoke({ kind: 'tenant', tid: TENANT }), 'revoked')
    expect(committed).toMatchObject({
      revocation: { fanOut: 'pending', sessions: 0, tid: TENANT },
      pending: [],
    })
    for (const { sid } of sessions)
      expect(await b.store.statusBySid(sid, b.now)).toMatchObject({
        state: 'ended',
        why: 'revoked',
        session: { ended: { seq: 1 } },
      })
    const first = await b.store.fanOutPending({ limit: 10 })
    expect(first).toMatchObject({ more: true })
    expect(first.pending).toHaveLength(10)
    expect(await b.store.findRevocation(1)).toMatchObject({
      fanOut: 'pending',
      sessions: 10,
      totals: { pending: 10, delivered: 0 },
    })
    b.now += 5
    // Two workers at once deliver nothing twice.
    await Promise.all([b.fanOutAll(10), b.fanOutAll(10)])
    expect(await b.store.findRevocation(1)).toMatchObject({ fanOut: 'complete', sessions: 25 })
    const refs = await b.due(b.now * 1000)
    const attempt = { attempt: 1, atMs: b.now * 1000, latencyMs: 5 }
    for (const [i, { id }] of refs.entries()) {
      const outcome = i === 0 ? 'failed' : i === 1 ? 'rejected' : 'delivered'
      await b.store.recordDelivery({ id, result: { outcome, attempt: { ...attempt, outcome } } })
    }
    expect(await b.store.findRevocation(1)).toMatchObject({
      totals: { pending: 0, delivered: 23, failed: 1, rejected: 1 },
    })
    await b.store.redrive({})
    expect(await b.store.findRevocation(1)).toMatchObject({
      totals: { pending: 2, delivered: 23, failed: 0, rejected: 0 },
    })
    const sids = (await all(b)).map(({ sid }) => sid)
    expect(sids).toHaveLength(25)
    expect(new Set(sids)).toEqual(new Set(sessions.map(({ sid }) => sid)))
    // The deliveries count as pending since the commit, however late their batch is.
    expect(
      (await b.store.listDeliveries({ limit: 1000 })).every(
        ({ createdAtMs }) => createdAtMs === T0 * 1000,
      ),
    ).toBe(true)
    expect(await b.store.fanOutPending({ limit: 10 })).toEqual({ pending: [], more: false })
  })

  test('two fan-outs at once, of several revocations and beside sign-outs, write each delivery once', async () => {
    const b = await open()
    for (const clientId of ['sydney', 'perth']) await b.client(clientId)
    const sessions = await crowd(b, 16)
    for (const { sid } of sessions) await b.exchange(sid, 'perth')
    await b.revoke({ kind: 'client', clientId: 'perth' })
    await b.revoke({ kind: 'tenant', tid: TENANT })
    await b.revoke({ kind: 'everything' })
    const written: string[] = []
    const fanOut = async () => {
      for (let more = true; more;) {
        const batch = await b.store.fanOutPending({ limit: 3 })
        written.push(...batch.pending.map(({ id }) => id))
        more = batch.more
      }
    }
    await Promise.all([
      fanOut(),
      fanOut(),
      ...sessions.slice(0, 4).map(({ sid }) => b.revoke({ kind: 'session', sid })),
    ])
    const deliveries = await b.store.listDeliveries({ limit: 1000 })
    expect(written.toSorted()).toEqual(deliveries.map(({ id }) => id).toSorted())
    const once = new Set(deliveries.map(({ sid, clientId, seq }) => `${sid} ${clientId} ${seq}`))
    expect(once.size).toBe(deliveries.length)
    // The client's pending deliveries for a session are superseded when the session ends.
    for (const clientId of ['sydney', 'perth'])
      expect(
        deliveries
          .filter((delivery) => delivery.clientId === clientId && delivery.state === 'pending')
          .map(({ sid }) => sid ?? '')
          .toSorted(),
      ).toEqual(sessions.map(({ sid }) => sid).toSorted())
    const ended = (await b.store.listRevocations({ limit: 10 })).filter(
      ({ selector }) => selector.kind !== 'client',
    )
    expect(ended.every(({ fanOut }) => fanOut === 'complete')).toBe(true)
    expect(ended.reduce((sum, revocation) => sum + revocation.sessions, 0)).toBe(16)
  })

  test('two fan-outs at once of one client’s revocation count each session once', async () => {
    const b = await open()
    await b.client('sydney')
    await crowd(b, 12)
    await b.revoke({ kind: 'client', clientId: 'sydney' })
    await Promise.all([b.fanOutAll(2), b.fanOutAll(2)])
    expect(await b.store.findRevocation(1)).toMatchObject({
      fanOut: 'complete',
      sessions: 12,
      totals: { pending: 12 },
    })
  })

  test('a batch that ends within what it had read leaves no user out', async () => {
    const b = await open()
    for (const clientId of ['sydney', 'perth']) await b.client(clientId)
    const sessions = await crowd(b, 6)
    for (const { sid } of sessions) await b.exchange(sid, 'perth')
    await b.revoke({ kind: 'everything' })
    // Each session has two pending deliveries, so that a batch of three ends in the middle of the
    // second session.
    expect(await b.fanOutAll(3)).toBe(12)
    expect(await b.store.findRevocation(1)).toMatchObject({ fanOut: 'complete', sessions: 6 })
  })

  test('a session opened after it is neither ended nor pending, also while the batches are still written', async () => {
    const b = await open()
    await b.client('sydney')
    await crowd(b, 10)
    await b.revoke({ kind: 'everything' })
    await b.store.fanOutPending({ limit: 3 })
    const later = await crowd(b, 10)
    await b.fanOutAll(3)
    for (const { sid } of later)
      expect(await b.store.statusBySid(sid, b.now)).toMatchObject({ state: 'live' })
    expect(await all(b)).toHaveLength(10)
  })

  test.each([
    ['everything', { kind: 'everything' }] as const,
    ['a client', { kind: 'client', clientId: 'sydney' }] as const,
  ])(
    'of %s: an act looks at a bounded number of sessions, however few it covers',
    async (_what, selector) => {
      const b = await open()
      await b.client('sydney')
      const sessions = await crowd(b, 40)
      const ended = selector.kind === 'client' ? sessions.slice(0, 39) : []
      for (const { sid } of ended) await b.revoke({ kind: 'session', sid })
      await b.revoke(selector)
      // Sessions that were opened since are not covered, but are read all the same.
      if (selector.kind === 'everything') await crowd(b, 40)
      let acts = 1
      while ((await b.store.fanOutPending({ limit: 1 })).more) acts++
      expect(acts).toBeGreaterThanOrEqual(4)
      const { seq } = await b.store.head()
      expect(await b.store.findRevocation(seq)).toMatchObject({ fanOut: 'complete' })
    },
  )

  test('wide revocations take turns, a batch each: a small one is written while a large one is', async () => {
    const b = await open()
    await b.client('sydney')
    await crowd(b, 12)
    await b.revoke({ kind: 'tenant', tid: TENANT })
    const other = '99999999-2222-4333-8444-555555555555'
    const { session } = await b.signIn('bob', { tid: other })
    await b.exchange(session.sid, 'sydney')
    await b.store.fanOutPending({ limit: 4 })
    await b.revoke({ kind: 'tenant', tid: other })
    await b.store.fanOutPending({ limit: 4 })
    expect(await b.store.findRevocation(2)).toMatchObject({ fanOut: 'complete', sessions: 1 })
    expect(await b.store.findRevocation(1)).toMatchObject({ fanOut: 'pending' })
    expect(await b.fanOutAll(4)).toBeGreaterThan(0)
    expect(await b.store.findRevocation(1)).toMatchObject({ fanOut: 'complete', sessions: 12 })
  })

  test('what an older one writes after a newer one for the same session and target is superseded at once', async () => {
    const b = await open()
    await b.client('sydney')
    const sids = (
      await Promise.all(Array.from({ length: 6 }, (_, i) => b.signIn(`user-${i}`)))
    ).map(({ session }) => session.sid)
    const last = sids.toSorted().at(-1) ?? ''
    await b.exchange(last, 'sydney')
    await b.revoke({ kind: 'tenant', tid: TENANT })
    await b.store.fanOutPending({ limit: 1 })
    await b.revoke({ kind: 'client', clientId: 'sydney' })
    const { pending } = await b.store.fanOutPending({ limit: 1 })
    expect(pending).toMatchObject([{ seq: 2 }])
    expect(await b.fanOutAll()).toBe(0)
    const written = (await b.store.listDeliveries({ limit: 9 })).toSorted(
      (x, y) => (x.seq ?? 0) - (y.seq ?? 0),
    )
    expect(written).toMatchObject([
      { seq: 1, sid: last, state: 'superseded', supersededBy: pending[0]?.id },
      { seq: 2, sid: last, state: 'pending' },
    ])
    expect(await b.store.findRevocation(1)).toMatchObject({
      fanOut: 'complete',
      totals: { pending: 0, superseded: 1 },
    })
    expect((await b.store.deliveryCounts()).map(({ state, count }) => [state, count])).toEqual([
      ['pending', 1],
      ['superseded', 1],
    ])
  })

  test('one user’s is written before what is pending for many', async () => {
    const b = await open()
    await b.client('sydney')
    const sessions = await crowd(b, 10)
    await b.revoke({ kind: 'everything' })
    const { session } = await b.signIn('alice')
    await b.exchange(session.sid, 'sydney')
    await b.revoke({ kind: 'subject', sub: session.sub })
    const first = await b.store.fanOutPending({ limit: 5 })
    expect(await b.store.findDelivery(first.pending[0]?.id ?? '')).toMatchObject({
      sid: session.sid,
      seq: 2,
    })
    expect(first.pending).toHaveLength(5)
    expect(first.more).toBe(true)
    await b.fanOutAll()
    expect(await all(b)).toHaveLength(sessions.length + 1)
  })

  test('a session that was ended before is not pending again, and one covered by two wide ones is pending once', async () => {
    const b = await open()
    await b.client('sydney')
    const [alone, both] = await crowd(b, 2)
    await b.revoke({ kind: 'session', sid: alone?.sid ?? '' })
    await b.revoke({ kind: 'tenant', tid: TENANT })
    await b.revoke({ kind: 'everything' })
    await b.fanOutAll()
    const sids = (await all(b)).map(({ sid }) => sid)
    expect(sids.toSorted()).toEqual([alone?.sid, both?.sid].toSorted())
  })

  test('a client that asks for it gets one logout token a user, by sub alone; the others one a session, by sid alone', async () => {
    const b = await open()
    await b.client('sydney', { logoutBy: 'sub' })
    await b.client('perth')
    const sessions = await crowd(b, 2, 3)
    for (const { sid } of sessions) await b.exchange(sid, 'perth')
    await b.revoke({ kind: 'everything' })
    // The batches have one session each, so that the three sessions of a user are in different
    // batches.
    await b.fanOutAll(1)
    const deliveries = await all(b)
    const [bySub, bySid] = [
      deliveries.filter(({ sub }) => sub),
      deliveries.filter(({ sid }) => sid),
    ]
    expect(bySub.map(({ sub }) => sub).toSorted()).toEqual(
      [...new Set(sessions.map(({ sub }) => sub))].toSorted(),
    )
    expect(bySub.every(({ sid, clientId }) => sid === undefined && clientId === 'sydney')).toBe(
      true,
    )
    expect(bySid.map(({ sid }) => sid).toSorted()).toEqual(
      sessions.map(({ sid }) => sid).toSorted(),
    )
    expect(bySid.every(({ sub, clientId }) => sub === undefined && clientId === 'perth')).toBe(true)
  })

  test('a session of its own is named by sid, also to a client that asks for sub', async () => {
    const b = await open()
    await b.client('sydney', { logoutBy: 'sub' })
    const [session] = await crowd(b, 1)
    await b.revoke({ kind: 'session', sid: session?.sid ?? '' })
    expect(await all(b)).toMatchObject([{ sid: session?.sid, sub: undefined }])
  })

  test('a client’s revocation ends its grants and no session, and is pending to that client alone', async () => {
    const b = await open()
    await b.client('sydney')
    await b.client('perth')
    const sessions = await crowd(b, 3)
    for (const { sid } of sessions) await b.exchange(sid, 'perth')
    const elsewhere = (await b.signIn('alice')).session
    await b.revoke({ kind: 'client', clientId: 'sydney' })
    for (const sid of [sessions[0]?.sid ?? '', elsewhere.sid]) await b.exchange(sid, 'sydney')
    await b.fanOutAll(1)
    const deliveries = await all(b)
    // A user who has signed in again in the meantime gets one too. A session in which the client
    // takes part only since then gets none.
    expect(deliveries.map(({ clientId, sid }) => [clientId, sid]).toSorted()).toEqual(
      sessions.map(({ sid }) => ['sydney', sid]).toSorted(),
    )
    for (const { sid } of sessions)
      expect(await b.store.statusBySid(sid, b.now)).toMatchObject({ state: 'live' })
    // The count is that of the dry run: the sessions in which the client took part.
    expect(await b.store.findRevocation(1)).toMatchObject({ fanOut: 'complete', sessions: 3 })
  })

  test('a token exchanged for a client is not a sign-in there: a delivery for its session stays pending all the same (RFC 8693)', async () => {
    const b = await open()
    await b.client('sydney')
    await b.client('perth')
    const { session } = await b.signIn('alice')
    const { rev } = await b.exchange(session.sid, 'perth')
    await b.exchange(session.sid, 'sydney')
    await b.revoke({ kind: 'client', clientId: 'sydney' })
    const exchanged = {
      sid: session.sid,
      sub: session.sub,
      clientId: 'perth',
      rev,
      now: b.now,
      touch: true,
      joins: 'sydney',
    }
    expect(await b.store.checkAccess(exchanged)).toMatchObject({ outcome: 'good' })
    await b.fanOutAll()
    expect(await all(b)).toMatchObject([{ sid: session.sid, clientId: 'sydney', state: 'pending' }])
  })

  test('an address that goes while batches are pending is still pending what was revoked before', async () => {
    const b = await open()
    await b.client('sydney')
    await crowd(b, 4)
    await b.revoke({ kind: 'everything' })
    await b.client('sydney', { logoutUris: ['https://sydney.example/new'] })
    await b.fanOutAll(1)
    const uris = (await b.store.listDeliveries({ limit: 100 })).map(({ uri }) => uri)
    expect(uris.filter((uri) => uri === 'https://sydney.example/backchannel')).toHaveLength(4)
    const { session } = await b.signIn('alice')
    await b.exchange(session.sid, 'sydney')
    await b.revoke({ kind: 'session', sid: session.sid })
    expect((await b.store.listDeliveries({ seq: 2, limit: 100 })).map(({ uri }) => uri)).toEqual([
      'https://sydney.example/new',
    ])
  })
})

describe.each(STORES)('the same thing pending twice, on %s', (_name, make) => {
  const open = benches(make)

  test('the older one closes at once, whatever state it is in, and the newer one is what is retried, fails and is redriven', async () => {
    const b = await open()
    await b.client('sydney')
    const [session] = await crowd(b, 1)
    const sid = session?.sid ?? ''
    const grant = expectOutcome(
      await b.revoke({ kind: 'grant', sid, clientId: 'sydney' }),
      'revoked',
    )
    const older = grant.committed.pending[0]?.id ?? ''
    const attempt = (outcome: 'failed' | 'rejected' | 'delivered') => ({
      outcome,
      attempt: { attempt: 1, atMs: b.now * 1000, outcome, latencyMs: 5 },
    })
    await b.store.recordDelivery({ id: older, result: attempt('failed') })
    const end = expectOutcome(await b.revoke({ kind: 'session', sid }), 'revoked')
    const newer = end.committed.pending[0]?.id ?? ''
    expect(await b.store.findDelivery(older)).toMatchObject({
      state: 'superseded',
      supersededBy: newer,
      settledAtMs: b.now * 1000,
    })
    expect((await b.due(b.now * 1000)).map(({ id }) => id)).toEqual([newer])
    expect(await b.store.pendingTargets()).toMatchObject([{ pending: 1 }])
    await b.store.recordDelivery({ id: newer, result: attempt('rejected') })
    // No delivery counts as pending, so that the alert on overdue deliveries stays silent.
    expect(await b.store.deliveryCounts()).toEqual([
      { clientId: 'sydney', state: 'rejected', count: 1 },
      { clientId: 'sydney', state: 'superseded', count: 1 },
    ])
    expect((await b.store.redrive({ clientId: 'sydney' })).map(({ id }) => id)).toEqual([newer])
    await b.store.recordDelivery({ id: newer, result: attempt('delivered') })
    expect(await b.store.deliveryCounts()).toEqual([
      { clientId: 'sydney', state: 'delivered', count: 1 },
      { clientId: 'sydney', state: 'superseded', count: 1 },
    ])
  })

  test('of three, the last supersedes both; one that is delivered while superseded stays delivered', async () => {
    const b = await open()
    await b.client('sydney')
    const [session] = await crowd(b, 1)
    const sid = session?.sid ?? ''
    const ids: string[] = []
    for (let i = 0; i < 2; i++) {
      const { committed } = expectOutcome(
        await b.revoke({ kind: 'grant', sid, clientId: 'sydney' }),
        'revoked',
      )
      ids.push(committed.pending[0]?.id ?? '')
      await b.exchange(sid, 'sydney')
    }
    const end = expectOutcome(await b.revoke({ kind: 'session', sid }), 'revoked')
    const last = end.committed.pending[0]?.id ?? ''
    expect(await Promise.all(ids.map((id) => b.store.findDelivery(id)))).toMatchObject([
      { state: 'superseded', supersededBy: ids[1] },
      { state: 'superseded', supersededBy: last },
    ])
    const attempt = { attempt: 1, atMs: b.now * 1000, outcome: 'delivered', latencyMs: 5 } as const
    expect(
      await b.store.recordDelivery({ id: ids[0] ?? '', result: { outcome: 'delivered', attempt } }),
    ).toBe(true)
    await b.store.recordDelivery({ id: last, result: { outcome: 'delivered', attempt } })
    expect(await b.store.findDelivery(ids[0] ?? '')).toMatchObject({ state: 'delivered' })
    expect(await b.store.findDelivery(ids[1] ?? '')).toMatchObject({ state: 'superseded' })
  })
})

describe.each(STORES.slice(0, 1))('statements of one act, on %s', (_name, make) => {
  const open = benches(make)

  test('a revocation runs as many statements for twelve instances as for three, also where an older one is superseded', async () => {
    const b = await open()
    /**
     * Returns the number of statements for a session at so many instances, one of which has an
     * older delivery.
     */
    const runs = async (who: string, instances: number): Promise<number> => {
      const { sid } = (await b.signIn(who)).session
      for (let n = 0; n < instances; n++) await b.exchange(sid, await b.client(`${who}-${n}`))
      expectOutcome(await b.revoke({ kind: 'grant', sid, clientId: `${who}-0` }), 'revoked')
      const count = await statementsOf(() => b.revoke({ kind: 'session', sid }))
      const [revocation] = await b.store.listRevocations({ limit: 1 })
      expect(revocation?.totals).toMatchObject({ pending: instances })
      expect(
        await b.store.listDeliveries({ state: 'superseded', clientId: `${who}-0`, limit: 10 }),
      ).toHaveLength(1)
      return count
    }
    expect(await runs('alice', 12)).toBe(await runs('bob', 3))
  })
})
