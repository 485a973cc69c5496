import { describe, expect, test } from 'vitest'
import { benches, expectOutcome, family, PROBED, signedIn, STORES, T0 } from './fixture.ts'

const REJECTED = { outcome: 'rejected', why: 'revoked' }

describe.each(STORES)('refresh token rotation (RFC 9700 §4.14.2), on %s', (_name, make) => {
  const open = benches(make)

  test('each use moves the family one generation on, with the head of the log as rev', async () => {
    const b = await open()
    const session = await signedIn(b)
    const first = family((await b.exchange(session.sid, 'sydney')).family)
    const second = expectOutcome(await b.refresh(first), 'rotated')
    await b.revoke({ kind: 'tenant', tid: 'another' })
    const third = expectOutcome(await b.refresh(second.family), 'rotated')
    expect([second.family.generation, third.family.generation]).toEqual([
      first.generation + 1,
      first.generation + 2,
    ])
    expect([second.rev, third.rev]).toEqual([0, 1])
    expect(third.session.sid).toBe(session.sid)
  })

  test('4 simultaneous uses of one token, 200 times: no user signed out, all got the same successor', async () => {
    const b = await open()
    const session = await signedIn(b)
    let current = family((await b.exchange(session.sid, 'sydney')).family)
    for (let i = 0; i < 200; i++) {
      const answers = await Promise.all([1, 2, 3, 4].map(() => b.refresh(current)))
      const generations = answers.map((answer) =>
        'family' in answer ? answer.family.generation : answer,
      )
      expect(generations).toEqual([1, 1, 1, 1].map((step) => current.generation + step))
      expect(answers.filter(({ outcome }) => outcome === 'rotated')).toHaveLength(1)
      current = { ...current, generation: current.generation + 1 }
    }
    expect(await b.store.statusBySid(session.sid, b.now)).toMatchObject({ state: 'live' })
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
    expect(await b.refresh(first)).toEqual({ outcome: 'rejected', why: 'stale' })
  })

  test('a public client has 10 s for a replay; from then to 30 s it costs the grant alone, later it is theft', async () => {
    const b = await open()
    const session = await signedIn(b)
    const first = family((await b.exchange(session.sid, 'sydney')).family)
    await b.refresh(first)
    b.now += 10
    expect((await b.refresh(first, first.generation, 10)).outcome).toBe('replayed')
    b.now += 1
    const late = expectOutcome(await b.refresh(first, first.generation, 10), 'late')
    const { sid } = session
    expect(late.committed.revocation).toMatchObject({
      reason: 'refresh_token_late',
      selector: { kind: 'grant', sid, clientId: 'sydney' },
    })
    expect(await b.refresh(first, first.generation + 1, 10)).toEqual(REJECTED)
    expect(await b.store.statusBySid(sid, b.now)).toMatchObject({ state: 'live' })

    const next = family((await b.exchange(sid, 'sydney')).family)
    await b.refresh(next)
    b.now += 30
    expect((await b.refresh(next, next.generation, 10)).outcome).toBe('late')
    const last = family((await b.exchange(sid, 'sydney')).family)
    await b.refresh(last)
    b.now += 31
    expect((await b.refresh(last, last.generation, 10)).outcome).toBe('stolen')
    expect(await b.store.statusBySid(sid, b.now)).toMatchObject({ state: 'ended' })
  })

  test('a rotation that a clock ten minutes ahead has dated allows a public client no replay, and costs the grant alone', async () => {
    const b = await open()
    const session = await signedIn(b)
    const first = family((await b.exchange(session.sid, 'sydney')).family)
    b.now += 600
    await b.refresh(first)
    b.now -= 600
    expect((await b.refresh(first, first.generation, 10)).outcome).toBe('late')
    expect(await b.store.statusBySid(session.sid, b.now)).toMatchObject({ state: 'live' })
  })

  test('a thief who refreshes once, 10 to 30 s before the public client does, loses the family to that client’s next refresh', async () => {
    const b = await open()
    const session = await signedIn(b)
    for (const seconds of [11, 20, 29, 30]) {
      const copied = family((await b.exchange(session.sid, 'sydney')).family)
      const thiefs = expectOutcome(await b.refresh(copied, copied.generation, 10), 'rotated').family
      b.now += seconds
      expect((await b.refresh(copied, copied.generation, 10)).outcome).toBe('late')
      expect(await b.refresh(thiefs, thiefs.generation, 10)).toEqual(REJECTED)
    }
  })

  test('two generations old within 30 s: rejected and nothing more; a minute later: theft, the session is revoked at every instance', async () => {
    const b = await open()
    const session = await signedIn(b)
    const elsewhere = family((await b.exchange(session.sid, 'melbourne')).family)
    const first = family((await b.exchange(session.sid, 'sydney')).family)
    const second = expectOutcome(await b.refresh(first), 'rotated')
    const third = expectOutcome(await b.refresh(second.family), 'rotated')
    b.now += 30
    expect(await b.refresh(first)).toEqual({ outcome: 'rejected', why: 'stale' })
    b.now += 30
    const stolen = expectOutcome(await b.refresh(first), 'stolen')
    expect(stolen.committed.revocation).toMatchObject({
      reason: 'refresh_token_reuse',
      selector: { kind: 'session', sid: session.sid },
    })
    expect(stolen.committed.pending).toHaveLength(2)
    for (const tokenFamily of [third.family, elsewhere, first])
      expect(await b.refresh(tokenFamily)).toEqual(REJECTED)
    expect(await b.store.statusBySid(session.sid, b.now)).toMatchObject({
      state: 'ended',
      why: 'revoked',
    })
  })

  test('theft is found however often the thief refreshes: what counts is how long ago the token itself was replaced', async () => {
    const b = await open()
    const session = await signedIn(b)
    const first = family((await b.exchange(session.sid, 'sydney')).family)
    let thiefs = first
    for (let i = 0; i < 12; i++) {
      thiefs = expectOutcome(await b.refresh(thiefs), 'rotated').family
      b.now += 25
    }
    expect((await b.refresh(first)).outcome).toBe('stolen')
    expect(await b.refresh(thiefs)).toEqual(REJECTED)
  })

  test('a hundred rotations within half a minute harm no request that was under way', async () => {
    const b = await open()
    const session = await signedIn(b)
    let current = family((await b.exchange(session.sid, 'sydney')).family)
    for (let i = 0; i < 100; i++) {
      const late = current
      current = expectOutcome(await b.refresh(current), 'rotated').family
      if (i % 4 === 0) b.now += 1
      if (late.generation > 1)
        expect(await b.refresh(late, late.generation - 1)).toEqual({
          outcome: 'rejected',
          why: 'stale',
        })
    }
    expect((await b.refresh(current)).outcome).toBe('rotated')
  })

  test("a generation that was never issued, another client's token and an unknown family are rejected and harm no session", async () => {
    const b = await open()
    const session = await signedIn(b)
    const first = family((await b.exchange(session.sid, 'sydney')).family)
    expect(await b.refresh(first, first.generation + 1)).toEqual({
      outcome: 'rejected',
      why: 'unknown',
    })
    expect(await b.refresh(first, 0)).toEqual({ outcome: 'rejected', why: 'unknown' })
    expect(await b.refresh({ ...first, clientId: 'melbourne' })).toEqual({
      outcome: 'rejected',
      why: 'wrong_client',
    })
    expect(await b.refresh({ ...first, familyId: 'none' })).toEqual({
      outcome: 'rejected',
      why: 'unknown',
    })
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
    expect(await b.refresh(current)).toEqual({ outcome: 'rejected', why: 'expired' })
  })

  test('a marked session refreshes until its mark, and not from then on', async () => {
    const b = await open()
    const session = await signedIn(b, PROBED)
    const first = family((await b.exchange(session.sid, 'sydney')).family)
    await b.mark(session.sid, T0 + 900, 'microsoft_sign_in_required')
    b.now += 899
    const second = expectOutcome(await b.refresh(first), 'rotated')
    b.now += 1
    expect(await b.refresh(second.family)).toEqual({ outcome: 'rejected', why: 'marked' })
  })

  test('of a rotation and a revocation at once, either the revocation won or the next refresh is rejected', async () => {
    const b = await open()
    for (let i = 0; i < 25; i++) {
      const session = await signedIn(b)
      const first = family((await b.exchange(session.sid, 'sydney')).family)
      const [rotated] = await Promise.all([
        b.refresh(first),
        b.revoke({ kind: 'session', sid: session.sid }),
        b.refresh(first),
      ])
      expect(await b.refresh('family' in rotated ? rotated.family : first)).toEqual(REJECTED)
    }
  })

  test('a family tells whom it belongs to without being used, and whether that generation could be', async () => {
    const b = await open()
    const session = await signedIn(b)
    const first = family((await b.exchange(session.sid, 'sydney')).family)
    for (let i = 0; i < 2; i++) await b.refresh(first, first.generation + i)
    const current = async (generation: number) =>
      (await b.store.findFamily(first.familyId, generation))?.current
    expect(await Promise.all([1, 2, 3, 4].map(current))).toEqual([false, true, true, undefined])
    await b.revoke({ kind: 'grant', sid: session.sid, clientId: 'sydney' })
    expect(await current(3)).toBe(false)
    expect((await b.store.findFamily(first.familyId, 3))?.family).toMatchObject({
      sid: session.sid,
      clientId: 'sydney',
    })
  })
})
