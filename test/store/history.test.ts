import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { SecurityEvent } from '../../db/types.ts'
import {
  benches,
  expectOutcome,
  sha,
  STORES,
  T0,
  TENANT,
  type Bench,
  type SignedIn,
} from './fixture.ts'

const DAY = 86_400
const FROM = { address: '203.0.113.7', clientId: 'sydney' }
let opened = 0
const all = (b: Bench, sub: string) => b.store.securityHistory({ sub, limit: 100 })
const told = (events: SecurityEvent[]) => events.map(({ kind, sid }) => [kind, sid])

async function signInFrom(b: Bench, who: string, browser?: string) {
  const cookie = `${who}-${++opened}`
  const session = {
    user: { tid: TENANT, oid: `oid-${who}` },
    authTime: b.now,
    visitStartedAt: b.now,
    idleSeconds: 600,
    absoluteAt: b.now + DAY,
  }
  const rest = {
    roles: [],
    staySignedIn: false,
    device: 'Safari on iPhone',
    cookieHash: sha(cookie),
  }
  const done = await b.store.signIn({
    session: { ...session, ...rest },
    browserCookieHash: browser === undefined ? undefined : sha(browser),
    from: FROM,
    provenSeq: Number.MAX_SAFE_INTEGER,
    ids: { sub: `u_${who}`, sid: `s_${cookie}` },
    now: b.now,
  })
  return { ...expectOutcome(done, 'signed_in'), cookie }
}

