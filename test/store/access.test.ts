import { describe, expect, test } from 'vitest'
import { benches, codeFor, redemptionOf, STORES, T0, TENANT } from './fixture.ts'

const UNKNOWN = { outcome: 'rejected', why: 'unknown' }

describe.each(STORES)('whether an access token is still valid, on %s', (_name, make) => {
  const open = benches(make)

  test.each([
    ['session', (sid: string) => ({ kind: 'session', sid }) as const],
    ['grant', (sid: string) => ({ kind: 'grant', sid, clientId: 'sydney' }) as const],
    ['subject', (_: string, sub: string) => ({ kind: 'subject', sub }) as const],
    ['client', () => ({ kind: 'client', clientId: 'sydney' }) as const],
    ['tenant', () => ({ kind: 'tenant', tid: TENANT }) as const],
    ['everything', () => ({ kind: 'everything' }) as const],
  ])(
    'it is valid until a revocation by %s, inactive from that commit on, and a later token is valid',
    async (_kind, selector) => {
      const b = await open()
      await b.client('sydney')
      const { session } = await b.signIn('alice')
      const { rev } = await b.exchange(session.sid, 'sydney')
      const check = (sid: string, at: number) =>
        b.store.checkAccess({
          sid,
          sub: session.sub,
          clientId: 'sydney',
          rev: at,
          now: b.now,
          touch: false,
        })
      expect(await check(session.sid, rev)).toMatchObject({
        outcome: 'good',
        session: { sid: session.sid },
      })
      const chosen = selector(session.sid, session.sub)
      await b.revoke(chosen)
      expect(await check(session.sid, rev)).toEqual({ outcome: 'rejected', why: 'revoked' })
      const narrow = chosen.kind === 'grant' || chosen.kind === 'client'
      const sid = narrow ? session.sid : (await b.signIn('alice')).session.sid
      const later = await b.exchange(sid, 'sydney')
      expect(await check(sid, later.rev)).toMatchObject({ outcome: 'good' })
    },
  )

  test('another selector of the same kind leaves it alone', async () => {
    const b = await open()
    await b.client('sydney')
    await b.client('melbourne')
    const { session } = await b.signIn('alice')
    const bob = await b.signIn('bob')
    const { rev } = await b.exchange(session.sid, 'sydney')
    await b.revoke({ kind: 'subject', sub: bob.session.sub })
    await b.revoke({ kind: 'session', sid: bob.session.sid })
    await b.revoke({ kind: 'client', clientId: 'melbourne' })
    await b.revoke({ kind: 'tenant', tid: 'another' })
    expect(
      await b.store.checkAccess({
        sid: session.sid,
        sub: session.sub,
        clientId: 'sydney',
        rev,
        now: b.now,
        touch: true,
      }),
    ).toMatchObject({
      outcome: 'good',
    })
  })

  test('a sid with another sub, or no sid that we know, is rejected', async () => {
    const b = await open()
    const { session } = await b.signIn('alice')
    const check = { clientId: 'sydney', rev: 0, now: b.now, touch: true }
    expect(await b.store.checkAccess({ ...check, sid: session.sid, sub: 'u_other' })).toEqual({
      outcome: 'rejected',
      why: 'unknown',
    })
    expect(await b.store.checkAccess({ ...check, sid: 's_none', sub: session.sub })).toEqual({
      outcome: 'rejected',
      why: 'unknown',
    })
  })

  test('a check that touches the session counts as activity; one that only looks does not', async () => {
    const b = await open()
    await b.client('sydney')
    const { session } = await b.signIn('alice', { session: { idleSeconds: 600 } })
    const { rev } = await b.exchange(session.sid, 'sydney')
    const check = (touch: boolean) =>
      b.store.checkAccess({
        sid: session.sid,
        sub: session.sub,
        clientId: 'sydney',
        rev,
        now: b.now,
        touch,
      })
    b.now = T0 + 500
    await check(false)
    expect(await b.store.statusBySid(session.sid, T0 + 600)).toMatchObject({
      state: 'ended',
      why: 'idle',
    })
    await check(true)
    expect(await b.store.statusBySid(session.sid, T0 + 1099)).toMatchObject({ state: 'live' })
    expect(await b.store.participants(session.sid)).toMatchObject([
      { clientId: 'sydney', lastAt: T0 + 500 },
    ])
    b.now = T0 + 1100
    expect(await check(true)).toEqual({ outcome: 'rejected', why: 'expired' })
  })

  test('token exchange makes the target a participant, in the same act, only if the source token is valid (RFC 8693)', async () => {
    const b = await open()
    for (const clientId of ['sydney', 'melbourne']) await b.client(clientId)
    const { session } = await b.signIn('alice')
    const { rev } = await b.exchange(session.sid, 'sydney')
    const check = (joins: string) =>
      b.store.checkAccess({
        sid: session.sid,
        sub: session.sub,
        clientId: 'sydney',
        rev,
        now: b.now,
        touch: true,
        joins,
      })
    expect(await check('melbourne')).toMatchObject({ outcome: 'good' })
    await b.revoke({ kind: 'session', sid: session.sid })
    expect(await check('perth')).toEqual({ outcome: 'rejected', why: 'revoked' })
    expect((await b.store.participants(session.sid)).map(({ clientId }) => clientId)).toEqual([
      'melbourne',
      'sydney',
    ])
  })

  test('a removed client gets, brings and is given nothing, also by a broker that has not heard of it; registered again, it does', async () => {
    const b = await open()
    for (const clientId of ['sydney', 'melbourne']) await b.client(clientId)
    const { session } = await b.signIn('alice')
    const { rev } = await b.exchange(session.sid, 'melbourne')
    const input = {
      sid: session.sid,
      sub: session.sub,
      clientId: 'melbourne',
      rev,
      now: b.now,
      touch: true,
    }
    const redeem = async () => {
      const code = codeFor('sydney', b.now)
      await b.store.issueCode({ sid: session.sid, code, now: b.now })
      return (await b.store.redeemAuthorizationCode(redemptionOf(code, b.now))).outcome
    }
    const all = async () => [
      (await b.store.checkAccess({ ...input, needs: 'sydney' })).outcome,
      (await b.store.checkAccess({ ...input, joins: 'sydney' })).outcome,
      await b.store.checkClientAccess({ clientId: 'melbourne', rev, needs: 'sydney' }),
      await b.store.grantClient({ clientId: 'sydney', audience: 'urn:x' }),
      await redeem(),
    ]
    expect(await all()).toEqual(['good', 'good', true, { outcome: 'granted', rev: 0 }, 'redeemed'])
    await b.store.removeClient({
      clientId: 'sydney',
      source: 'any',
      actor: { kind: 'operator', id: 'o' },
      now: b.now,
    })
    expect(await all()).toEqual(['rejected', 'rejected', false, UNKNOWN, 'rejected'])
    await b.client('sydney')
    expect(await all()).toEqual(['good', 'good', true, { outcome: 'granted', rev: 1 }, 'redeemed'])
    expect(await b.store.grantClient({ clientId: 'none', audience: 'urn:x' })).toEqual(UNKNOWN)
  })

  test('a token without a session is checked against the cutoffs of its client and of everything (RFC 6749 §4.4)', async () => {
    const b = await open()
    await b.client('sydney')
    const stands = async (rev: number) => b.store.checkClientAccess({ clientId: 'sydney', rev })
    expect(await stands(0)).toBe(true)
    await b.revoke({ kind: 'tenant', tid: TENANT })
    expect(await stands(0)).toBe(true)
    await b.revoke({ kind: 'client', clientId: 'sydney' })
    expect([await stands(1), await stands(2)]).toEqual([false, true])
    await b.revoke({ kind: 'everything' })
    expect([await stands(2), await stands(3)]).toEqual([false, true])
  })
})

