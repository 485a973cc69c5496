import { describe, expect, test } from 'vitest'
import type { MicrosoftWork } from '../../db/types.ts'
import {
  benches,
  codeFor,
  family,
  PROBED,
  redemptionOf,
  sha,
  STORES,
  T0,
  TENANT,
  type Bench,
} from './fixture.ts'

/**
 * Two connections change one session at once. Each test says what holds in whichever order the two
 * acts commit.
 */

/** Pairs of one test: enough that the acts of some of them are carried out beside each other. */
const PAIRS = Array.from({ length: 12 }, (_, i) => `p${i}`)
const each = <T>(pair: (who: string) => Promise<T>): Promise<T[]> => Promise.all(PAIRS.map(pair))
const MICROSOFT = { kind: 'microsoft', id: 'test' } as const

const stateOf = async (b: Bench, sid: string) => (await b.store.statusBySid(sid, b.now)).state

describe.each(STORES)('two acts at once on a session, on %s', (_name, make) => {
  const open = benches(make)

  test('two first sign-ins of one user get one sub and a session each', async () => {
    const b = await open()
    await each(async (who) => {
      const both = await Promise.all([b.signIn(who), b.signIn(who)])
      expect(new Set(both.map(({ session }) => session.sub)).size).toBe(1)
      expect(new Set(both.map(({ session }) => session.sid)).size).toBe(2)
      expect(await b.store.findSubjectByUser(TENANT, `oid-${who}`)).toMatchObject({
        sub: both[0].session.sub,
      })
    })
  })

  test('sign-ins that return to one browser at once leave it one session, whatever session cookie they bring', async () => {
    const b = await open()
    await each(async (who) => {
      const session = { browserHash: `browser of ${who}` }
      const first = await Promise.all([b.signIn(who, { session }), b.signIn(who, { session })])
      expect(first.map(({ renewed }) => renewed).toSorted()).toEqual([false, true])
      const browser = first.find(({ renewed }) => renewed)?.cookie
      const again = await Promise.all([
        b.signIn(who, { browser, session }),
        b.signIn(who, { browser, session }),
      ])
      expect(again.map(({ renewed }) => renewed)).toEqual([true, true])
      const all = [...first, ...again]
      expect(new Set(all.map((signedIn) => signedIn.session.sid)).size).toBe(1)
      const states = await Promise.all(
        all.map(({ cookie }) => b.store.statusByCookie(sha(cookie), b.now)),
      )
      expect(states.map(({ state }) => state).toSorted()).toEqual([
        'live',
        'unknown',
        'unknown',
        'unknown',
      ])
      const others = await Promise.all([
        b.signIn(`${who}-b`, { session }),
        b.signIn(`${who}-c`, { session }),
      ])
      const ends = await Promise.all(
        [...all, ...others].map((signedIn) => stateOf(b, signedIn.session.sid)),
      )
      expect(ends.toSorted()).toEqual(['ended', 'ended', 'ended', 'ended', 'ended', 'live'])
    })
  })

  test('two other users who sign in on one browser end its former session once', async () => {
    const b = await open()
    await each(async (who) => {
      const { cookie, session } = await b.signIn(who)
      const both = await Promise.all([
        b.signIn(`${who}-b`, { browser: cookie }),
        b.signIn(`${who}-c`, { browser: cookie }),
      ])
      expect(
        both.flatMap(({ committed }) => committed).map(({ revocation }) => revocation.selector),
      ).toEqual([{ kind: 'session', sid: session.sid }])
      for (const signedIn of both) expect(await stateOf(b, signedIn.session.sid)).toBe('live')
    })
    expect((await b.store.head()).seq).toBe(PAIRS.length)
  })

  test('two wide revocations of one session that are written at once end it once, and the history says so once', async () => {
    const b = await open()
    const sessions = (await each((who) => Promise.all([b.signIn(who), b.signIn(who)]))).flat()
    await b.revoke({ kind: 'tenant', tid: TENANT })
    for (const { session } of sessions) await b.revoke({ kind: 'subject', sub: session.sub })
    await b.revoke({ kind: 'everything' })
    await Promise.all(Array.from({ length: 6 }, () => b.fanOutAll(3)))
    for (const { session } of sessions) {
      const ends = (await b.store.securityHistory({ sub: session.sub, limit: 20 })).filter(
        ({ kind, sid }) => kind === 'ended' && sid === session.sid,
      )
      expect(ends).toHaveLength(1)
      expect(await b.store.statusBySid(session.sid, b.now)).toMatchObject({
        session: { ended: { seq: ends[0]?.seq } },
      })
    }
  })

  test('a code that is issued beside a revocation of its session gives nothing afterwards', async () => {
    const b = await open()
    await b.client('sydney')
    await each(async (who) => {
      const { session } = await b.signIn(who)
      const code = codeFor('sydney', b.now)
      const [status, revoked] = await Promise.all([
        b.store.issueCode({ sid: session.sid, code, now: b.now }),
        b.revoke({ kind: 'session', sid: session.sid }),
      ])
      expect(revoked.outcome).toBe('revoked')
      const why = status.state === 'live' ? 'revoked' : 'unknown'
      expect(await b.store.redeemAuthorizationCode(redemptionOf(code, b.now))).toEqual({
        outcome: 'rejected',
        why,
      })
    })
  })

  test('a client that joins beside a revocation of the session is rejected, or is sent a logout token', async () => {
    const b = await open()
    await b.client('sydney')
    const joined = await each(async (who) => {
      const { session } = await b.signIn(who)
      const code = codeFor('sydney', b.now)
      await b.store.issueCode({ sid: session.sid, code, now: b.now })
      const [redeemed, revoked] = await Promise.all([
        b.store.redeemAuthorizationCode(redemptionOf(code, b.now)),
        b.revoke({ kind: 'session', sid: session.sid }),
      ])
      const sent = revoked.outcome === 'revoked' ? revoked.committed.pending.length : 0
      expect({ who, outcome: redeemed.outcome, sent }).toEqual({
        who,
        outcome: sent === 1 ? 'redeemed' : 'rejected',
        sent,
      })
      return sent
    })
    expect(await b.due(b.now * 1000)).toHaveLength(joined.filter((sent) => sent === 1).length)
  })

  test('a sign-in beside a revocation of its user is covered by it or opened after it; what is covered is written into its row', async () => {
    const b = await open()
    await each(async (who) => {
      const { session } = await b.signIn(who)
      const [other, revoked] = await Promise.all([
        b.signIn(who, { session: { microsoftCacheSealed: `tokens of ${who}` } }),
        b.revoke({ kind: 'subject', sub: session.sub }),
      ])
      if (revoked.outcome !== 'revoked') return expect.unreachable()
      await b.fanOutAll()
      const after = other.session.openedSeq >= revoked.committed.revocation.seq
      expect(await stateOf(b, other.session.sid)).toBe(after ? 'live' : 'ended')
      // Microsoft's tokens go with the session.
      expect((await b.store.findProbe(other.session.sid, b.now)) !== undefined).toBe(after)
      expect(await stateOf(b, session.sid)).toBe('ended')
    })
  })

  test.each([
    ['subject', (_: string, sub: string) => ({ kind: 'subject', sub }) as const],
    ['tenant', (who: string) => ({ kind: 'tenant', tid: `tid-${who}` }) as const],
  ])(
    'a renewal beside a revocation (%s): what ends own sessions lasts as long as the renewed one',
    async (_kind, selectorOf) => {
      const b = await open()
      const tidOf = (who: string): string => `tid-${who}`
      const opened = await each(async (who) => ({
        who,
        ...(await b.signIn(who, { tid: tidOf(who) })),
      }))
      await Promise.all(
        opened.map(async ({ who, cookie, session }, n) => {
          const later = { absoluteAt: session.absoluteAt + 86_400 * (n + 1) }
          const [renewal, revoked] = await Promise.all([
            b.signIn(who, { tid: tidOf(who), browser: cookie, session: later }),
            b.revoke(selectorOf(who, session.sub)),
          ])
          // One that was revoked before is not renewed.
          if (!renewal.renewed || (await stateOf(b, session.sid)) === 'live') return
          if (revoked.outcome !== 'revoked') return expect.unreachable()
          const { sessionsUntil } = revoked.committed.revocation
          expect(sessionsUntil).toBeGreaterThanOrEqual(later.absoluteAt)
        }),
      )
    },
  )

  test('refreshes and a later mark beside a mark do not lengthen what it leaves', async () => {
    const b = await open()
    await b.client('sydney')
    const families = await each(async (who) =>
      family(
        (await b.exchange((await b.signIn(who, { session: PROBED })).session.sid, 'sydney')).family,
      ),
    )
    b.now += 3600
    const markAt = b.now + 60
    await Promise.all(
      families.flatMap((tokenFamily) => [
        b.mark(tokenFamily.sid, markAt, 'mfa_lapsed'),
        b.mark(tokenFamily.sid, markAt + 60, 'microsoft_sign_in_required'),
        b.refresh(tokenFamily),
      ]),
    )
    const ended = await b.store.expireSessions({ now: markAt, limit: 100 })
    expect(ended.map(({ revocation }) => revocation.reason)).toEqual(PAIRS.map(() => 'mfa_lapsed'))
  })

  test('consent given on two pages is remembered from both', async () => {
    const b = await open()
    await b.client('sydney')
    await each(async (who) => {
      const { session } = await b.signIn(who)
      const consent = { sub: session.sub, clientId: 'sydney', now: b.now }
      await Promise.all(
        ['openid profile', 'email'].map((scope) => b.store.recordConsent({ ...consent, scope })),
      )
      expect(await b.store.hasConsent({ ...consent, scope: 'openid profile email' })).toBe(true)
    })
  })
})

