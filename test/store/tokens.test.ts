import { describe, expect, test } from 'vitest'
import { benches, codeFor, expectOutcome, family, redemptionOf, STORES, T0, VERIFIER } from './fixture.ts'
import type { Bench } from './fixture.ts'

const DEAD = { outcome: 'refused', why: 'revoked' }

async function signedIn(b: Bench) {
  await b.client('sydney')
  await b.client('melbourne')
  return (await b.signIn('alice')).session
}

describe.each(STORES)('authorization codes (RFC 6749 §4.1), on %s', (_name, make) => {
  const open = benches(make)

  test('a code is exchanged once, and makes its client a participant', async () => {
    const b = await open()
    const code = codeFor('sydney', b.now, { nonce: 'n-1', wantsAuthTime: true })
    await b.client('sydney')
    const { session } = await b.signIn('alice', { code })
    const done = expectOutcome(await b.store.redeemAuthorizationCode(redemptionOf(code, b.now)), 'redeemed')
    expect(done).toMatchObject({ session: { sid: session.sid }, grant: { clientId: 'sydney', nonce: 'n-1', wantsAuthTime: true }, rev: 0 })
    expect(done.family).toMatchObject({ sid: session.sid, clientId: 'sydney', scope: 'openid offline_access', nonce: 'n-1' })
    expect(await b.store.participants(session.sid)).toMatchObject([{ clientId: 'sydney' }])
  })

  test('without offline_access there is no family', async () => {
    const b = await open()
    const session = await signedIn(b)
    expect((await b.exchange(session.sid, 'sydney', 'openid')).family).toBeUndefined()
  })

  test.each([
    ['another client', { clientId: 'melbourne' }, 'wrong_client'],
    ['another redirect address', { redirectUri: 'https://sydney.example/other' }, 'wrong_redirect_uri'],
    ['no redirect address', { redirectUri: undefined }, 'wrong_redirect_uri'],
    ['another verifier', { verifier: `${VERIFIER}-not` }, 'wrong_verifier'],
    ['no verifier', { verifier: undefined }, 'wrong_verifier'],
    ['an hour too late', { now: T0 + 3600 }, 'expired'],
    ['a code nobody issued', { codeHash: 'nothing' }, 'unknown'],
  ])('%s: refused, and the code is not used up by it', async (_what, changed, why) => {
    const b = await open()
    const session = await signedIn(b)
    const code = codeFor('sydney', b.now)
    await b.store.issueCode({ sid: session.sid, code, now: b.now })
    expect(await b.store.redeemAuthorizationCode({ ...redemptionOf(code, b.now), ...changed })).toEqual({ outcome: 'refused', why })
    expect((await b.store.redeemAuthorizationCode(redemptionOf(code, b.now))).outcome).toBe('redeemed')
  })

  test('a verifier where there was no challenge is refused (RFC 9700 §4.8.2)', async () => {
    const b = await open()
    const session = await signedIn(b)
    const code = codeFor('sydney', b.now, { codeChallenge: undefined })
    await b.store.issueCode({ sid: session.sid, code, now: b.now })
    expect(await b.store.redeemAuthorizationCode(redemptionOf(code, b.now))).toMatchObject({ why: 'wrong_verifier' })
    expect(await b.store.redeemAuthorizationCode({ ...redemptionOf(code, b.now), verifier: undefined })).toMatchObject({ outcome: 'redeemed' })
  })

  test("a second use revokes that code's grant, not the session nor another client's grant (RFC 6749 §4.1.2)", async () => {
    const b = await open()
    const session = await signedIn(b)
    const other = family((await b.exchange(session.sid, 'melbourne')).family)
    const code = codeFor('sydney', b.now)
    await b.store.issueCode({ sid: session.sid, code, now: b.now })
    const first = expectOutcome(await b.store.redeemAuthorizationCode(redemptionOf(code, b.now)), 'redeemed')
    const reused = expectOutcome(await b.store.redeemAuthorizationCode(redemptionOf(code, b.now)), 'reused')
    expect(reused.committed.revocation).toMatchObject({ reason: 'code_reuse', selector: { kind: 'grant', sid: session.sid, clientId: 'sydney' } })
    expect(reused.committed.owed).toHaveLength(1)
    expect(await b.refresh(family(first.family))).toEqual(DEAD)
    expect(await b.store.checkAccess({ sid: session.sid, sub: session.sub, clientId: 'sydney', rev: first.rev, now: b.now, touch: false })).toEqual(DEAD)
    expect((await b.refresh(other)).outcome).toBe('rotated')
    expect(await b.store.standingBySid(session.sid, b.now)).toMatchObject({ state: 'live' })
    // A third use finds nothing left to revoke.
    expect(await b.store.redeemAuthorizationCode(redemptionOf(code, b.now))).toEqual(DEAD)
    // The person goes on: a new code at the same client is good.
    expect((await b.refresh(family((await b.exchange(session.sid, 'sydney')).family))).outcome).toBe('rotated')
  })

  test('a second use by another client, or with a wrong verifier, revokes nothing', async () => {
    const b = await open()
    const session = await signedIn(b)
    const code = codeFor('sydney', b.now)
    await b.store.issueCode({ sid: session.sid, code, now: b.now })
    const first = expectOutcome(await b.store.redeemAuthorizationCode(redemptionOf(code, b.now)), 'redeemed')
    await b.store.redeemAuthorizationCode({ ...redemptionOf(code, b.now), clientId: 'melbourne' })
    await b.store.redeemAuthorizationCode({ ...redemptionOf(code, b.now), verifier: `${VERIFIER}-not` })
    expect((await b.refresh(family(first.family))).outcome).toBe('rotated')
  })

  test('of two uses at once exactly one is redeemed', async () => {
    const b = await open()
    const session = await signedIn(b)
    for (let i = 0; i < 25; i++) {
      const code = codeFor('sydney', b.now)
      await b.store.issueCode({ sid: session.sid, code, now: b.now })
      const both = await Promise.all([1, 2].map(() => b.store.redeemAuthorizationCode(redemptionOf(code, b.now))))
      expect(both.map(({ outcome }) => outcome).toSorted()).toEqual(['redeemed', 'reused'])
    }
  })

  test.each([
    ['session', (sid: string) => ({ kind: 'session', sid }) as const],
    ['client', () => ({ kind: 'client', clientId: 'sydney' }) as const],
    ['everything', () => ({ kind: 'everything' }) as const],
  ])('a code issued before a revocation by %s is refused after it', async (_kind, selector) => {
    const b = await open()
    const session = await signedIn(b)
    const code = codeFor('sydney', b.now)
    await b.store.issueCode({ sid: session.sid, code, now: b.now })
    await b.revoke(selector(session.sid))
    expect(await b.store.redeemAuthorizationCode(redemptionOf(code, b.now))).toEqual(DEAD)
  })
})

