import { describe, expect, test } from 'vitest'
import type { LockTarget } from '../../src/protocol/lock-target.ts'
import { ROLE } from '../../src/protocol/names.ts'
import {
  benches,
  codeFor,
  expectOutcome,
  family,
  metadataOf,
  redemptionOf,
  signedIn,
  STORES,
  T0,
  TENANT,
  type Bench,
} from './fixture.ts'

/**
 * Locks: no session of a locked user or tenant and no grant of a locked client lives, and none
 * begins until the lock is lifted.
 */

const ADAM = { kind: 'operator', id: 'u_adam' } as const
const ERIN = { kind: 'operator', id: 'u_erin' } as const
const ALICE: LockTarget = { kind: 'user', tid: TENANT, oid: 'oid-alice' }
const SYDNEY: LockTarget = { kind: 'client', clientId: 'sydney' }
const TENANT_LOCK: LockTarget = { kind: 'tenant', tid: TENANT }

type How = Partial<Parameters<Bench['store']['lock']>[0]>
const lock = (b: Bench, target: LockTarget, how: How = {}) =>
  b.store.lock({
    target,
    actor: ADAM,
    may: 'administer',
    operatorTenant: undefined,
    now: b.now,
    ...how,
  })
const locked = async (b: Bench, target: LockTarget, how: How = {}) =>
  expectOutcome(await lock(b, target, how), 'locked').lock
const lift = (b: Bench, id: string) => b.store.liftLock({ id, actor: ERIN, now: b.now })

const connect = (b: Bench, tid = TENANT) =>
  b.store.putTenant({ tid, mfaProof: 'amr', connectedAt: T0 })

const stateOf = async (b: Bench, sid: string) => (await b.store.statusBySid(sid, b.now)).state

