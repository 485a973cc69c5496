import { describe, expect, test } from 'vitest'
import {
  RAISES_FLOOR,
  REASONS,
  type Actor,
  type Reason,
  type Selector,
} from '../../src/protocol/revocation.ts'
import { type Bench, bench, benches, expectOutcome, STORES, T0, TENANT } from './fixture.ts'

const OTHER = '99999999-2222-4333-8444-555555555555'
const OPERATOR: Actor = { kind: 'operator', id: 'u_operator' }

/** Signs in by a visit that began when the log had `provenSeq`. 0: the sign-in was not fresh. */
async function attempt(
  b: Bench,
  provenSeq: number,
  { who = 'alice', tid = TENANT, homeId, authTime = b.now, contextSeq }: Attempt = {},
) {
  const id = ++made
  return b.store.signIn({
    session: {
      user: { tid, oid: `oid-${who}`, homeId },
      authTime,
      visitStartedAt: b.now,
      idleSeconds: 28_800,
      absoluteAt: b.now + 43_200,
      roles: [],
      staySignedIn: false,
      device: 'Firefox on Windows',
      cookieHash: `cookie-${id}`,
    },
    provenSeq,
    contextSeq,
    ids: { sub: `u_${id}`, sid: `s_${id}` },
    now: b.now,
  })
}
let made = 0
interface Attempt {
  who?: string
  tid?: string
  homeId?: string | undefined
  authTime?: number
  /** The number of the authentication context. Undefined: the tenant demands none. */
  contextSeq?: number
}

const revoke = async (
  b: Bench,
  selector: Selector,
  reason: Reason,
  actor = OPERATOR,
): Promise<number> =>
  expectOutcome(await b.store.revoke({ selector, reason, actor, now: b.now }), 'revoked').committed
    .revocation.seq

const NOT_FRESH = { outcome: 'rejected', why: 'not_fresh' }
const NO_CONTEXT = { ...NOT_FRESH, demand: 'fresh_context' }
const SIGNED_IN = { outcome: 'signed_in' }