describe.each(STORES)('the security history of a user, on %s', (_name, make) => {
  const open = benches(make)

  test('has each sign-in, renewal, rejected sign-in and end, the newest first, with device, address, instance, and who ended it and why', async () => {
    const b = await open()
    const first = await signInFrom(b, 'alice')
    const { sub, sid } = first.session
    b.now += 10
    await signInFrom(b, 'alice', first.cookie)
    b.now += 10
    const rejected = {
      user: { tid: TENANT, oid: 'oid-alice' },
      why: 'mfa_not_proved',
      device: 'Chrome on Linux',
      from: { address: '198.51.100.9' },
    } as const
    await b.store.recordRejectedSignIn({ ...rejected, reference: 'BCDF-GHJK', now: b.now })
    b.now += 10
    await b.revoke({ kind: 'session', sid })
    const events = await all(b, sub)
    expect(events).toMatchObject([
      {
        kind: 'ended',
        at: T0 + 30,
        sid,
        device: 'Safari on iPhone',
        why: 'administrator',
        actor: { kind: 'operator', id: 'test' },
        seq: 1,
      },
      {
        kind: 'sign_in_rejected',
        at: T0 + 20,
        why: 'mfa_not_proved',
        device: 'Chrome on Linux',
        address: '198.51.100.9',
      },
      { kind: 'renewed', at: T0 + 10, sid, ...FROM },
      { kind: 'signed_in', at: T0, sid, device: 'Safari on iPhone', ...FROM },
    ])
    expect(events[0]?.address).toBeUndefined()
    expect(events[1]?.sid).toBeUndefined()
  })

  test('has a session that a wide revocation ended once, by whichever act, and no session that was opened later', async () => {
    const b = await open()
    const alice = await signInFrom(b, 'alice')
    const { sub } = alice.session
    await b.revoke({ kind: 'tenant', tid: TENANT })
    b.now += 1
    const later = await signInFrom(b, 'alice')
    await b.revoke({ kind: 'session', sid: alice.session.sid })
    await b.fanOutAll(1)
    expect(told(await all(b, sub))).toEqual([
      ['signed_in', later.session.sid],
      ['ended', alice.session.sid],
      ['signed_in', alice.session.sid],
    ])
    await b.revoke({ kind: 'subject', sub })
    await b.fanOutAll()
    expect((await all(b, sub)).filter(({ kind }) => kind === 'ended')).toHaveLength(2)
  })

  test('has the end of one app’s part by a revocation of that app for each of its users, once', async () => {
    const b = await open()
    await b.client('sydney')
    const [alice, bob] = [await signInFrom(b, 'alice'), await signInFrom(b, 'bob')]
    await b.exchange(alice.session.sid, 'sydney')
    await b.revoke({ kind: 'client', clientId: 'sydney' })
    await b.exchange(bob.session.sid, 'sydney')
    await b.fanOutAll(1)
    expect(await all(b, alice.session.sub)).toMatchObject([
      { kind: 'ended', clientId: 'sydney', why: 'administrator', seq: 1, at: b.now },
      { kind: 'signed_in' },
    ])
    expect(await all(b, bob.session.sub)).toMatchObject([{ kind: 'signed_in' }])
  })

  test('has an end by time with its reason, the replaced session of the former user of a browser, and the end of one grant', async () => {
    const b = await open()
    await b.client('sydney')
    const alice = await signInFrom(b, 'alice')
    await b.exchange(alice.session.sid, 'sydney')
    await b.revoke({ kind: 'grant', sid: alice.session.sid, clientId: 'sydney' })
    const bob = await signInFrom(b, 'bob', alice.cookie)
    b.now += DAY
    await b.store.expireSessions({ now: b.now, limit: 10 })
    expect(
      (await all(b, alice.session.sub))
        .map(({ kind, why, clientId }) => [kind, why, clientId])
        .sort(),
    ).toEqual([
      ['ended', 'administrator', 'sydney'],
      ['ended', 'replaced', undefined],
      ['signed_in', undefined, 'sydney'],
    ])
    expect(await all(b, bob.session.sub)).toMatchObject([
      { kind: 'ended', why: 'idle', actor: { kind: 'broker' } },
      { kind: 'signed_in' },
    ])
  })

  test('is read page by page: each entry once, also where many have the same second', async () => {
    const b = await open()
    for (let i = 0; i < 12; i++) {
      await b.signIn('alice')
      await b.signIn('bob')
      if (i % 5 === 4) b.now += 1
    }
    const sub = (await b.store.findSubjectByUser(TENANT, 'oid-alice'))?.sub ?? ''
    const whole = await all(b, sub)
    expect(whole).toHaveLength(12)
    expect(whole.map(({ at }) => at)).toEqual(
      whole.map(({ at }) => at).sort((earlier, value) => value - earlier),
    )
    for (const limit of [1, 5, 12]) {
      const read: SecurityEvent[] = []
      for (let page = await b.store.securityHistory({ sub, limit }); page.length > 0;) {
        read.push(...page)
        page = await b.store.securityHistory({ sub, before: page.at(-1), limit })
      }
      expect(read).toEqual(whole)
    }
  })

  test('has the entries of one second in the order in which they were written', async () => {
    const b = await open()
    const { session } = await b.signIn('alice')
    const devices = Array.from({ length: 50 }, (_, at) => `Browser ${at}`)
    for (const device of devices)
      await b.store.recordRejectedSignIn({
        user: session.user,
        why: 'mfa_not_proved',
        reference: `in ${device}`,
        device,
        now: b.now,
      })
    const read = await all(b, session.sub)
    expect(read.slice(0, 50).map(({ device }) => device)).toEqual(devices.toReversed())
  })

  test('begins with the first sign-in: a rejected one of a user who never signed in leaves no entry, and makes no user', async () => {
    const b = await open()
    const user = { tid: TENANT, oid: 'oid-mallory' }
    await b.store.recordRejectedSignIn({
      user,
      why: 'mfa_not_proved',
      reference: 'BCDF-GHJK',
      device: 'Firefox',
      now: b.now,
    })
    expect(await b.store.findSubjectByUser(TENANT, 'oid-mallory')).toBeUndefined()
    const { session } = await b.signIn('mallory')
    expect(await all(b, session.sub)).toHaveLength(1)
  })

  test('loses its addresses first and its entries later, as the settings say, a page at a time', async () => {
    const b = await open()
    const retention = {
      sessionDays: 30,
      revocationDays: 90,
      auditDays: 730,
      historyDays: 3,
      addressDays: 2,
    }
    const { sub } = (await signInFrom(b, 'alice')).session
    for (let i = 0; i < 4; i++, b.now += 1) await signInFrom(b, 'alice')
    b.now = T0 + 2 * DAY + 100
    await signInFrom(b, 'alice')
    const kept = async (now: number) => {
      let pages = 0
      for (const kind of ['addresses', 'history'] as const)
        while (await b.store.purge({ kind, now, limit: 2, retention })) pages++
      const events = await all(b, sub)
      return [
        pages > 1,
        events.filter(({ address }) => address !== undefined).length,
        events.length,
      ]
    }
    expect(await kept(T0 + 2 * DAY - 1)).toEqual([false, 6, 6])
    expect(await kept(T0 + 2 * DAY + 100)).toEqual([true, 1, 6])
    expect(await kept(T0 + 3 * DAY + 100)).toEqual([true, 1, 1])
  })

  test('is erased with the user, also where it is long; what is written after the erasure stays', async () => {
    const b = await open()
    const { sub } = (await signInFrom(b, 'alice')).session
    const bob = (await signInFrom(b, 'bob')).session.sub
    const rejected = {
      user: { tid: TENANT, oid: 'oid-alice' },
      why: 'mfa_not_proved',
      device: 'Chrome',
      from: FROM,
    } as const
    for (let i = 0; i < 600; i++)
      await b.store.recordRejectedSignIn({ ...rejected, reference: `R-${i}`, now: b.now })
    b.now += 10
    await b.store.eraseUser({ sub, actor: { kind: 'operator', id: 'olga' }, now: b.now })
    expect((await all(b, sub)).length).toBeGreaterThan(0)
    b.now += 10
    const later = await signInFrom(b, 'alice')
    while (await b.store.forgetErased({ limit: 50 }));
    expect(told(await all(b, sub))).toEqual([['signed_in', later.session.sid]])
    expect(await all(b, bob)).toHaveLength(1)
  })
})

