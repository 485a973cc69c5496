import { describe, expect, test } from 'vitest'
import type { ScheduledWhat } from '../../db/types.ts'
import { benches, expectOutcome, signedIn, STORES, T0, TENANT } from './fixture.ts'
import type { Bench } from './fixture.ts'

/** What waits for a second administrator or for its time is done once, by whichever broker, while its creator still has the right to. */

const ADAM = { actor: { kind: 'operator', id: 'cmb@adam' }, via: 'command', may: 'administer' } as const
const ERIN = { actor: { kind: 'operator', id: 'cmb@erin' }, via: 'command', may: 'administer' } as const
const CLIENT: ScheduledWhat = { act: 'lock', target: { kind: 'client', clientId: 'sydney' }, endsAt: undefined }
const USER: ScheduledWhat = { act: 'lock', target: { kind: 'user', tid: TENANT, oid: 'oid-alice' }, endsAt: T0 + 900 }

const schedule = (b: Bench, what: ScheduledWhat, dueAt: number | undefined, by: typeof ADAM | object = ADAM) =>
  b.store.scheduleAct({ ...ADAM, ...by, what, caseReference: 'INC-7', dueAt, now: b.now })
const confirm = (b: Bench, id: string, by: typeof ADAM | typeof ERIN = ERIN) => b.store.confirmAct({ ...by, id, operatorTenant: TENANT, now: b.now })
const run = async (b: Bench) => {
  const { act: id } = await b.store.dueNow({ now: b.now, announceUntil: b.now })
  return id === undefined ? undefined : b.store.runDueAct({ id, operatorTenant: TENANT, now: b.now })
}