describe.each(STORES)('locks, on %s', (_name, make) => {
  const open = benches(make)

  test('a lock of a user revokes what they have, and rejects them until it is lifted by an act', async () => {
    const b = await open()
    const { sid } = await signedIn(b)
    const { family: refresh } = await b.exchange(sid, 'sydney')
    const held = await locked(b, ALICE, { caseReference: 'INC-7', endsAt: b.now + 60 })
    expect(await b.store.findRevocation(held.seq ?? 0)).toMatchObject({
      reason: 'locked',
      actor: ADAM,
      caseReference: 'INC-7',
    })
    expect(await stateOf(b, sid)).toBe('ended')
    expect(await b.refresh(family(refresh))).toEqual({ outcome: 'rejected', why: 'locked' })
    b.now += 120
    expect(await b.tryToSignIn('alice')).toMatchObject({ outcome: 'rejected', why: 'user_locked' })
    await b.signIn('bob')
    expect(await lift(b, held.id)).toMatchObject({
      outcome: 'lifted',
      lock: { lifted: { at: b.now, actor: ERIN } },
    })
    const again = (await b.signIn('alice')).session
    expect(await stateOf(b, again.sid)).toBe('live')
    expect((await b.refresh(family((await b.exchange(again.sid, 'sydney')).family))).outcome).toBe(
      'rotated',
    )
  })

  test('a user is locked before they ever signed in; a name that nothing has is rejected', async () => {
    const b = await open()
    expect(await lock(b, ALICE)).toEqual({ outcome: 'unknown' })
    expect(await lock(b, SYDNEY)).toEqual({ outcome: 'unknown' })
    expect(await lock(b, TENANT_LOCK)).toEqual({ outcome: 'unknown' })
    await connect(b)
    expect(await lock(b, ALICE)).toMatchObject({
      outcome: 'locked',
      committed: [],
      lock: { seq: undefined },
    })
    expect(await b.tryToSignIn('alice')).toMatchObject({ why: 'user_locked' })
  })

  test('the administrator of a tenant acts in that tenant alone: revocation, lock, lift and floor reach no other', async () => {
    const b = await open()
    const OTHER = '22222222-2222-4333-8444-555555555555'
    const user = (tid: string, oid: string) => ({
      tid,
      session: { user: { tid, oid, homeId: 'uid.utid' } },
    })
    const [own, guest] = [
      (await b.signIn('alice', user(TENANT, 'oid-alice'))).session,
      (await b.signIn('g1', user(OTHER, 'g1'))).session,
    ]
    const admin = (await b.signIn('tina', { session: { user: { tid: TENANT, oid: 'tina' } } }))
      .session
    await connect(b)
    const actor = { kind: 'operator', id: admin.sub, tid: TENANT } as const
    const revoke = (selector: Parameters<Bench['store']['revoke']>[0]['selector']) =>
      b.store.revoke({ selector, reason: 'administrator', actor, now: b.now })
    const outside = [
      { kind: 'session', sid: guest.sid },
      { kind: 'subject', sub: guest.sub },
      { kind: 'tenant', tid: TENANT },
      { kind: 'tenant', tid: OTHER },
      { kind: 'client', clientId: 'sydney' },
      { kind: 'everything' },
    ] as const
    for (const selector of outside)
      expect([selector, await revoke(selector)]).toEqual([selector, { outcome: 'unknown' }])
    for (const target of [{ kind: 'user', tid: OTHER, oid: 'g1' }, TENANT_LOCK, SYDNEY] as const)
      expect([target, await lock(b, target, { actor })]).toEqual([target, { outcome: 'unknown' }])
    const operators = await locked(b, { kind: 'user', tid: TENANT, oid: 'someone' })
    expect(await b.store.liftLock({ id: operators.id, actor, now: b.now })).toEqual({
      outcome: 'unknown',
    })
    const theirs = await locked(b, ALICE, { actor })
    expect([await stateOf(b, own.sid), await stateOf(b, guest.sid)]).toEqual(['ended', 'live'])
    expect(await b.tryToSignIn('g1', { ...user(OTHER, 'g1'), provenSeq: 0 })).toMatchObject({
      outcome: 'signed_in',
    })
    expect(await b.store.liftLock({ id: theirs.id, actor, now: b.now })).toMatchObject({
      outcome: 'lifted',
    })
    expect(await revoke({ kind: 'subject', sub: own.sub })).toMatchObject({ outcome: 'revoked' })
    const listed = await b.store.listRevocations({ tid: TENANT, limit: 9 })
    expect(listed.map(({ tid }) => tid)).toEqual([TENANT, TENANT])
    expect(await b.store.listRevocations({ tid: OTHER, limit: 9 })).toEqual([])
  })

  test('the audit log of a tenant holds what its own administrators did', async () => {
    const b = await open()
    const admin = (await b.signIn('tina')).session
    await b.store.recordOperator({ sub: admin.sub, may: 'tenant', now: b.now })
    for (const id of [admin.sub, 'u_adam'])
      await b.store.appendAudit({ actor: { kind: 'operator', id }, via: 'console', act: 'revoke' })
    expect(
      (await b.store.listAudit({ tid: TENANT, limit: 9 })).map((entry) => entry.actor.id),
    ).toEqual([admin.sub])
    expect(
      await b.store.listAudit({ tid: '22222222-2222-4333-8444-555555555555', limit: 9 }),
    ).toEqual([])
  })

  test('of several administrators the newest first, page by page; what others did counts in no bound', async () => {
    const b = await open()
    const subs: string[] = []
    for (const name of ['tina', 'toni']) {
      const { sub } = (await b.signIn(name)).session
      await b.store.recordOperator({ sub, may: 'tenant', now: b.now })
      subs.push(sub)
    }
    const { sub: mere } = (await b.signIn('uma')).session
    const [tina = '', toni = ''] = subs
    const actors = [tina, 'u_adam', toni, tina, mere, 'u_adam', 'u_adam', tina, toni, 'u_adam']
    const ids: number[] = []
    for (const id of actors)
      ids.push(
        await b.store.appendAudit({
          actor: { kind: 'operator', id },
          via: 'console',
          act: 'revoke',
        }),
      )
    await b.store.appendAudit({ actor: { kind: 'user', id: tina }, via: 'console', act: 'revoke' })
    const page = async (before?: number) => {
      const { found, searchedTo } = await b.store.pageOfAudit({
        tid: TENANT,
        before,
        limit: 3,
        most: 2,
      })
      return [found.map(({ id }) => ids.indexOf(id)), searchedTo]
    }
    expect(await page()).toEqual([[8, 7, 3], undefined])
    expect(await page(ids[3])).toEqual([[2, 0], undefined])
    expect(await page(ids[0])).toEqual([[], undefined])
  })

  test('a lock of a user covers them as a guest of other tenants, also of those where they have not signed in', async () => {
    const b = await open()
    const home = { homeId: 'uid.utid' }
    const user = (tid: string, oid: string) => ({ tid, session: { user: { tid, oid, ...home } } })
    const guests = [
      user('22222222-2222-4333-8444-555555555555', 'g1'),
      user('33333333-2222-4333-8444-555555555555', 'g2'),
    ] as const
    const own = await b.signIn('alice', user(TENANT, 'oid-alice'))
    const guest = await b.signIn('guest', guests[0])
    const otherSubjects = [guest.session.sub]
    const preview = await b.store.previewRevocation(
      { kind: 'subject', sub: own.session.sub },
      b.now,
    )
    expect(preview).toMatchObject({ sessions: 1, subjects: 1, otherSubjects })
    expect(await b.store.previewRevocation({ kind: 'tenant', tid: TENANT }, b.now)).toMatchObject({
      sessions: 1,
      otherSubjects: [],
    })
    const held = await locked(b, ALICE)
    expect([await stateOf(b, own.session.sid), await stateOf(b, guest.session.sid)]).toEqual([
      'ended',
      'ended',
    ])
    for (const how of [user(TENANT, 'oid-alice'), ...guests])
      expect(await b.tryToSignIn('x', how)).toMatchObject({ why: 'user_locked' })
    await lift(b, held.id)
    for (const how of guests) await b.signIn('x', how)
  })

  test.each([
    ['who has signed in only as a guest of another tenant', false],
    ['whose home account Microsoft did not name', true],
  ])('a lock by tenant and object id of a user %s covers the guest', async (_, signedInAtHome) => {
    const b = await open()
    const at = {
      session: {
        user: {
          tid: '22222222-2222-4333-8444-555555555555',
          oid: 'g1',
          homeId: `oid-alice.${TENANT}`,
        },
      },
    }
    const guest = (await b.signIn('guest', at)).session
    const own = signedInAtHome ? (await b.signIn('alice')).session : undefined
    expect(await b.store.findHuman({ tid: TENANT, oid: 'oid-alice' })).toMatchObject({
      sub: own?.sub,
      others: [guest.sub],
    })
    const self = { actor: { kind: 'operator', id: guest.sub } } as const
    expect(await lock(b, ALICE, self)).toEqual({ outcome: 'rejected', why: 'self' })
    const held = await locked(b, ALICE)
    expect(await b.store.findRevocation(held.seq ?? 0)).toMatchObject({
      selector: { kind: 'subject', sub: own?.sub ?? guest.sub },
      reason: 'locked',
    })
    expect(await stateOf(b, guest.sid)).toBe('ended')
    expect(await b.tryToSignIn('guest', at)).toMatchObject({ why: 'user_locked' })
    await lift(b, held.id)
    expect(await b.tryToSignIn('guest', { ...at, provenSeq: 0 })).toMatchObject({
      why: 'not_fresh',
    })
    await b.signIn('guest', at)
  })

  test('a lock of a tenant is one of each of its users', async () => {
    const b = await open()
    await connect(b)
    const { sid } = await signedIn(b)
    const other = await b.signIn('eve', { tid: '99999999-2222-4333-8444-555555555555' })
    const held = await locked(b, TENANT_LOCK)
    expect([await stateOf(b, sid), await stateOf(b, other.session.sid)]).toEqual(['ended', 'live'])
    expect(await b.tryToSignIn('alice')).toMatchObject({ why: 'tenant_locked' })
    await lift(b, held.id)
    await b.signIn('alice')
  })

  test('a locked client gets no code, no token and no grant of its own, and no client gets a token for its audience', async () => {
    const b = await open()
    const { sid, sub } = await signedIn(b)
    const audience = 'https://sydney.example'
    const before = codeFor('sydney', b.now)
    await b.store.issueCode({ sid, code: before, now: b.now })
    const own = await b.exchange(sid, 'sydney')
    const other = await b.exchange(sid, 'melbourne')
    const held = await locked(b, SYDNEY)
    expect(await stateOf(b, sid)).toBe('live')
    expect(
      await b.store.issueCode({ sid, code: codeFor('sydney', b.now), now: b.now }),
    ).toMatchObject({
      state: 'locked',
      by: 'client',
    })
    expect(
      await b.store.issueCode({ sid, code: codeFor('melbourne', b.now, { audience }), now: b.now }),
    ).toMatchObject({ state: 'locked', by: 'client' })
    expect(await b.store.redeemAuthorizationCode(redemptionOf(before, b.now))).toEqual({
      outcome: 'rejected',
      why: 'locked',
    })
    const code = codeFor('melbourne', b.now)
    await b.store.issueCode({ sid, code, now: b.now })
    expect(
      await b.store.redeemAuthorizationCode({ ...redemptionOf(code, b.now), audience }),
    ).toEqual({ outcome: 'rejected', why: 'locked' })
    expect((await b.store.redeemAuthorizationCode(redemptionOf(code, b.now))).outcome).toBe(
      'redeemed',
    )
    expect(await b.refresh(family(own.family))).toEqual({ outcome: 'rejected', why: 'locked' })
    const { familyId, generation, clientId } = family(other.family)
    const rotation = { familyId, generation, clientId, now: b.now }
    expect(await b.store.rotateRefreshToken({ ...rotation, audience })).toEqual({
      outcome: 'rejected',
      why: 'locked',
    })
    expect((await b.store.rotateRefreshToken(rotation)).outcome).toBe('rotated')
    const access = { sid, sub, now: b.now, touch: false }
    const rejected = { outcome: 'rejected', why: 'locked' }
    expect(await b.store.checkAccess({ ...access, clientId: 'sydney', rev: own.rev })).toEqual(
      rejected,
    )
    expect(
      await b.store.checkAccess({
        ...access,
        clientId: 'melbourne',
        rev: other.rev,
        needs: 'sydney',
      }),
    ).toEqual(rejected)
    expect(
      await b.store.checkAccess({
        ...access,
        clientId: 'melbourne',
        rev: other.rev,
        joins: 'sydney',
      }),
    ).toEqual(rejected)
    expect(
      await b.store.checkAccess({ ...access, clientId: 'melbourne', rev: other.rev, audience }),
    ).toEqual(rejected)
    expect(
      (await b.store.checkAccess({ ...access, clientId: 'melbourne', rev: other.rev })).outcome,
    ).toBe('good')
    expect(await b.store.grantClient({ clientId: 'sydney', audience: 'x' })).toEqual({
      outcome: 'rejected',
      why: 'locked',
    })
    expect(await b.store.grantClient({ clientId: 'melbourne', audience })).toEqual({
      outcome: 'rejected',
      why: 'locked',
    })
    expect(
      await b.store.checkClientAccess({ clientId: 'melbourne', rev: 9, needs: 'sydney' }),
    ).toBe(false)
    expect((await b.store.findFamily(family(own.family).familyId, 1))?.current).toBe(false)
    await lift(b, held.id)
    expect((await b.store.grantClient({ clientId: 'sydney', audience })).outcome).toBe('granted')
    expect((await b.refresh(family(own.family))).outcome).toBe('rejected')
    expect((await b.refresh(family((await b.exchange(sid, 'sydney')).family))).outcome).toBe(
      'rotated',
    )
  })

  test('a lock follows the audience of its client', async () => {
    const b = await open()
    await signedIn(b)
    await locked(b, SYDNEY)
    await b.client('sydney', { audience: 'https://new.example' })
    const rejected = { outcome: 'rejected', why: 'locked' }
    expect(
      await b.store.grantClient({ clientId: 'melbourne', audience: 'https://new.example' }),
    ).toEqual(rejected)
    expect(
      (await b.store.grantClient({ clientId: 'melbourne', audience: 'https://sydney.example' }))
        .outcome,
    ).toBe('granted')
  })

  test('a locked client is still sent what is revoked', async () => {
    const b = await open()
    const { sid } = await signedIn(b)
    await b.exchange(sid, 'sydney')
    await locked(b, SYDNEY)
    await b.revoke({ kind: 'session', sid })
    expect(await b.due(b.now * 1000)).not.toEqual([])
  })

  test('after `already` the lock that was asked for is in force: as long, and in each of the user’s tenants', async () => {
    const b = await open()
    const home = { homeId: 'uid.utid' }
    await signedIn(b, { user: { tid: TENANT, oid: 'oid-alice', name: 'Alice', ...home } })
    const lengths = [undefined, 9, 60, 3600]
    for (const first of lengths)
      for (const second of lengths)
        for (const isNarrow of [false, true]) {
          const endsAt = (seconds: number | undefined) => seconds && b.now + seconds
          const tina = { kind: 'operator', id: 'tina', tid: ALICE.tid } as const
          const narrow = isNarrow ? { actor: tina } : {}
          const made = await lock(b, ALICE, { ...narrow, endsAt: endsAt(first) })
          if (made.outcome !== 'locked') return expect.unreachable(made.outcome)
          const again = await lock(b, ALICE, { endsAt: endsAt(second) })
          const isInForce = !isNarrow && (first ?? Infinity) >= (second ?? Infinity)
          expect([first, second, isNarrow, again.outcome]).toEqual([
            first,
            second,
            isNarrow,
            isInForce ? 'already' : 'weaker',
          ])
          await lift(b, made.lock.id)
        }
  })

  test('of two operators at once, one locks and one lifts; a lock is replaced by its id alone', async () => {
    const b = await open()
    await signedIn(b)
    const both = await Promise.all([lock(b, ALICE), lock(b, ALICE, { actor: ERIN })])
    expect(both.map(({ outcome }) => outcome).toSorted()).toEqual(['already', 'locked'])
    const [first] = await b.store.listLocks({ state: 'open', limit: 9 })
    const id = first?.id ?? ''
    const replacing = await Promise.all([
      lock(b, ALICE, { replaces: id }),
      lock(b, ALICE, { replaces: id, endsAt: b.now + 9 }),
    ])
    expect(replacing.map(({ outcome }) => outcome).toSorted()).toEqual(['already', 'locked'])
    expect(await b.store.listLocks({ state: 'open', limit: 9 })).toHaveLength(1)
    expect((await b.tryToSignIn('alice')).outcome).toBe('rejected')
    const [second] = await b.store.listLocks({ state: 'open', limit: 9 })
    const lifting = await Promise.all([lift(b, second?.id ?? ''), lift(b, second?.id ?? '')])
    expect(lifting.map(({ outcome }) => outcome).toSorted()).toEqual(['already', 'lifted'])
    expect(await lock(b, ALICE, { replaces: second?.id })).toEqual({ outcome: 'changed' })
    expect(await lift(b, 'l_none')).toEqual({ outcome: 'unknown' })
  })

  test('no operator locks themselves, the operator tenant, the console or the last two administrators', async () => {
    const b = await open()
    await connect(b)
    await b.store.putClient({
      clientId: 'console',
      source: 'broker',
      metadata: metadataOf('console'),
      now: b.now,
    })
    const users = await Promise.all(['adam', 'erin', 'olga', 'gina'].map((who) => b.signIn(who)))
    const [adam = '', erin = '', olga = ''] = users.map(({ session }) => session.sub)
    const as = (sub: string): How => ({
      actor: { kind: 'operator', id: sub },
      operatorTenant: TENANT,
    })
    const user = (who: string): LockTarget => ({ kind: 'user', tid: TENANT, oid: `oid-${who}` })
    const rejected = (why: string) => ({ outcome: 'rejected', why })
    for (const sub of [adam, erin])
      await b.store.recordOperator({ sub, may: 'administer', now: b.now })
    await b.store.recordOperator({ sub: olga, may: 'operate', now: b.now })
    expect(await lock(b, user('adam'), as(adam))).toEqual(rejected('self'))
    expect(await lock(b, TENANT_LOCK, as(adam))).toEqual(rejected('operator_tenant'))
    expect(await lock(b, { kind: 'client', clientId: 'console' }, as(adam))).toEqual(
      rejected('console'),
    )
    expect(await lock(b, user('erin'), as(adam))).toEqual(rejected('last_administrators'))
    expect(await lock(b, user('olga'), { ...as(adam), may: 'operate' })).toEqual(
      rejected('has_role'),
    )
    const live = await b.signIn('ines', { session: { roles: [ROLE.administrator] } })
    expect(await lock(b, user('ines'), { ...as(olga), may: 'operate' })).toEqual(
      rejected('has_role'),
    )
    await b.store.recordOperator({ sub: live.session.sub, may: 'administer', now: b.now })
    // The broker knows three administrators. One may be locked, and then two are left.
    expect((await lock(b, user('ines'), as(adam))).outcome).toBe('locked')
    expect(await lock(b, user('erin'), as(adam))).toEqual(rejected('last_administrators'))
    expect((await lock(b, user('gina'), { ...as(olga), may: 'operate' })).outcome).toBe('locked')
    const robot = { actor: { kind: 'client', id: 'sydney' } as const }
    await b.client('sydney')
    expect(await lock(b, SYDNEY, robot)).toEqual(rejected('self'))
  })

  test('a lock of a guest account meets the protection that its user has in the operator tenant', async () => {
    const b = await open()
    const guestTenant = '22222222-2222-4333-8444-555555555555'
    const signIn = (who: string, tid: string) =>
      b.signIn(who, { tid, session: { user: { tid, oid: `oid-${who}`, homeId: `${who}.utid` } } })
    const own = async (who: string) => (await signIn(who, TENANT)).session.sub
    const [adam, erin, ines, olga] = [
      await own('adam'),
      await own('erin'),
      await own('ines'),
      await own('olga'),
    ]
    for (const who of ['adam', 'erin', 'ines']) await signIn(who, guestTenant)
    for (const sub of [adam, erin, ines])
      await b.store.recordOperator({ sub, may: 'administer', now: b.now })
    const as = (id: string): How => ({ actor: { kind: 'operator', id }, operatorTenant: TENANT })
    const guest = (who: string): LockTarget => ({
      kind: 'user',
      tid: guestTenant,
      oid: `oid-${who}`,
    })
    expect(await lock(b, guest('adam'), as(adam))).toEqual({ outcome: 'rejected', why: 'self' })
    expect(await lock(b, guest('erin'), { ...as(olga), may: 'operate' })).toEqual({
      outcome: 'rejected',
      why: 'has_role',
    })
    // An administrator who is locked as a guest is locked in the operator tenant too, so that two
    // are left.
    expect((await lock(b, guest('ines'), as(adam))).outcome).toBe('locked')
    for (const tid of [TENANT, guestTenant])
      expect(await lock(b, { kind: 'user', tid, oid: 'oid-erin' }, as(adam))).toEqual({
        outcome: 'rejected',
        why: 'last_administrators',
      })
  })

  test('locks whose end has come are lifted once, each with an entry in the audit log', async () => {
    const b = await open()
    await connect(b)
    for (const who of ['a', 'b', 'c'])
      await locked(b, { kind: 'user', tid: TENANT, oid: `oid-${who}` }, { endsAt: b.now + 60 })
    const stays = await locked(b, ALICE)
    expect(await b.store.liftDueLocks({ now: b.now + 59, limit: 10 })).toEqual([])
    b.now += 60
    const done = (
      await Promise.all([1, 2].map(() => b.store.liftDueLocks({ now: b.now, limit: 10 })))
    ).flat()
    expect(new Set(done.map(({ id }) => id)).size).toBe(3)
    expect(done).toHaveLength(3)
    expect(await b.store.listLocks({ state: 'open', limit: 9 })).toMatchObject([{ id: stays.id }])
    const audit = await b.store.listAudit({ act: 'lock.lift', limit: 9 })
    expect(audit.map(({ actor, via, ended }) => [actor.id, via, ended?.outcome])).toEqual(
      [1, 2, 3].map(() => ['lift-locks', 'broker', 'done']),
    )
    await b.signIn('a')
  })

  test('lists go page by page, newest first, by kind, target and case', async () => {
    const b = await open()
    await signedIn(b)
    await connect(b)
    for (const n of [4, 5]) {
      b.now += 1
      await locked(b, { kind: 'user', tid: TENANT, oid: `oid-${n}` }, { caseReference: `INC-${n}` })
    }
    b.now += 1
    await locked(b, SYDNEY, { endsAt: b.now + 5 })
    const first = await b.store.listLocks({ state: 'open', limit: 2 })
    expect(first.map(({ target }) => target.kind)).toEqual(['client', 'user'])
    const next = await b.store.listLocks({ state: 'open', limit: 2, before: first[1]?.id })
    expect(next.map(({ caseReference }) => caseReference)).toEqual(['INC-4'])
    expect(
      await b.store.listLocks({ state: 'all', limit: 9, caseReference: 'INC-5' }),
    ).toHaveLength(1)
    expect(
      await b.store.listLocks({ state: 'all', limit: 9, kind: 'client', key: 'sydney' }),
    ).toHaveLength(1)
    expect(await b.store.listLocks({ state: 'lifted', limit: 9 })).toEqual([])
    expect(await b.store.lockCounts()).toEqual([
      { kind: 'client', open: 1 },
      { kind: 'user', open: 2 },
    ])
  })
})