describe.each(STORES)('the floor, on %s', (_name, make) => {
  const open = benches(make)

  test('after a revocation of a session a fresh sign-in is demanded, or not, as the table says of its reason', async () => {
    const b = await open()
    for (const reason of REASONS) {
      const { session } = await b.signIn(reason)
      const seq = await revoke(b, { kind: 'session', sid: session.sid }, reason)
      const { outcome } = await attempt(b, seq - 1, { who: reason })
      expect([reason, outcome]).toEqual([reason, RAISES_FLOOR[reason] ? 'rejected' : 'signed_in'])
      expect(await attempt(b, seq, { who: reason })).toMatchObject(SIGNED_IN)
    }
  })

  test('where the tenant demands an authentication context, a fresh sign-in without it meets the floor of a reason that is none of security alone', async () => {
    const b = await open()
    for (const reason of REASONS) {
      const { session } = await b.signIn(reason)
      const seq = await revoke(b, { kind: 'session', sid: session.sid }, reason)
      const outcomes = [
        await attempt(b, seq, { who: reason, contextSeq: seq - 1 }),
        await attempt(b, seq, { who: reason, contextSeq: seq }),
      ]
      const without = RAISES_FLOOR[reason] === 'security' ? NO_CONTEXT : SIGNED_IN
      expect([reason, ...outcomes]).toMatchObject([reason, without, SIGNED_IN])
      expect(await attempt(b, seq, { who: reason })).toMatchObject(SIGNED_IN)
    }
  })

  test('a later floor for another reason leaves the demand for the context, and the context alone does not meet it', async () => {
    const b = await open()
    const { session } = await b.signIn('alice')
    const security = await revoke(b, { kind: 'subject', sub: session.sub }, 'refresh_token_reuse')
    const plain = await revoke(b, { kind: 'subject', sub: session.sub }, 'signed_out_everywhere')
    expect(await attempt(b, plain, { contextSeq: 0 })).toMatchObject(NO_CONTEXT)
    expect(await attempt(b, security, { contextSeq: security })).toMatchObject({
      ...NOT_FRESH,
      demand: 'fresh',
    })
    expect(await attempt(b, plain, { contextSeq: security })).toMatchObject(SIGNED_IN)
    const owes = (provenSeq: number, contextSeq?: number) =>
      b.store.needsFreshSignIn({
        user: { tid: TENANT, oid: 'oid-alice' },
        provenSeq,
        contextSeq,
        now: b.now,
      })
    expect([
      await owes(plain, 0),
      await owes(0, security),
      await owes(plain, security),
      await owes(plain),
    ]).toEqual(['fresh_context', 'fresh', undefined, undefined])
  })

  test('the context is demanded for a floor of the tenant, of every user and of the home account too, and a waiver covers it', async () => {
    const b = await open()
    const homeId = 'oid-alice.tid-home'
    const { session } = expectOutcome(await attempt(b, 0, { homeId }), 'signed_in')
    const selectors: Selector[] = [
      { kind: 'tenant', tid: TENANT },
      { kind: 'everything' },
      { kind: 'subject', sub: session.sub },
    ]
    for (const selector of selectors) {
      const seq = await revoke(b, selector, 'administrator')
      expect(await attempt(b, seq, { homeId, contextSeq: seq - 1 })).toMatchObject(NO_CONTEXT)
      expect(await attempt(b, seq, { homeId, contextSeq: seq })).toMatchObject(SIGNED_IN)
    }
    const { seq } = await b.store.head()
    expect(
      await attempt(b, seq, { who: 'guest', tid: OTHER, homeId, contextSeq: 0 }),
    ).toMatchObject(NO_CONTEXT)
    await b.store.waiveFreshSignIn({
      selector: { kind: 'subject', sub: session.sub },
      untilAt: b.now + 60,
    })
    expect(await attempt(b, 0, { homeId, contextSeq: 0 })).toMatchObject(SIGNED_IN)
  })

  test('a revocation of a grant or a client raises no floor', async () => {
    const b = await open()
    await b.client('sydney')
    const { session } = await b.signIn('alice')
    await b.exchange(session.sid, 'sydney')
    await revoke(b, { kind: 'grant', sid: session.sid, clientId: 'sydney' }, 'administrator')
    await revoke(b, { kind: 'client', clientId: 'sydney' }, 'administrator')
    expect(await attempt(b, 0)).toMatchObject(SIGNED_IN)
  })

  test('it is demanded of whom the revocation covers, and of no other user', async () => {
    const b = await open()
    const { session } = await b.signIn('alice')
    await b.signIn('faye', { tid: OTHER })
    await revoke(b, { kind: 'subject', sub: session.sub }, 'administrator')
    expect(await attempt(b, 0, { who: 'bob' })).toMatchObject(SIGNED_IN)
    await revoke(b, { kind: 'tenant', tid: TENANT }, 'administrator')
    expect(await attempt(b, 0, { who: 'bob' })).toMatchObject(NOT_FRESH)
    expect(await attempt(b, 0, { who: 'faye', tid: OTHER })).toMatchObject(SIGNED_IN)
    await revoke(b, { kind: 'everything' }, 'administrator')
    expect(await attempt(b, 0, { who: 'faye', tid: OTHER })).toMatchObject(NOT_FRESH)
  })

  test('it is not consumed by the sign-in that meets it, only rises, and outlives retention and erasure', async () => {
    const b = await open()
    const { session } = await b.signIn('alice')
    const first = await revoke(b, { kind: 'subject', sub: session.sub }, 'signed_out_everywhere')
    expect(await attempt(b, first)).toMatchObject(SIGNED_IN)
    expect(await attempt(b, first - 1)).toMatchObject(NOT_FRESH)
    const second = await revoke(b, { kind: 'subject', sub: session.sub }, 'administrator')
    expect(await attempt(b, first)).toMatchObject(NOT_FRESH)
    expectOutcome(
      await b.store.eraseUser({ sub: session.sub, actor: OPERATOR, now: b.now }),
      'erased',
    )
    for (let more = true; more;) more = await b.store.forgetErased({ limit: 100 })
    b.now += 400 * 86_400
    for (const kind of ['sessions', 'revocations', 'codes', 'consumed'] as const)
      await b.store.purge({ kind, now: b.now, limit: 1000 })
    expect(await attempt(b, second)).toMatchObject(NOT_FRESH)
    expect(await attempt(b, (await b.store.head()).seq)).toMatchObject(SIGNED_IN)
  })

  test('a session that is renewed has to meet it as one that opens, and keeps its later auth_time', async () => {
    const b = await open()
    const [laptop, phone] = [await b.signIn('alice'), await b.signIn('alice')]
    const seq = await revoke(
      b,
      { kind: 'session', sid: phone.session.sid },
      'signed_out_remotely',
      { kind: 'user', id: phone.session.sub },
    )
    const again = (provenSeq: number, authTime: number) =>
      b
        .signIn('alice', { browser: laptop.cookie, provenSeq, session: { authTime } })
        .catch((error: Error) => error.message)
    expect(await again(seq - 1, b.now)).toContain('not_fresh')
    expect(await b.store.statusBySid(laptop.session.sid, b.now)).toMatchObject({ state: 'live' })
    expect(await again(seq, T0 - 1000)).toMatchObject({
      renewed: true,
      session: { sid: laptop.session.sid, authTime: T0 },
    })
  })

  test('a rejected sign-in leaves the session that the browser had', async () => {
    const b = await open()
    const alice = await b.signIn('alice')
    const bob = await b.signIn('bob')
    await revoke(b, { kind: 'session', sid: bob.session.sid }, 'administrator')
    await expect(b.signIn('bob', { browser: alice.cookie, provenSeq: 0 })).rejects.toThrow(
      'not_fresh',
    )
    expect(await b.store.statusBySid(alice.session.sid, b.now)).toMatchObject({ state: 'live' })
  })

  test('an operator’s covers the guest accounts of the same human in other tenants, also one that has never signed in; the user’s own does not', async () => {
    const b = await open()
    const homeId = 'oid-alice.tid-home'
    const home = expectOutcome(await attempt(b, 0, { homeId }), 'signed_in')
    await attempt(b, 0, { who: 'guest', tid: OTHER, homeId })
    const { sub } = home.session
    await revoke(b, { kind: 'subject', sub }, 'signed_out_everywhere', { kind: 'user', id: sub })
    expect(await attempt(b, 0, { who: 'guest', tid: OTHER, homeId })).toMatchObject(SIGNED_IN)
    // An operator who uses the admin API acts as a client.
    await revoke(b, { kind: 'subject', sub }, 'administrator', { kind: 'client', id: 'console' })
    expect(await attempt(b, 0, { who: 'guest', tid: OTHER, homeId })).toMatchObject(NOT_FRESH)
    expect(await attempt(b, 0, { who: 'third', tid: 'tenant-3', homeId })).toMatchObject(NOT_FRESH)
    expect(
      await attempt(b, 0, { who: 'third', tid: 'tenant-3', homeId: 'oid-bob.tid-home' }),
    ).toMatchObject(SIGNED_IN)
  })

  test('a lock by a client of the admin API does too, once it is lifted', async () => {
    const b = await open()
    const homeId = 'oid-alice.tid-home'
    expectOutcome(await attempt(b, 0, { homeId }), 'signed_in')
    const actor = { kind: 'client', id: 'robot' } as const
    const target = { kind: 'user', tid: TENANT, oid: 'oid-alice' } as const
    const { lock } = expectOutcome(
      await b.store.lock({
        target,
        actor,
        may: 'administer',
        operatorTenant: undefined,
        now: b.now,
      }),
      'locked',
    )
    await b.store.liftLock({ id: lock.id, actor, now: b.now })
    expect(await attempt(b, 0, { who: 'guest', tid: OTHER, homeId })).toMatchObject(NOT_FRESH)
  })

  test('where a tenant has never sent auth_time no sign-in could meet it, and none is demanded; from the first auth_time on it is', async () => {
    const b = await open()
    const silent = { authTime: 0 }
    const { session } = expectOutcome(await attempt(b, 0, silent), 'signed_in')
    const seq = await revoke(b, { kind: 'subject', sub: session.sub }, 'administrator')
    expect(await attempt(b, 0, silent)).toMatchObject(SIGNED_IN)
    expect(await attempt(b, 0)).toMatchObject(NOT_FRESH)
    expect(await attempt(b, 0, silent)).toMatchObject(NOT_FRESH)
    expect(await attempt(b, seq)).toMatchObject(SIGNED_IN)
  })

  test('a waiver demands none of its user or tenant until its end, and covers no later revocation', async () => {
    const b = await open()
    const { session } = await b.signIn('alice')
    const { sub } = session
    await b.signIn('bob')
    await revoke(b, { kind: 'everything' }, 'administrator')
    expect(
      await b.store.waiveFreshSignIn({
        selector: { kind: 'subject', sub: 'u_nobody' },
        untilAt: b.now + 60,
      }),
    ).toEqual({ outcome: 'unknown' })
    expect(
      await b.store.waiveFreshSignIn({ selector: { kind: 'subject', sub }, untilAt: b.now + 60 }),
    ).toMatchObject({ outcome: 'waived' })
    expect(await attempt(b, 0)).toMatchObject(SIGNED_IN)
    expect(await attempt(b, 0, { who: 'bob' })).toMatchObject(NOT_FRESH)
    b.now += 60
    expect(await attempt(b, 0)).toMatchObject(NOT_FRESH)
    await b.store.waiveFreshSignIn({
      selector: { kind: 'tenant', tid: TENANT },
      untilAt: b.now + 3600,
    })
    expect(await attempt(b, 0, { who: 'bob' })).toMatchObject(SIGNED_IN)
    await revoke(b, { kind: 'subject', sub }, 'administrator')
    expect(await attempt(b, 0)).toMatchObject(NOT_FRESH)
  })

  test('the dry run counts users who come back without a password, because their tenant has never sent auth_time', async () => {
    const b = await open()
    const { session } = await b.signIn('alice')
    await attempt(b, 0, { who: 'faye', tid: OTHER, authTime: 0 })
    await attempt(b, 0, { who: 'felix', tid: OTHER, authTime: 0 })
    expect(await b.store.tenantsWithAuthTime()).toEqual([TENANT])
    const preview = (selector: Selector) => b.store.previewRevocation(selector, b.now)
    expect(await preview({ kind: 'everything' })).toMatchObject({
      subjects: 3,
      withoutFreshSignIn: 2,
    })
    const first = (await preview({ kind: 'everything' })).firstSubjects
    expect([first, first.includes(session.sub)]).toEqual([first.toSorted(), true])
    const two = first.slice(0, 2).map((sub) => ({ kind: 'subject', sub }) as const)
    expect(await b.store.previewRevocation(two, b.now)).toMatchObject({
      sessions: 2,
      subjects: 2,
      firstSubjects: two.map(({ sub }) => sub),
    })
    expect(await preview({ kind: 'subject', sub: session.sub })).toMatchObject({
      subjects: 1,
      withoutFreshSignIn: 0,
    })
    expect(await preview({ kind: 'grant', sid: session.sid, clientId: 'sydney' })).toMatchObject({
      withoutFreshSignIn: 0,
    })
  })

  test('it outlives a restart, and a user whose browser has no proof needs a fresh sign-in', async () => {
    const under = make()
    const b = await bench(under)
    try {
      const { session } = await b.signIn('alice')
      const seq = await revoke(b, { kind: 'subject', sub: session.sub }, 'signed_out_everywhere')
      await b.store.close()
      b.store = await under.open(() => b.now * 1000)
      expect(await attempt(b, seq - 1)).toMatchObject(NOT_FRESH)
      const owes = (provenSeq: number, oid = 'oid-alice') =>
        b.store.needsFreshSignIn({ user: { tid: TENANT, oid }, provenSeq, now: b.now })
      expect([await owes(0), await owes(seq), await owes(0, 'oid-nobody')]).toEqual([
        'fresh',
        undefined,
        undefined,
      ])
    } finally {
      await b.close()
      await under.remove()
    }
  })

  test('a sign-in beside the revocation is covered by it, or has to meet its floor', async () => {
    const b = await open()
    const whos = Array.from({ length: 12 }, (_, n) => `user-${n}`)
    for (const who of whos) {
      const { session } = await b.signIn(who)
      const before = (await b.store.head()).seq
      const [opened, seq] = await Promise.all([
        attempt(b, before, { who }),
        revoke(b, { kind: 'subject', sub: session.sub }, 'administrator'),
      ])
      if (opened.outcome === 'rejected') continue
      expect(opened.session.openedSeq).toBeLessThan(seq)
      expect(await b.store.statusBySid(opened.session.sid, b.now)).toMatchObject({
        state: 'ended',
        why: 'revoked',
      })
    }
  })
})