type Step = {
  act:
    | 'sign_in'
    | 'renew'
    | 'end'
    | 'end_user'
    | 'end_tenant'
    | 'end_all'
    | 'wait'
    | 'fan_out'
    | 'sweep'
  who: string
  pick: number
}
const ACTS = [
  'sign_in',
  'sign_in',
  'renew',
  'end',
  'end_user',
  'end_tenant',
  'end_all',
  'wait',
  'fan_out',
  'sweep',
] as const
const step: fc.Arbitrary<Step> = fc.record({
  act: fc.constantFrom(...ACTS),
  who: fc.constantFrom('alice', 'bob'),
  pick: fc.nat(20),
})

/** Plays the steps. Returns the sessions that were opened. */
async function play(b: Bench, steps: Step[]): Promise<SignedIn[]> {
  const open: SignedIn[] = []
  const subOf = async (who: string) => (await b.store.findSubjectByUser(TENANT, `oid-${who}`))?.sub
  for (const { act, who, pick } of steps) {
    const picked = open[pick % Math.max(open.length, 1)]
    const sub = await subOf(who)
    if (act === 'sign_in') open.push(await b.signIn(who, { session: { idleSeconds: 600 } }))
    if (act === 'renew' && picked !== undefined) {
      const again = await b.signIn(who, { browser: picked.cookie, session: { idleSeconds: 600 } })
      if (again.renewed) open.splice(open.indexOf(picked), 1)
      open.push(again)
    }
    if (act === 'end' && picked !== undefined)
      await b.revoke({ kind: 'session', sid: picked.session.sid })
    if (act === 'end_user' && sub !== undefined) await b.revoke({ kind: 'subject', sub })
    if (act === 'end_tenant') await b.revoke({ kind: 'tenant', tid: TENANT })
    if (act === 'end_all') await b.revoke({ kind: 'everything' })
    if (act === 'wait') b.now += 400
    if (act === 'fan_out') await b.store.fanOutPending({ limit: 1 })
    if (act === 'sweep') await b.store.expireSessions({ now: b.now, limit: 2 })
  }
  return open
}

describe.each(STORES.slice(0, 1))('the security history after any acts, on %s', (_name, make) => {
  const open = benches(make)

  test('has each session once as it opened, and once as it ended, by the revocation that the session names, and never before it did', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 25 }), async (steps) => {
        const b = await open()
        const sessions = await play(b, steps)
        await b.fanOutAll(3)
        for (const { session } of sessions) {
          const status = await b.store.statusBySid(session.sid, b.now)
          const ended =
            status.state === 'ended' && status.why === 'revoked' ? status.session.ended : undefined
          const entries = (await all(b, session.sub)).filter(({ sid }) => sid === session.sid)
          expect(entries.filter(({ kind }) => kind === 'signed_in')).toHaveLength(1)
          expect(
            entries.flatMap(({ kind, why, seq }) => (kind === 'ended' ? [{ why, seq }] : [])),
          ).toEqual(ended === undefined ? [] : [{ why: ended.reason, seq: ended.seq }])
        }
      }),
      { numRuns: 25 },
    )
  })
})
