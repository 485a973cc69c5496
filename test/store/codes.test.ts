import { describe, expect, test } from 'vitest'
import {
  benches,
  codeFor,
  expectOutcome,
  family,
  redemptionOf,
  signedIn,
  STORES,
  T0,
  VERIFIER,
} from './fixture.ts'

const REJECTED = { outcome: 'rejected', why: 'revoked' }

describe.each(STORES)('authorization codes (RFC 6749 §4.1), on %s', (_name, make) => {
  const open = benches(make)

  test('a code is exchanged once, and makes its client a participant', async () => {
    const b = await open()
    const code = codeFor('sydney', b.now, { nonce: 'n-1', wantsAuthTime: true })
    await b.client('sydney')
    const { session } = await b.signIn('alice', { code })
    const done = expectOutcome(
      await b.store.redeemAuthorizationCode(redemptionOf(code, b.now)),
      'redeemed',
    )
    expect(done).toMatchObject({
      session: { sid: session.sid },
      grant: { clientId: 'sydney', nonce: 'n-1', wantsAuthTime: true },
      rev: 0,
    })
    expect(done.family).toMatchObject({
      sid: session.sid,
      clientId: 'sydney',
      scope: 'openid offline_access',
      nonce: 'n-1',
    })
    expect(await b.store.participants(session.sid)).toMatchObject([{ clientId: 'sydney' }])
  })

  test('a client that was removed gets none, and the session is not active by it', async () => {
    const b = await open()
    const session = await signedIn(b)
    await b.store.removeClient({
      clientId: 'sydney',
      source: 'any',
      actor: { kind: 'operator', id: 'olga' },
      now: b.now,
    })
    const code = codeFor('sydney', b.now)
    expect(await b.store.issueCode({ sid: session.sid, code, now: b.now + 100 })).toEqual({
      state: 'client_removed',
    })
    expect(await b.store.redeemAuthorizationCode(redemptionOf(code, b.now))).toEqual({
      outcome: 'rejected',
      why: 'unknown',
    })
    expect(await b.store.statusBySid(session.sid, b.now)).toMatchObject({
      state: 'live',
      session: { lastActiveAt: session.lastActiveAt },
    })
  })

  test('a session in its last minute gets none, nor one that is too old for the client in a minute', async () => {
    const b = await open()
    const { sid, absoluteAt, authenticatedAt } = await signedIn(b)
    const issued = async (now: number, most?: number) =>
      (await b.store.issueCode({ sid, code: codeFor('sydney', now), most, now })).state
    expect(await issued(authenticatedAt + 240, 300)).toBe('ended')
    expect(await issued(authenticatedAt + 239, 300)).toBe('live')
    for (let now = b.now; now < absoluteAt - 61; now += 3_600) await issued(now)
    expect(await issued(absoluteAt - 61)).toBe('live')
    expect(await issued(absoluteAt - 60)).toBe('ended')
  })

  test('without offline_access there is no family', async () => {
    const b = await open()
    const session = await signedIn(b)
    expect((await b.exchange(session.sid, 'sydney', 'openid')).family).toBeUndefined()
  })

  test.each([
    ['another client', { clientId: 'melbourne' }, 'wrong_client'],
    [
      'another redirect address',
      { redirectUri: 'https://sydney.example/other' },
      'wrong_redirect_uri',
    ],
    ['no redirect address', { redirectUri: undefined }, 'wrong_redirect_uri'],
    ['another verifier', { verifier: `${VERIFIER}-not` }, 'wrong_verifier'],
    ['no verifier', { verifier: undefined }, 'wrong_verifier'],
    ['an hour too late', { now: T0 + 3600 }, 'expired'],
    ['a code nobody issued', { codeHash: 'nothing' }, 'unknown'],
  ])('%s: rejected, and the code is not used up by it', async (_what, changed, why) => {
    const b = await open()
    const session = await signedIn(b)
    const code = codeFor('sydney', b.now)
    await b.store.issueCode({ sid: session.sid, code, now: b.now })
    expect(
      await b.store.redeemAuthorizationCode({ ...redemptionOf(code, b.now), ...changed }),
    ).toEqual({ outcome: 'rejected', why })
    expect((await b.store.redeemAuthorizationCode(redemptionOf(code, b.now))).outcome).toBe(
      'redeemed',
    )
  })

  test('a verifier where there was no challenge is rejected (RFC 9700 §4.8.2)', async () => {
    const b = await open()
    const session = await signedIn(b)
    const code = codeFor('sydney', b.now, { codeChallenge: undefined })
    await b.store.issueCode({ sid: session.sid, code, now: b.now })
    expect(await b.store.redeemAuthorizationCode(redemptionOf(code, b.now))).toMatchObject({
      why: 'wrong_verifier',
    })
    expect(
      await b.store.redeemAuthorizationCode({ ...redemptionOf(code, b.now), verifier: undefined }),
    ).toMatchObject({ outcome: 'redeemed' })
  })

  test("a second use revokes that code's grant, not the session nor another client's grant (RFC 6749 §4.1.2)", async () => {
    const b = await open()
    const session = await signedIn(b)
    const other = family((await b.exchange(session.sid, 'melbourne')).family)
    const code = codeFor('sydney', b.now)
    await b.store.issueCode({ sid: session.sid, code, now: b.now })
    const first = expectOutcome(
      await b.store.redeemAuthorizationCode(redemptionOf(code, b.now)),
      'redeemed',
    )
    const reused = expectOutcome(
      await b.store.redeemAuthorizationCode(redemptionOf(code, b.now)),
      'reused',
    )
    expect(reused.committed.revocation).toMatchObject({
      reason: 'code_reuse',
      selector: { kind: 'grant', sid: session.sid, clientId: 'sydney' },
    })
    expect(reused.committed.pending).toHaveLength(1)
    expect(await b.refresh(family(first.family))).toEqual(REJECTED)
    expect(
      await b.store.checkAccess({
        sid: session.sid,
        sub: session.sub,
        clientId: 'sydney',
        rev: first.rev,
        now: b.now,
        touch: false,
      }),
    ).toEqual(REJECTED)
    expect((await b.refresh(other)).outcome).toBe('rotated')
    expect(await b.store.statusBySid(session.sid, b.now)).toMatchObject({ state: 'live' })
    // A third use finds nothing left to revoke.
    expect(await b.store.redeemAuthorizationCode(redemptionOf(code, b.now))).toEqual(REJECTED)
    // The user goes on: a new code at the same client is valid.
    expect(
      (await b.refresh(family((await b.exchange(session.sid, 'sydney')).family))).outcome,
    ).toBe('rotated')
  })

  test('a second use by another client, or with a wrong verifier, revokes nothing', async () => {
    const b = await open()
    const session = await signedIn(b)
    const code = codeFor('sydney', b.now)
    await b.store.issueCode({ sid: session.sid, code, now: b.now })
    const first = expectOutcome(
      await b.store.redeemAuthorizationCode(redemptionOf(code, b.now)),
      'redeemed',
    )
    await b.store.redeemAuthorizationCode({ ...redemptionOf(code, b.now), clientId: 'melbourne' })
    await b.store.redeemAuthorizationCode({
      ...redemptionOf(code, b.now),
      verifier: `${VERIFIER}-not`,
    })
    expect((await b.refresh(family(first.family))).outcome).toBe('rotated')
  })

  test('of two uses at once exactly one is redeemed', async () => {
    const b = await open()
    const session = await signedIn(b)
    for (let i = 0; i < 25; i++) {
      const code = codeFor('sydney', b.now)
      await b.store.issueCode({ sid: session.sid, code, now: b.now })
      const both = await Promise.all(
        [1, 2].map(() => b.store.redeemAuthorizationCode(redemptionOf(code, b.now))),
      )
      expect(both.map(({ outcome }) => outcome).toSorted()).toEqual(['redeemed', 'reused'])
    }
  })

  test('a code issued before a revocation of its grant is rejected after it, also where the client holds no grant; a later one is good', async () => {
    const b = await open()
    const { sid } = await signedIn(b)
    const issued = async (clientId: string) => {
      const code = codeFor(clientId, b.now)
      await b.store.issueCode({ sid, code, now: b.now })
      return async () => (await b.store.redeemAuthorizationCode(redemptionOf(code, b.now))).outcome
    }
    const [first, other] = [await issued('sydney'), await issued('melbourne')]
    expect(await b.revoke({ kind: 'grant', sid, clientId: 'sydney' })).toEqual({
      outcome: 'already',
    })
    expect([await first(), await other()]).toEqual(['rejected', 'redeemed'])
    await b.exchange(sid, 'sydney')
    const [second, tenants] = [
      await issued('sydney'),
      { kind: 'operator', id: 'tina', tid: 'another tenant' } as const,
    ]
    await b.store.revoke({
      selector: { kind: 'grant', sid, clientId: 'sydney' },
      reason: 'administrator',
      actor: tenants,
      now: b.now,
    })
    expect(await second()).toBe('redeemed')
    await b.revoke({ kind: 'grant', sid, clientId: 'sydney' })
    const third = await issued('sydney')
    await b.revoke({ kind: 'grant', sid, clientId: 'sydney' })
    expect([await third(), await (await issued('sydney'))()]).toEqual(['rejected', 'redeemed'])
  })

  test.each([
    ['session', (sid: string) => ({ kind: 'session', sid }) as const],
    ['client', () => ({ kind: 'client', clientId: 'sydney' }) as const],
    ['everything', () => ({ kind: 'everything' }) as const],
  ])('a code issued before a revocation by %s is rejected after it', async (_kind, selector) => {
    const b = await open()
    const session = await signedIn(b)
    const code = codeFor('sydney', b.now)
    await b.store.issueCode({ sid: session.sid, code, now: b.now })
    await b.revoke(selector(session.sid))
    expect(await b.store.redeemAuthorizationCode(redemptionOf(code, b.now))).toEqual(REJECTED)
  })
})