describe.each(STORES)('scheduled acts, on %s', (_name, make) => {
  const open = benches(make)

  test('a wide lock is done when another administrator confirms it, and not before', async () => {
    const b = await open()
    await signedIn(b)
    const { id, state, wide } = await schedule(b, CLIENT, undefined)
    expect([state, wide]).toEqual(['proposed', true])
    expect((await confirm(b, id, ADAM)).outcome).toBe('same')
    expect(await b.store.listLocks({ state: 'open', limit: 9 })).toEqual([])
    const done = expectOutcome(await confirm(b, id), 'confirmed').act
    expect(done).toMatchObject({
      state: 'done',
      confirmed: { actor: ERIN.actor },
      settled: { result: { lock: expect.any(String) as string, seq: 1 } },
    })
    expect(await b.store.listLocks({ state: 'open', limit: 9 })).toMatchObject([{ actor: ADAM.actor, caseReference: 'INC-7' }])
    expect((await confirm(b, id)).outcome).toBe('settled')
    expect(await b.store.listAudit({ act: 'scheduled.run', limit: 9 })).toMatchObject([{ actor: ADAM.actor, ended: { outcome: 'done' } }])
  })

  test('a proposal can be confirmed for a day, once, and canceled', async () => {
    const b = await open()
    await signedIn(b)
    const late = await schedule(b, CLIENT, undefined)
    const both = await schedule(b, CLIENT, undefined)
    const twice = await Promise.all([confirm(b, both.id), confirm(b, both.id)])
    expect(twice.map(({ outcome }) => outcome).toSorted()).toEqual(['confirmed', 'settled'])
    expect((await b.store.head()).seq).toBe(1)
    b.now += 86_400
    expect((await confirm(b, late.id)).outcome).toBe('expired')
    expect(await b.store.cancelAct({ id: late.id, actor: ERIN.actor, now: b.now })).toMatchObject({
      outcome: 'cancelled',
      act: { state: 'cancelled' },
    })
    expect((await b.store.cancelAct({ id: late.id, actor: ERIN.actor, now: b.now })).outcome).toBe('settled')
    expect((await confirm(b, 'a_none')).outcome).toBe('unknown')
  })

  test('a proposal that is not confirmed in time expires once, with its audit entry, and is not done', async () => {
    const b = await open()
    const { sid } = await signedIn(b)
    const what: ScheduledWhat = { act: 'revoke', selector: { kind: 'client', clientId: 'sydney' } }
    const { id, confirmUntil } = await b.store.scheduleAct({ ...ADAM, what, dueAt: undefined, confirmSeconds: 1800, now: b.now })
    expect(confirmUntil).toBe(b.now + 1800)
    const look = () => b.store.dueNow({ now: b.now, announceUntil: b.now })
    b.now += 1799
    expect(await look()).toMatchObject({ expiries: false })
    b.now += 1
    expect(await look()).toMatchObject({ expiries: true })
    expect((await confirm(b, id)).outcome).toBe('expired')
    const expire = () => b.store.expireActs({ now: b.now, limit: 9 })
    expect((await Promise.all([expire(), expire()])).flat()).toMatchObject([{ id, state: 'expired', settled: { at: b.now } }])
    expect(await look()).toMatchObject({ expiries: false })
    expect([(await confirm(b, id)).outcome, (await b.store.cancelAct({ id, actor: ERIN.actor, now: b.now })).outcome]).toEqual(['settled', 'settled'])
    expect(await b.store.listAudit({ act: 'scheduled.expire', limit: 9 })).toMatchObject([{ target: 'client sydney', ended: { outcome: 'done' } }])
    expect((await b.store.standingBySid(sid, b.now)).state).toBe('live')
  })

  test('what is due is done once, however many brokers look, late rather than never', async () => {
    const b = await open()
    const { sid, sub } = await signedIn(b)
    const lock = await schedule(b, USER, T0 + 600)
    const revocation = await schedule(b, { act: 'revoke', selector: { kind: 'subject', sub } }, T0 + 700)
    b.now = T0 + 599
    expect(await run(b)).toBeUndefined()
    expect((await b.store.standingBySid(sid, b.now)).state).toBe('live')
    b.now = T0 + 5000
    // A broker that looks when another has done the first finds the second.
    const done = (await Promise.all([1, 2, 3].map(() => run(b)))).filter((one) => one !== undefined)
    for (let next = await run(b); next !== undefined; next = await run(b)) done.push(next)
    expect(done.toSorted((one, other) => (one.dueAt ?? 0) - (other.dueAt ?? 0))).toMatchObject([
      { id: lock.id, state: 'done', settled: { at: b.now, result: { seq: 1 } } },
      { id: revocation.id, state: 'done', settled: { at: b.now, result: { seq: 2 } } },
    ])
    expect((await b.store.findRevocation(1))?.reason).toBe('locked')
    expect((await b.store.head()).seq).toBe(2)
  })

  test('a canceled act is not done, also where both happen at once', async () => {
    const b = await open()
    await signedIn(b)
    const { id } = await schedule(b, USER, T0 + 1)
    b.now += 10
    const [cancelled, ran] = await Promise.all([b.store.cancelAct({ id, actor: ERIN.actor, now: b.now }), run(b)])
    const locks = await b.store.listLocks({ state: 'all', limit: 9 })
    expect({ cancelled: cancelled.outcome, ran: ran?.state, locks: locks.length }).toEqual(
      locks.length === 0 ? { cancelled: 'cancelled', ran: undefined, locks: 0 } : { cancelled: 'settled', ran: 'done', locks: 1 },
    )
  })

  test('an act fails where its creator has lost the right to it', async () => {
    const b = await open()
    await signedIn(b)
    const gone = await b.signIn('gone')
    const stays = await b.signIn('stays')
    for (const { session } of [gone, stays]) await b.store.recordOperator({ sub: session.sub, may: 'administer', now: b.now })
    await b.client('robot', { scopes: ['broker:administer'] })
    const console = (sub: string) => ({ actor: { kind: 'operator', id: sub }, via: 'console' })
    await schedule(b, USER, b.now + 1, console(gone.session.sub))
    await schedule(b, USER, b.now + 2, { actor: { kind: 'client', id: 'robot' }, via: 'api' })
    await schedule(b, USER, b.now + 3, console(stays.session.sub))
    await b.store.recordOperator({ sub: gone.session.sub, may: 'operate', now: b.now })
    await b.store.removeClient({ clientId: 'robot', source: 'any', actor: ADAM.actor, now: b.now })
    const ines = (tid: string) => b.signIn('ines', { tid, session: { user: { tid, oid: 'oid-ines', homeId: 'ines.utid' } } })
    const elsewhere = '22222222-2222-4333-8444-555555555555'
    const { session: locked } = await ines(TENANT)
    await ines(elsewhere)
    await b.store.recordOperator({ sub: locked.sub, may: 'administer', now: b.now })
    await schedule(b, USER, b.now + 4, console(locked.sub))
    const guest = { kind: 'user', tid: elsewhere, oid: 'oid-ines' } as const
    await b.store.lock({ target: guest, actor: ADAM.actor, may: 'administer', operatorTenant: undefined, now: b.now })
    b.now += 10
    const lost = { state: 'failed', settled: { result: { outcome: 'rejected', why: 'right_lost' } } }
    expect([await run(b), await run(b)]).toMatchObject([lost, lost])
    expect(await run(b)).toMatchObject({ state: 'done' })
    expect(await run(b)).toMatchObject(lost)
    const ends = (await b.store.listAudit({ act: 'scheduled.run', limit: 9 })).map(({ ended }) => ended?.outcome)
    expect(ends).toEqual(['rejected', 'done', 'rejected', 'rejected'])
  })

  test('a wide act is announced once, before it is due', async () => {
    const b = await open()
    await signedIn(b)
    const { id } = await schedule(b, CLIENT, T0 + 7200)
    await schedule(b, USER, T0 + 60)
    const endpoint = { url: 'https://siem.example/x', secretSealed: 'sealed', state: 'enabled', position: 0, createdAt: T0, updatedAt: T0 } as const
    await b.store.addWebhook({ ...endpoint, id: 'wh_1', events: ['scheduled.announced'], include: ['case_references'] })
    const announce = () => b.store.announceActs({ until: b.now + 3600, now: b.now, limit: 9 })
    expect(await announce()).toEqual([])
    await confirm(b, id)
    expect(await announce()).toEqual([])
    b.now += 3600
    const told = (await Promise.all([announce(), announce()])).flat()
    expect(told).toMatchObject([{ id, announcedAt: b.now }])
    expect(await b.store.listAudit({ act: 'scheduled.announce', limit: 9 })).toHaveLength(1)
    const { refs } = await b.store.dueDeliveries({ targetId: 'wh_1', nowMs: b.now * 1000, limit: 9 })
    const bodies = await Promise.all(refs.map(async (ref) => JSON.parse((await b.store.findDelivery(ref.id))?.payload ?? '{}') as object))
    const selector = { kind: 'client', client_id: 'sydney' }
    expect(bodies).toMatchObject([
      { type: 'scheduled.announced', data: { id, act: 'lock', selector, due_at: T0 + 7200, actor_kind: 'operator', case_reference: 'INC-7' } },
    ])
    expect(await b.store.scheduledCounts()).toEqual([{ state: 'scheduled', count: 2, firstDueAt: T0 + 60 }])
  })

  test('lists go page by page, newest first', async () => {
    const b = await open()
    await signedIn(b)
    const made = []
    for (let n = 0; n < 3; n++) {
      b.now += 1
      made.unshift(await schedule(b, n === 1 ? CLIENT : USER, T0 + 60))
    }
    const first = await b.store.listScheduledActs({ limit: 2 })
    expect(first).toEqual(made.slice(0, 2))
    expect(await b.store.listScheduledActs({ limit: 2, before: first[1]?.id })).toEqual(made.slice(2))
    expect(await b.store.listScheduledActs({ limit: 9, state: 'proposed' })).toEqual([made[1]])
  })
})
