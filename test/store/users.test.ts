import { describe, expect, test } from 'vitest'
import { benches, expectOutcome, family, STORES, type Bench } from './fixture.ts'

const forgetAll = async (b: Bench, limit = 1_000): Promise<number> => {
  let pages = 1
  while (await b.store.forgetErased({ limit })) pages++
  return pages
}
const OPERATOR = { kind: 'operator', id: 'olga' } as const

describe.each(STORES)('a user who is to be forgotten, on %s', (_name, make) => {
  const open = benches(make)
  const personal = {
    loginHintSealed: 'sealed-hint',
    microsoftCacheSealed: 'sealed-cache',
    microsoftSid: 'entra-sid',
    acr: 'mfa',
    amr: ['mfa'],
  }

  test('is signed out everywhere, and has neither name nor device afterwards; their ids stay', async () => {
    const b = await open()
    await b.client('sydney')
    const ended = await b.signIn('alice', { session: personal })
    await b.revoke({ kind: 'session', sid: ended.session.sid })
    const live = await b.signIn('alice', { session: { ...personal, cookieHash: 'another' } })
    const { family: tokens } = await b.exchange(live.session.sid, 'sydney')
    const { committed } = expectOutcome(
      await b.store.eraseUser({
        sub: live.session.sub,
        actor: OPERATOR,
        caseReference: 'DSR-1',
        now: b.now,
      }),
      'erased',
    )
    expect(committed.revocation).toMatchObject({
      selector: { kind: 'subject', sub: live.session.sub },
      reason: 'administrator',
      caseReference: 'DSR-1',
    })
    expect(await b.refresh(family(tokens))).toEqual({ outcome: 'rejected', why: 'revoked' })
    expect(await b.fanOutAll()).toBe(1)
    await forgetAll(b)
    for (const { session } of [ended, live]) {
      const status = await b.store.statusBySid(session.sid, b.now)
      expect(status).toMatchObject({
        state: 'ended',
        session: { sid: session.sid, sub: session.sub, device: '', roles: [] },
      })
      const kept = JSON.stringify(status)
      for (const value of [
        'alice@contoso.example',
        '"alice"',
        'sealed-hint',
        'entra-sid',
        'Firefox',
        'Case.Worker',
        '"mfa"',
      ])
        expect(kept).not.toContain(value)
    }
    expect(await b.store.findSubject(live.session.sub)).toMatchObject({
      oid: 'oid-alice',
      name: undefined,
      username: undefined,
      email: undefined,
    })
  })

  test('what was written of them in locks is forgotten; a lock stays', async () => {
    const b = await open()
    const { session } = await b.signIn('alice')
    const target = { kind: 'user', tid: session.user.tid, oid: session.user.oid } as const
    await b.store.lock({
      target,
      actor: OPERATOR,
      may: 'administer',
      operatorTenant: undefined,
      comment: 'Alice left',
      now: b.now,
    })
    await b.store.eraseUser({ sub: session.sub, actor: OPERATOR, now: b.now })
    expect(await b.store.listLocks({ state: 'open', limit: 2 })).toMatchObject([
      { target, comment: undefined },
    ])
  })

  test('no other user is touched', async () => {
    const b = await open()
    const [alice, bob] = [await b.signIn('alice'), await b.signIn('bob')]
    await b.store.eraseUser({ sub: alice.session.sub, actor: OPERATOR, now: b.now })
    await b.fanOutAll()
    expect(await b.store.statusBySid(bob.session.sid, b.now)).toMatchObject({
      state: 'live',
      session: { user: { name: 'bob' }, device: 'Firefox on Windows' },
    })
  })

  test('a user who signs in again is the same subject', async () => {
    const b = await open()
    const before = await b.signIn('alice')
    await b.store.eraseUser({ sub: before.session.sub, actor: OPERATOR, now: b.now })
    const after = await b.signIn('alice')
    expect(after.session.sub).toBe(before.session.sub)
    expect(await b.store.statusBySid(after.session.sid, b.now)).toMatchObject({
      state: 'live',
      session: { user: { name: 'alice' } },
    })
  })

  test('an unknown user: nothing is revoked', async () => {
    const b = await open()
    expect(await b.store.eraseUser({ sub: 'u_nobody', actor: OPERATOR, now: b.now })).toEqual({
      outcome: 'unknown',
    })
    expect((await b.store.head()).seq).toBe(0)
  })

  test('the revocation is there at its commit, and its answer waits for no page; the rest is forgotten page by page, resumable', async () => {
    const b = await open()
    const alice = await b.signIn('alice')
    await b.revoke({ kind: 'session', sid: alice.session.sid })
    for (let n = 0; n < 25; n++) await b.signIn(`other-${n}`)
    expectOutcome(
      await b.store.eraseUser({ sub: alice.session.sub, actor: OPERATOR, now: b.now }),
      'erased',
    )
    const device = async () => JSON.stringify(await b.store.statusBySid(alice.session.sid, b.now))
    expect(await device()).toContain('Firefox')
    expect(await b.store.forgetErased({ limit: 4 })).toBe(true)
    // Two workers forget at once, as two processes would.
    await Promise.all([forgetAll(b, 4), forgetAll(b, 4)])
    expect(await device()).toContain('"device":""')
    expect(await b.store.forgetErased({ limit: 4 })).toBe(false)
  })

  test('a session that was opened after the erasure keeps its roles and device while the pages go on', async () => {
    const b = await open()
    const before = await b.signIn('alice')
    await b.store.eraseUser({ sub: before.session.sub, actor: OPERATOR, now: b.now })
    const after = await b.signIn('alice')
    await forgetAll(b)
    expect(await b.store.statusBySid(after.session.sid, b.now)).toMatchObject({
      state: 'live',
      session: { device: 'Firefox on Windows', roles: ['Case.Worker'] },
    })
  })
})
