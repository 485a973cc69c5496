import { describe, expect, test } from 'vitest'
import type { SessionLimit } from '../../db/types.ts'
import {
  type Bench,
  benches,
  codeFor,
  expectOutcome,
  family,
  redemptionOf,
  STORES,
  T0,
} from './fixture.ts'

const oldest = (most: number): SessionLimit => ({ most, whenFull: 'end_oldest' })
const ask = (most: number, ...end: string[]): SessionLimit => ({ most, whenFull: 'ask', end })

const live = async (b: Bench, sub: string) =>
  (await b.store.liveSessionsOf(sub, b.now)).map(({ session }) => session.sid).toReversed()

/** Signs in a second after the last sign-in. Returns the session. */
async function signIn(b: Bench, who = 'alice', limit?: SessionLimit) {
  b.now++
  return (await b.signIn(who, { limit })).session
}

/** Single sign-on at a client that may take part in so many sessions of a user. */
async function exchangeWithin(b: Bench, sid: string, clientId: string, sessionLimit: number) {
  const code = codeFor(clientId, b.now)
  await b.store.issueCode({ sid, code, now: b.now })
  return family(
    expectOutcome(
      await b.store.redeemAuthorizationCode({ ...redemptionOf(code, b.now), sessionLimit }),
      'redeemed',
    ).family,
  )
}

describe.each(STORES)('the limit of sessions, on %s', (_name, make) => {
  const open = benches(make)

  test('a sign-in beyond it ends the oldest session through the log, as session_limit; other users are not counted', async () => {
    const b = await open()
    await signIn(b, 'bob')
    const [first, second] = [await signIn(b), await signIn(b)]
    b.now++
    const third = await b.signIn('alice', { limit: oldest(2) })
    expect(third.committed).toMatchObject([
      {
        revocation: {
          selector: { kind: 'session', sid: first.sid },
          reason: 'session_limit',
          actor: { kind: 'user', id: first.sub },
        },
      },
    ])
    expect(await live(b, first.sub)).toEqual([second.sid, third.session.sid])
    // With a lower limit, as many sessions end as are above it.
    const last = await signIn(b, 'alice', oldest(1))
    expect(await live(b, first.sub)).toEqual([last.sid])
    expect(await b.store.statusBySid(last.sid, b.now)).toMatchObject({ state: 'live' })
  })

  test('ended and expired sessions are not counted, and a browser that signs in again renews', async () => {
    const b = await open()
    const { session, cookie } = await b.signIn('alice', { session: { idleSeconds: 600 } })
    const revoked = await signIn(b)
    await b.revoke({ kind: 'session', sid: revoked.sid })
    expect(await b.signIn('alice', { browser: cookie, limit: oldest(1) })).toMatchObject({
      renewed: true,
      committed: [],
    })
    b.now = T0 + 50_000
    expect((await b.signIn('alice', { limit: ask(1) })).committed).toEqual([])
    expect(await live(b, session.sub)).toHaveLength(1)
  })

  test('where the user is asked, nothing changes until they have chosen enough; the choice is judged again', async () => {
    const b = await open()
    const sids = [await signIn(b), await signIn(b), await signIn(b)].map(({ sid }) => sid)
    const { sub } = await signIn(b)
    const try_ = (limit: SessionLimit) => b.tryToSignIn('alice', { limit })
    const all = await live(b, sub)
    const asked = { outcome: 'rejected', why: 'session_limit', choose: 2 }
    expect(await try_(ask(3))).toMatchObject({ ...asked, among: all.map((sid) => ({ sid })) })
    expect(await try_(ask(3, sids[0] ?? ''))).toMatchObject(asked)
    expect(await try_(ask(3, sids[0] ?? '', 's_of_another_user'))).toMatchObject(asked)
    expect(await live(b, sub)).toEqual(all)
    b.now++
    const done = await b.signIn('alice', { limit: ask(3, sids[1] ?? '', sids[2] ?? '') })
    expect(done.committed.map(({ revocation }) => revocation.selector)).toEqual(
      [sids[1], sids[2]].map((sid) => ({ kind: 'session', sid })),
    )
    expect(await live(b, sub)).toEqual([all[0], all[3], done.session.sid])
    // The limit is no longer reached, so that the chosen session stays.
    await b.revoke({ kind: 'session', sid: all[3] ?? '' })
    expect((await b.signIn('alice', { limit: ask(3, all[0] ?? '') })).committed).toEqual([])
  })

  test('sign-ins at once never leave more than the limit, and every one of them that opened a session is the user’s', async () => {
    const b = await open()
    for (const [most, policy] of [
      [1, oldest],
      [3, oldest],
      [2, ask],
    ] as const) {
      const who = `${policy.name}-${most}`
      const done = await Promise.all(
        Array.from({ length: 12 }, () => b.tryToSignIn(who, { limit: policy(most) })),
      )
      const opened = done.flatMap((answer) =>
        answer.outcome === 'signed_in' ? [answer.session] : [],
      )
      expect(opened).toHaveLength(policy === oldest ? 12 : most)
      expect(new Set(opened.map(({ sub }) => sub)).size).toBe(1)
      expect(await live(b, opened[0]?.sub ?? '')).toHaveLength(most)
    }
  })

  test('a client beyond its own limit loses its oldest grant; sessions stay, and exchange does not count', async () => {
    const b = await open()
    await b.client('sydney')
    await b.client('melbourne')
    const [first, second, third] = [await signIn(b), await signIn(b), await signIn(b)]
    const grants = [await exchangeWithin(b, first.sid, 'sydney', 2)]
    const access = { sub: second.sub, clientId: 'melbourne', rev: 0, now: b.now, touch: false }
    await b.exchange(second.sid, 'melbourne')
    await b.store.checkAccess({ ...access, sid: second.sid, joins: 'sydney' })
    b.now++
    grants.push(await exchangeWithin(b, third.sid, 'sydney', 2))
    // The same session counts once.
    grants.push(await exchangeWithin(b, third.sid, 'sydney', 2))
    expect((await b.store.listRevocations({ limit: 10 })).map(({ reason }) => reason)).toEqual([])
    b.now++
    grants.push(await exchangeWithin(b, second.sid, 'sydney', 2))
    expect(await b.store.listRevocations({ limit: 10 })).toMatchObject([
      { selector: { kind: 'grant', sid: first.sid, clientId: 'sydney' }, reason: 'session_limit' },
    ])
    const outcomes = await Promise.all(
      grants.map(async (grant) => (await b.refresh(grant)).outcome),
    )
    expect(outcomes).toEqual(['rejected', 'rotated', 'rotated', 'rotated'])
    expect(await live(b, first.sub)).toEqual([first.sid, second.sid, third.sid])
  })

  test('codes of many sessions redeemed at once leave a client as many grants as it may have', async () => {
    const b = await open()
    await b.client('sydney')
    const all = await Promise.all(Array.from({ length: 8 }, () => b.signIn('alice')))
    const grants = await Promise.all(
      all.map(({ session }) => exchangeWithin(b, session.sid, 'sydney', 3)),
    )
    const outcomes = await Promise.all(
      grants.map(async (grant) => (await b.refresh(grant)).outcome),
    )
    expect(outcomes.filter((outcome) => outcome === 'rotated')).toHaveLength(3)
  })
})
