import { describe, expect, test } from 'vitest'
import { PURGED_LATE, PURGED_SOON } from '../../db/types.ts'
import {
  benches,
  codeFor,
  expectOutcome,
  redemptionOf,
  signHeads,
  STORES,
  T0,
  type Bench,
} from './fixture.ts'

const DAY = 86_400
const purge = async (b: Bench, now: number) => {
  await signHeads(b.store)
  let rounds = 0
  for (const kind of [...PURGED_SOON, ...PURGED_LATE])
    while (await b.store.purge({ kind, now, limit: 2 })) rounds++
  return rounds
}

describe.each(STORES)('retention, on %s', (_name, make) => {
  const open = benches(make)

  test('lifted locks go with the audit log; open ones stay', async () => {
    const b = await open()
    await b.client('sydney')
    await b.client('melbourne')
    const by = { actor: { kind: 'operator', id: 'cmb@olga' }, may: 'administer' } as const
    const lock = async (clientId: string) => {
      const target = { kind: 'client', clientId } as const
      return expectOutcome(
        await b.store.lock({ ...by, target, operatorTenant: undefined, now: b.now }),
        'locked',
      ).lock
    }
    const [old, kept] = [await lock('sydney'), await lock('melbourne')]
    await b.store.liftLock({ id: old.id, actor: by.actor, now: b.now })
    await purge(b, T0 + 730 * DAY)
    expect(await b.store.listLocks({ state: 'all', limit: 9 })).toMatchObject([{ id: kept.id }])
  })

  test('ended sessions go after 30 days, with who took part; their subject and what is live stay', async () => {
    const b = await open()
    await b.client('sydney')
    const ended = await Promise.all(['alice', 'bob', 'carol'].map((who) => b.signIn(who)))
    for (const { session } of ended) {
      await b.exchange(session.sid, 'sydney')
      await b.revoke({ kind: 'session', sid: session.sid })
    }
    const live = await b.signIn('dave')
    const sid = ended[0]?.session.sid ?? ''
    await purge(b, T0 + 30 * DAY - 1)
    expect(await b.store.statusBySid(sid, b.now)).toMatchObject({ state: 'ended' })
    expect(await purge(b, T0 + 30 * DAY)).toBeGreaterThan(0)
    expect(await b.store.statusBySid(sid, b.now)).toEqual({ state: 'unknown' })
    expect(await b.store.participants(sid)).toEqual([])
    expect(await b.store.findSubject(ended[0]?.session.sub ?? '')).toBeDefined()
    expect(await b.store.statusBySid(live.session.sid, b.now)).toMatchObject({ state: 'live' })
  })

  test('as the settings say, where they say something else', async () => {
    const b = await open()
    const { session } = await b.signIn('alice')
    await b.revoke({ kind: 'session', sid: session.sid })
    const id = await b.store.appendAudit({
      actor: { kind: 'operator', id: 'olga' },
      via: 'command',
      act: 'revoke',
    })
    const retention = {
      sessionDays: 2,
      revocationDays: 3,
      auditDays: 4,
      historyDays: 90,
      addressDays: 30,
    }
    await signHeads(b.store)
    const kept = async (days: number) => {
      for (const kind of PURGED_LATE)
        while (await b.store.purge({ kind, now: T0 + days * DAY, limit: 10, retention }));
      return [
        (await b.store.statusBySid(session.sid, b.now)).state !== 'unknown',
        (await b.store.findRevocation(1)) !== undefined,
        (await b.store.listAudit({ limit: 9 })).some((entry) => entry.id === id),
      ]
    }
    expect(await kept(1.9)).toEqual([true, true, true])
    expect(await kept(2)).toEqual([false, true, true])
    expect(await kept(3)).toEqual([false, false, true])
    expect(await kept(4)).toEqual([false, false, false])
  })

  test('the log and settled deliveries go after 90 days, with their proof; what is pending stays, and so does its revocation', async () => {
    const b = await open()
    await b.client('sydney')
    await b.client('perth')
    const { session } = await b.signIn('alice')
    for (const clientId of ['sydney', 'perth']) await b.exchange(session.sid, clientId)
    await b.revoke({ kind: 'tenant', tid: 'another' })
    await b.fanOutAll()
    await signHeads(b.store)
    const { committed } = expectOutcome(
      await b.revoke({ kind: 'session', sid: session.sid }),
      'revoked',
    )
    const [done, pending] = committed.pending
    const attempt = { attempt: 1, atMs: T0 * 1000, outcome: 'delivered', latencyMs: 0 } as const
    await b.store.recordDelivery({ id: done?.id ?? '', result: { outcome: 'delivered', attempt } })
    await purge(b, T0 + 90 * DAY - 1)
    expect(await b.store.listRevocations({ limit: 10 })).toHaveLength(2)
    await purge(b, T0 + 90 * DAY)
    expect((await b.store.listRevocations({ limit: 10 })).map(({ seq }) => seq)).toEqual([2])
    expect(await b.store.findDelivery(done?.id ?? '')).toBeUndefined()
    expect(await b.store.attemptsOf(done?.id ?? '')).toEqual([])
    expect(await b.store.findDelivery(pending?.id ?? '')).toMatchObject({ state: 'pending' })
    expect((await b.store.deliveryCounts()).map(({ state, count }) => [state, count])).toEqual([
      ['pending', 1],
    ])
    // The totals have the outcomes, also of deliveries that are deleted.
    expect(await b.store.findRevocation(2)).toMatchObject({ totals: { delivered: 1, pending: 1 } })
  })

  test('the log goes from its old end: a revocation with pending deliveries keeps those after it until they settle', async () => {
    const b = await open()
    await b.client('sydney')
    for (let i = 0; i < 9; i++) {
      const { session } = await b.signIn(`user-${i}`)
      if (i === 4) await b.exchange(session.sid, 'sydney')
      await b.revoke({ kind: 'session', sid: session.sid })
      await signHeads(b.store)
      b.now += i % 2 === 0 ? -60 : 90
    }
    const now = b.now + 91 * DAY
    await purge(b, now)
    expect((await b.store.listRevocations({ limit: 20 })).map(({ seq }) => seq)).toEqual([
      9, 8, 7, 6, 5,
    ])
    for (const deliveryRef of await b.due(now * 1000))
      await b.store.recordDelivery({
        id: deliveryRef.id,
        result: {
          outcome: 'delivered',
          attempt: { attempt: 1, atMs: b.now * 1000, outcome: 'delivered', latencyMs: 0 },
        },
      })
    await purge(b, now)
    expect(await b.store.listRevocations({ limit: 20 })).toEqual([])
  })

  test('the audit log goes from its old end; an entry that was dated ahead by a wrong clock keeps those after it', async () => {
    const b = await open()
    const append = async (days: number) => {
      b.now = T0 + days * DAY
      return b.store.appendAudit({
        actor: { kind: 'operator', id: 'olga' },
        via: 'command',
        act: 'revoke',
      })
    }
    const ids = [await append(0), await append(1), await append(900), await append(2)]
    await purge(b, T0 + 740 * DAY)
    expect((await b.store.listAudit({ limit: 9 })).map(({ id }) => id)).toEqual(
      ids.slice(2).reverse(),
    )
  })

  test('a wide revocation stays in the log until the last session that it covers is over', async () => {
    const b = await open()
    const { session } = await b.signIn('alice', {
      session: { absoluteAt: T0 + 100 * DAY, idleSeconds: 100 * DAY },
    })
    await b.client('sydney')
    const { rev } = await b.exchange(session.sid, 'sydney')
    await b.revoke({ kind: 'client', clientId: 'sydney' })
    await b.fanOutAll()
    for (const deliveryRef of await b.due(b.now * 1000)) {
      const attempt = { attempt: 1, atMs: T0 * 1000, outcome: 'delivered', latencyMs: 0 } as const
      await b.store.recordDelivery({
        id: deliveryRef.id,
        result: { outcome: 'delivered', attempt },
      })
    }
    b.now += 91 * DAY
    await purge(b, b.now)
    expect(await b.store.listRevocations({ limit: 10 })).toHaveLength(1)
    const check = {
      sid: session.sid,
      sub: session.sub,
      clientId: 'sydney',
      rev,
      now: b.now,
      touch: false,
    }
    expect(await b.store.checkAccess(check)).toEqual({ outcome: 'rejected', why: 'revoked' })
    b.now = session.absoluteAt + 60
    await purge(b, b.now)
    expect(await b.store.listRevocations({ limit: 10 })).toEqual([])
  })

  test('codes, identifiers and pushed requests go when their time is over; a used code is known a while longer', async () => {
    const b = await open()
    await b.client('sydney')
    const { session } = await b.signIn('alice')
    const code = codeFor('sydney', b.now)
    await b.store.issueCode({ sid: session.sid, code, now: b.now })
    await b.store.redeemAuthorizationCode(redemptionOf(code, b.now))
    const jti = { purpose: 'assertion', idHash: 'j', expiresAt: T0 + 60, now: b.now }
    await b.store.consumeOnce(jti)
    await b.store.pushRequest({
      requestHash: 'r',
      clientId: 'sydney',
      parameters: '{}',
      expiresAt: T0 + 60,
    })
    await purge(b, T0 + 59)
    expect(await b.store.consumeOnce(jti)).toBe(false)
    await purge(b, T0 + 60)
    expect(await b.store.consumeOnce(jti)).toBe(true)
    expect((await b.store.redeemAuthorizationCode(redemptionOf(code, T0 + 120))).outcome).toBe(
      'reused',
    )
    await purge(b, T0 + 660)
    expect(await b.store.redeemAuthorizationCode(redemptionOf(code, b.now))).toEqual({
      outcome: 'rejected',
      why: 'unknown',
    })
  })

  test('the store proves that it writes, and rejects when it is closed', async () => {
    const b = await open()
    await b.store.probe()
    await b.store.close()
    await expect(b.store.probe()).rejects.toThrow('The store is closed.')
    await expect(b.store.head()).rejects.toMatchObject({ name: 'StoreUnavailable' })
  })
})