describe.each(STORES)('one-time things, on %s', (_name, make) => {
  const open = benches(make)

  test('an identifier is consumed once for its purpose, also by two at once', async () => {
    const b = await open()
    const use = (purpose: string) =>
      b.store.consumeOnce({ purpose, idHash: 'j-1', expiresAt: b.now + 60 })
    expect((await Promise.all([use('assertion'), use('assertion')])).toSorted()).toEqual([
      false,
      true,
    ])
    expect(await use('state')).toBe(true)
    expect(await use('state')).toBe(false)
  })

  test('a pushed request is its client’s alone, may be read again, and is consumed once, also by two at once (RFC 9126 §2.2, §4)', async () => {
    const b = await open()
    await b.store.pushRequest({
      requestHash: 'r',
      clientId: 'sydney',
      parameters: '{"scope":"openid"}',
      expiresAt: b.now + 60,
    })
    const read = (clientId: string, consume: boolean, now = b.now) =>
      b.store.pushedRequest({ requestHash: 'r', clientId, now, consume })
    expect(await read('melbourne', true)).toBeUndefined()
    expect(await read('sydney', false)).toBe('{"scope":"openid"}')
    expect(await read('sydney', false, b.now + 60)).toBeUndefined()
    const both = await Promise.all([read('sydney', true), read('sydney', true)])
    expect(both.filter((candidate) => candidate !== undefined)).toHaveLength(1)
    expect(await read('sydney', false)).toBeUndefined()
  })
})