describe.each(STORES)('refresh token rotation (RFC 9700 §4.14.2), on %s', (_name, make) => {
  const open = benches(make)

  test('each use moves the family one generation on, with the head of the log as rev', async () => {
    const b = await open()
    const session = await signedIn(b)
    const first = family((await b.exchange(session.sid, 'sydney')).family)
    const second = expectOutcome(await b.refresh(first), 'rotated')
    await b.revoke({ kind: 'tenant', tid: 'another' })
    const third = expectOutcome(await b.refresh(second.family), 'rotated')
    expect([second.family.generation, third.family.generation]).toEqual([first.generation + 1, first.generation + 2])
    expect([second.rev, third.rev]).toEqual([0, 1])
    expect(third.session.sid).toBe(session.sid)
  })

  test('4 simultaneous uses of one token, 200 times: nobody signed out, all got the same successor', async () => {
    const b = await open()
    const session = await signedIn(b)
    let current = family((await b.exchange(session.sid, 'sydney')).family)
    for (let i = 0; i < 200; i++) {
      const answers = await Promise.all([1, 2, 3, 4].map(() => b.refresh(current)))
      const generations = answers.map((answer) => ('family' in answer ? answer.family.generation : answer))
      expect(generations).toEqual([1, 1, 1, 1].map((one) => current.generation + one))
      expect(answers.filter(({ outcome }) => outcome === 'rotated')).toHaveLength(1)
      current = { ...current, generation: current.generation + 1 }
    }
    expect(await b.store.standingBySid(session.sid, b.now)).toMatchObject({ state: 'live' })
  })

  test('the generation before gets the same successor again, however late, until that successor is used; it does not extend idle time', async () => {
    const b = await open()
    const session = await signedIn(b)
    const first = family((await b.exchange(session.sid, 'sydney')).family)
    const second = expectOutcome(await b.refresh(first), 'rotated')
    b.now += 7200
    const again = expectOutcome(await b.refresh(first), 'replayed')
    expect(again.family).toEqual(second.family)
    expect(again.session.lastActiveAt).toBe(T0)
    expectOutcome(await b.refresh(second.family), 'rotated')
    expect(await b.refresh(first)).toEqual({ outcome: 'refused', why: 'stale' })
  })

  test('a public client has its window for a replay; past it, a token used again is theft', async () => {
    const b = await open()
    const session = await signedIn(b)
    const first = family((await b.exchange(session.sid, 'sydney')).family)
    await b.refresh(first)
    b.now += 10
    expect((await b.refresh(first, first.generation, 10)).outcome).toBe('replayed')
    b.now += 1
    expect(await b.refresh(first, first.generation, 10)).toEqual({ outcome: 'refused', why: 'stale' })
    b.now += 30
    expect((await b.refresh(first, first.generation, 10)).outcome).toBe('stolen')
  })

  test('two generations old within 30 s: refused and nothing more; a minute later: theft, the session is revoked at every instance', async () => {
    const b = await open()
    const session = await signedIn(b)
    const elsewhere = family((await b.exchange(session.sid, 'melbourne')).family)
    const first = family((await b.exchange(session.sid, 'sydney')).family)
    const second = expectOutcome(await b.refresh(first), 'rotated')
    const third = expectOutcome(await b.refresh(second.family), 'rotated')
    b.now += 30
    expect(await b.refresh(first)).toEqual({ outcome: 'refused', why: 'stale' })
    b.now += 30
    const stolen = expectOutcome(await b.refresh(first), 'stolen')
    expect(stolen.committed.revocation).toMatchObject({ reason: 'refresh_token_reuse', selector: { kind: 'session', sid: session.sid } })
    expect(stolen.committed.owed).toHaveLength(2)
    for (const one of [third.family, elsewhere, first]) expect(await b.refresh(one)).toEqual(DEAD)
    expect(await b.store.standingBySid(session.sid, b.now)).toMatchObject({ state: 'ended', why: 'revoked' })
  })

  test("a generation that was never issued, another client's token and an unknown family are refused and harm nobody", async () => {
    const b = await open()
    const session = await signedIn(b)
    const first = family((await b.exchange(session.sid, 'sydney')).family)
    expect(await b.refresh(first, first.generation + 1)).toEqual({ outcome: 'refused', why: 'unknown' })
    expect(await b.refresh(first, 0)).toEqual({ outcome: 'refused', why: 'unknown' })
    expect(await b.refresh({ ...first, clientId: 'melbourne' })).toEqual({ outcome: 'refused', why: 'wrong_client' })
    expect(await b.refresh({ ...first, familyId: 'none' })).toEqual({ outcome: 'refused', why: 'unknown' })
    expect((await b.refresh(first)).outcome).toBe('rotated')
  })

  test('refreshing counts as activity, written at most once a minute', async () => {
    const b = await open()
    const { session } = await b.signIn('alice', { session: { idleSeconds: 3600 } })
    await b.client('sydney')
    let current = family((await b.exchange(session.sid, 'sydney')).family)
    const activeAfter = async (seconds: number) => {
      b.now += seconds
      const done = expectOutcome(await b.refresh(current), 'rotated')
      current = done.family
      return done.session.lastActiveAt - T0
    }
    expect(await activeAfter(30)).toBe(0)
    expect(await activeAfter(30)).toBe(60)
    expect(await activeAfter(3599)).toBe(3659)
    b.now += 3600
    expect(await b.refresh(current)).toEqual({ outcome: 'refused', why: 'expired' })
  })

  test('a marked session refreshes until its mark, and not from then on', async () => {
    const b = await open()
    const session = await signedIn(b)
    const first = family((await b.exchange(session.sid, 'sydney')).family)
    await b.store.markSession({ sid: session.sid, markAt: T0 + 900, reason: 'microsoft_sign_in_required', now: b.now })
    b.now += 899
    const second = expectOutcome(await b.refresh(first), 'rotated')
    b.now += 1
    expect(await b.refresh(second.family)).toEqual({ outcome: 'refused', why: 'marked' })
  })

  test('of a rotation and a revocation at once, either the revocation won or the next refresh is refused', async () => {
    const b = await open()
    for (let i = 0; i < 25; i++) {
      const session = await signedIn(b)
      const first = family((await b.exchange(session.sid, 'sydney')).family)
      const [rotated] = await Promise.all([b.refresh(first), b.revoke({ kind: 'session', sid: session.sid }), b.refresh(first)])
      expect(await b.refresh('family' in rotated ? rotated.family : first)).toEqual(DEAD)
    }
  })

  test('a family tells whom it belongs to without being used, and whether that generation could be', async () => {
    const b = await open()
    const session = await signedIn(b)
    const first = family((await b.exchange(session.sid, 'sydney')).family)
    for (let i = 0; i < 2; i++) await b.refresh(first, first.generation + i)
    const current = async (generation: number) => (await b.store.findFamily(first.familyId, generation))?.current
    expect(await Promise.all([1, 2, 3, 4].map(current))).toEqual([false, true, true, undefined])
    await b.revoke({ kind: 'grant', sid: session.sid, clientId: 'sydney' })
    expect(await current(3)).toBe(false)
    expect((await b.store.findFamily(first.familyId, 3))?.family).toMatchObject({ sid: session.sid, clientId: 'sydney' })
  })
})