describe.each(STORES)('two acts at once on results of Microsoft, on %s', (_name, make) => {
  const open = benches(make)

  test('of two probes of the same tokens one counts', async () => {
    const b = await open()
    await each(async (who) => {
      const { session } = await b.signIn(who, { session: { microsoftCacheSealed: 'old' } })
      const record = (cacheSealed: string) =>
        b.store.recordProbe({
          sid: session.sid,
          cacheWas: 'old',
          finding: { outcome: 'vouched', cacheSealed },
          now: b.now,
        })
      const [first, second] = await Promise.all([record('first'), record('second')])
      expect([first.outcome, second.outcome].toSorted()).toEqual(['recorded', 'stale'])
      const recorded = first.outcome === 'recorded' ? 'first' : 'second'
      expect(await b.store.findProbe(session.sid, b.now)).toMatchObject({ cacheSealed: recorded })
    })
  })

  test('what a probe learnt from the former tokens ends no sign-in of the same browser beside it', async () => {
    const b = await open()
    await each(async (who) => {
      const former = await b.signIn(who, { session: { microsoftCacheSealed: 'old' } })
      const finding = { outcome: 'end_session', reason: 'microsoft_session_revoked' } as const
      const [probe, signIn] = await Promise.all([
        b.store.recordProbe({ sid: former.session.sid, cacheWas: 'old', finding, now: b.now }),
        b.signIn(who, { browser: former.cookie, session: { microsoftCacheSealed: 'new' } }),
      ])
      expect(signIn.renewed).toBe(probe.outcome === 'stale')
      expect(await stateOf(b, signIn.session.sid)).toBe('live')
      expect(await b.store.findProbe(signIn.session.sid, b.now)).toMatchObject({
        cacheSealed: 'new',
      })
    })
  })

  test.each(['a probe', 'a security event'])(
    'a time that %s reports ends no sign-in after that time, on any browser',
    async (what) => {
      const b = await open()
      await each(async (who) => {
        const probed = await b.signIn(who, {
          session: { authTime: T0 - 100, microsoftCacheSealed: 'old' },
        })
        const other = await b.signIn(who, { session: { authTime: T0 - 100 } })
        const { sid, sub } = probed.session
        const [until, reason] = [T0 - 50, 'microsoft_session_revoked'] as const
        const [, ...later] = await Promise.all([
          what === 'a probe'
            ? b.store.recordProbe({
                sid,
                cacheWas: 'old',
                finding: { outcome: 'end_user', reason, until },
                now: b.now,
              })
            : b.store.endAuthenticated({ sub, until, reason, actor: MICROSOFT, now: b.now }),
          b.signIn(who),
          b.signIn(who, { browser: other.cookie }),
        ])
        expect(await stateOf(b, sid)).toBe('ended')
        for (const { session } of later) expect(await stateOf(b, session.sid)).toBe('live')
      })
    },
  )

  test('a logout at Microsoft that comes twice ends each of its sessions once', async () => {
    const b = await open()
    await each(async (who) => {
      await b.signIn(who, { session: { microsoftSid: `ms-${who}` } })
      await b.signIn(who, { session: { microsoftSid: `ms-${who}` } })
      const end = () =>
        b.store.endMicrosoftSession({
          microsoftSid: `ms-${who}`,
          reason: 'microsoft_signed_out',
          actor: MICROSOFT,
          now: b.now,
        })
      expect((await Promise.all([end(), end()])).flat()).toHaveLength(2)
    })
    expect((await b.store.head()).seq).toBe(2 * PAIRS.length)
  })

  test('work that is asked for twice is there once, and as asked for twice', async () => {
    const b = await open()
    const work = PAIRS.map((oid): MicrosoftWork => ({ kind: 'check_user', tid: TENANT, oid }))
    await Promise.all([
      b.store.askMicrosoft(work, b.now * 1000),
      b.store.askMicrosoft(work.toReversed(), b.now * 1000),
    ])
    const due = await b.store.claimMicrosoftWork({
      tid: TENANT,
      nowMs: b.now * 1000,
      untilMs: 0,
      limit: 100,
    })
    expect(due.map(({ oid }) => oid).toSorted()).toEqual(PAIRS.toSorted())
    expect(due.map(({ generation }) => generation)).toEqual(PAIRS.map(() => 2))
  })

  test('work that is asked for while another broker finishes it is still to be done', async () => {
    const b = await open()
    const later = (b.now + 5) * 1000
    const asked = PAIRS.map((oid): MicrosoftWork => ({ kind: 'check_user', tid: TENANT, oid }))
    await b.store.askMicrosoft(asked, b.now * 1000)
    const all = await b.store.claimMicrosoftWork({
      tid: TENANT,
      nowMs: b.now * 1000,
      untilMs: 0,
      limit: 100,
    })
    await each(async (oid) => {
      const work: MicrosoftWork = { kind: 'check_user', tid: TENANT, oid }
      const taken = all.find((microsoftWork) => microsoftWork.oid === oid)
      if (taken === undefined) return expect.unreachable()
      await Promise.all([b.store.settleMicrosoftWork(taken), b.store.askMicrosoft([work], later)])
      // Another broker has taken the same work.
      await b.store.settleMicrosoftWork(taken)
      await b.store.postponeMicrosoftWork(taken, { nextAtMs: undefined, error: 'late' })
      expect(await b.store.hasPendingMicrosoftWork(work)).toBe(true)
    })
    expect(await b.store.failedMicrosoftWork(10)).toEqual([])
  })
})
