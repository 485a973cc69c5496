import { describe, expect, test } from 'vitest'
import type { MicrosoftWork } from '../../db/types.ts'
import { benches, STORES, TENANT } from './fixture.ts'

const DAY_MS = 86_400_000

describe.each(STORES)('results of Microsoft in the store, on %s', (_name, make) => {
  const open = benches(make)
  const MICROSOFT = { kind: 'microsoft', id: 'test' } as const
  const PLACES = 65_536

  test('a session whose visit to Microsoft spans the moment is spared, from its departure to its return; a renewal counts, not the opening', async () => {
    const b = await open()
    const [before, moment] = [b.now, b.now + 60]
    const visit = (visitStartedAt: number, at: number, browser?: string) => {
      b.now = at
      return b.signIn('alice', { browser, session: { authTime: before, visitStartedAt } })
    }
    const kept = await Promise.all([visit(before, moment), visit(moment, moment + 30)])
    const renewedLater = await visit(before, moment + 1)
    const ended = [await visit(before, moment - 1), await visit(moment + 1, moment + 40)]
    ended.push(await visit(moment + 41, moment + 50, renewedLater.cookie))
    const { sub } = ended[0]?.session ?? expect.unreachable()
    const end = {
      sub,
      until: moment - 1,
      sparing: moment,
      reason: 'microsoft_password_changed',
      actor: MICROSOFT,
      now: b.now,
    } as const
    const committed = await b.store.endAuthenticated(end)
    expect(committed.map(({ revocation: { selector } }) => selector)).toHaveLength(3)
    const state = async ({ session: { sid } }: (typeof kept)[number]) =>
      (await b.store.statusBySid(sid, b.now)).state
    expect(await Promise.all(kept.map(state))).toEqual(['live', 'live'])
    expect(await Promise.all(ended.map(state))).toEqual(['ended', 'ended', 'ended'])
    expect(await b.store.endAuthenticated(end)).toEqual([])
  })

  test('an event that finds no session to end still counts for a sign-in that was authenticated before it, and not for one after it', async () => {
    const b = await open()
    const { session } = await b.signIn('alice')
    await b.revoke({ kind: 'session', sid: session.sid })
    const { sub } = session
    const event = { sub, reason: 'security_event', actor: MICROSOFT } as const
    const [authTime, until] = [b.now + 10, b.now + 20]
    b.now += 30
    expect(await b.store.endAuthenticated({ ...event, until, now: b.now })).toEqual([])
    const head = await b.store.head()
    expect(await b.tryToSignIn('alice', { session: { authTime } })).toMatchObject({
      outcome: 'rejected',
      why: 'not_fresh',
      demand: 'fresh',
    })
    // An older event lowers nothing, and neither adds an entry to the log.
    await b.store.endAuthenticated({ ...event, until: until - 15, now: b.now })
    expect(await b.tryToSignIn('alice', { session: { authTime: until } })).toMatchObject({
      why: 'not_fresh',
    })
    expect((await b.store.head()).seq).toBe(head.seq)
    expect(await b.tryToSignIn('bob', { session: { authTime } })).toMatchObject({
      outcome: 'signed_in',
    })
    expect(await b.tryToSignIn('alice', { session: { authTime: until + 1 } })).toMatchObject({
      outcome: 'signed_in',
    })
  })

  test('a session counts as vouched for when Microsoft identified the user, not when a form opened it', async () => {
    const b = await open()
    const identified = { at: b.now - 400, seq: (await b.store.head()).seq }
    const input = b.signInOf('alice', { session: { microsoftCacheSealed: 'tokens' } })
    const opened = await b.store.signIn({ ...input, identified })
    const { sid } = opened.outcome === 'signed_in' ? opened.session : expect.unreachable()
    expect(await b.store.findProbe(sid, b.now)).toMatchObject({ probedAt: identified.at })
  })

  test('each session has one place in the round, for life; only live ones with Microsoft’s tokens have', async () => {
    const b = await open()
    const sids: string[] = []
    for (let i = 0; i < 30; i++)
      sids.push(
        (await b.signIn(`p${i}`, { session: { microsoftCacheSealed: `tokens ${i}` } })).session.sid,
      )
    await b.signIn('without')
    const round = PLACES * 10
    // Takes all pages of a round, from its beginning to its end.
    const walk = async (start: number, limit: number, tid = TENANT): Promise<string[]> => {
      const walked: string[] = []
      for (let more = true; more;) {
        const taken = await b.store.takeProbes({ ...take(start, start + PLACES), tid, limit })
        walked.push(...(taken?.due ?? []).map(({ sid }) => sid))
        if (taken !== undefined) await b.store.finishProbes(taken.id)
        more = taken !== undefined
      }
      return walked
    }
    const take = (start: number, end: number) => ({
      begun: { place: start, atMs: b.now * 1000 },
      end,
      now: b.now,
      nowMs: b.now * 1000,
      untilMs: b.now * 1000,
    })
    const all = await walk(round, 100)
    expect(all.toSorted()).toEqual(sids.toSorted())
    expect(await walk(round, 100)).toEqual([])
    expect(await walk(round + PLACES, 7)).toEqual(all)
    await b.revoke({ kind: 'session', sid: sids[0] ?? '' })
    expect(await walk(round + 2 * PLACES, 7)).toEqual(all.filter((sid) => sid !== sids[0]))
    expect(await walk(round, 7, 'another')).toEqual([])
    expect(await b.store.findProbe(sids[0] ?? '', b.now)).toBeUndefined()
  })

  test('brokers that probe at once take disjoint pages; a page that was not finished is taken again when its lease has run out', async () => {
    const b = await open()
    for (let i = 0; i < 60; i++)
      await b.signIn(`p${i}`, { session: { microsoftCacheSealed: `tokens ${i}` } })
    const begun = { place: PLACES * 10, atMs: b.now * 1000 }
    const take = (nowMs: number, { limit = 20, rounds = 11 } = {}) =>
      b.store.takeProbes({
        tid: TENANT,
        begun,
        end: PLACES * rounds,
        limit,
        now: b.now,
        nowMs,
        untilMs: nowMs + 60_000,
      })
    const sidsOf = (pages: Awaited<ReturnType<typeof take>>[]) =>
      pages.flatMap((page) => page?.due.map(({ sid }) => sid) ?? [])
    const nowMs = b.now * 1000
    const pages = await Promise.all([take(nowMs), take(nowMs), take(nowMs), take(nowMs)])
    expect(pages.map((page) => page?.due.length ?? 0).toSorted()).toEqual([0, 20, 20, 20])
    const all = sidsOf(pages)
    expect(new Set(all).size).toBe(60)
    // One broker has finished its page. Two brokers have died: when the lease has expired, others
    // take their pages in smaller ones.
    const [finished, ...died] = pages.filter((page) => page !== undefined)
    await b.store.finishProbes(finished?.id ?? '')
    expect(await take(nowMs + 59_999)).toBeUndefined()
    const later = nowMs + 60_000
    const again = await Promise.all(Array.from({ length: 8 }, () => take(later, { limit: 7 })))
    expect(sidsOf(again).toSorted()).toEqual(sidsOf(died).toSorted())
    for (const page of again) if (page !== undefined) await b.store.finishProbes(page.id)
    expect(await take(later + 120_000)).toBeUndefined()
    // The next round begins. A page that was taken by a clock that is a day ahead is held no longer
    // than any other.
    expect(
      new Set(sidsOf(await Promise.all([1, 2, 3].map(() => take(later + DAY_MS, { rounds: 12 })))))
        .size,
    ).toBe(60)
    expect(
      sidsOf(await Promise.all([1, 2, 3].map(() => take(later, { rounds: 12 })))),
    ).toHaveLength(60)
  })

  test('an unfinished page of a whole round ago is not taken again', async () => {
    const b = await open()
    for (let i = 0; i < 5; i++)
      await b.signIn(`p${i}`, { session: { microsoftCacheSealed: `tokens ${i}` } })
    const take = (end: number, nowMs: number, begunMs = b.now * 1000) =>
      b.store.takeProbes({
        tid: TENANT,
        begun: { place: end - PLACES, atMs: begunMs },
        end,
        limit: 100,
        now: b.now,
        nowMs,
        untilMs: nowMs + 1,
      })
    const nowMs = b.now * 1000
    expect((await take(PLACES * 11, nowMs))?.due).toHaveLength(5)
    const next = await take(PLACES * 12.5, nowMs + 1000)
    expect(next?.due).toHaveLength(5)
    await b.store.finishProbes(next?.id ?? '')
    expect(await take(PLACES * 12.5, nowMs + 2000)).toBeUndefined()
    // A broker that starts after an outage of all brokers continues at the current time.
    const outageMs = nowMs + 3_600_000
    expect(
      await b.store.takeProbes({
        tid: TENANT,
        begun: { place: PLACES * 13, atMs: outageMs },
        end: PLACES * 13,
        limit: 100,
        now: b.now,
        nowMs: outageMs,
        untilMs: outageMs + 1,
      }),
    ).toBeUndefined()
  })

  test('a probe that Microsoft confirmed brings its tokens and roles; a result of the former tokens is stale', async () => {
    const b = await open()
    const { session } = await b.signIn('alice', { session: { microsoftCacheSealed: 'old' } })
    const record = (cacheSealed: string) =>
      b.store.recordProbe({
        sid: session.sid,
        cacheWas: 'old',
        finding: { outcome: 'vouched', cacheSealed, roles: ['Another'] },
        now: b.now + 5,
      })
    expect([(await record('new 1')).outcome, (await record('new 2')).outcome]).toEqual([
      'recorded',
      'stale',
    ])
    expect(await b.store.findProbe(session.sid, b.now)).toMatchObject({
      cacheSealed: 'new 1',
      probedAt: b.now + 5,
    })
    const status = await b.store.statusBySid(session.sid, b.now)
    expect(status).toMatchObject({
      state: 'live',
      session: { roles: ['Another'], probedAt: b.now + 5 },
    })
  })

  test('sessions up to a time end; if that is all of them, the user is revoked, and a session that was opened later is spared', async () => {
    const b = await open()
    const [early, late] = [
      await b.signIn('alice', { session: { authTime: b.now - 100 } }),
      await b.signIn('alice', { session: { authTime: b.now - 10 } }),
    ]
    const end = (until?: number) =>
      b.store.endAuthenticated({
        sub: early.session.sub,
        until,
        reason: 'security_event',
        actor: MICROSOFT,
        now: b.now,
      })
    expect((await end(b.now - 101)).length).toBe(0)
    expect((await end(b.now - 100)).map(({ revocation }) => revocation.selector)).toEqual([
      { kind: 'session', sid: early.session.sid },
    ])
    const all = await end()
    const after = await b.signIn('alice')
    expect(all.map(({ revocation }) => revocation.selector)).toEqual([
      { kind: 'subject', sub: late.session.sub },
    ])
    expect((await b.store.statusBySid(after.session.sid, b.now)).state).toBe('live')
    expect((await b.store.statusBySid(late.session.sid, b.now)).state).toBe('ended')
    expect(await end(b.now - 1)).toEqual([])
  })

  test('the session whose tokens were rejected ends, also where Microsoft’s clock is ahead of ours; the user’s later ones stay', async () => {
    const b = await open()
    const { session } = await b.signIn('alice', {
      session: { authTime: b.now + 5, microsoftCacheSealed: 'tokens' },
    })
    const later = await b.signIn('alice', {
      session: { authTime: b.now + 50, microsoftCacheSealed: 'others' },
    })
    const probed = await b.store.findProbe(session.sid, b.now)
    const finding = {
      outcome: 'end_user',
      reason: 'microsoft_session_revoked',
      until: probed?.probedAt,
    } as const
    const { committed } = await b.store.recordProbe({
      sid: session.sid,
      cacheWas: 'tokens',
      finding,
      now: b.now,
    })
    expect(committed.map(({ revocation }) => revocation.selector)).toEqual([
      { kind: 'session', sid: session.sid },
    ])
    expect((await b.store.statusBySid(later.session.sid, b.now)).state).toBe('live')
  })

  test('work is stored once; work that is asked for again while it is done stays pending', async () => {
    const b = await open()
    const work: MicrosoftWork = { kind: 'check_user', tid: TENANT, oid: 'oid-alice' }
    const due = (nowMs = b.now * 1000) =>
      b.store.claimMicrosoftWork({ tid: TENANT, nowMs, untilMs: 0, limit: 10 })
    await b.store.askMicrosoft([work, work], b.now * 1000)
    const [first] = await due()
    expect(await due()).toHaveLength(1)
    if (first === undefined) return expect.unreachable()
    await b.store.askMicrosoft([work], b.now * 1000)
    await b.store.settleMicrosoftWork(first)
    await b.store.postponeMicrosoftWork(first, { nextAtMs: undefined, error: 'late' })
    const [second] = await due()
    if (second === undefined) return expect.unreachable()
    await b.store.postponeMicrosoftWork(second, { nextAtMs: b.now * 1000 + 5000, error: 'down' })
    expect(await due()).toEqual([])
    expect(await due(b.now * 1000 + 5000)).toMatchObject([{ attempts: 1, lastError: 'down' }])
    await b.store.postponeMicrosoftWork(second, { nextAtMs: undefined, error: 'given up' })
    expect(await due(b.now * 1000 + 9000)).toEqual([])
    expect(await b.store.failedMicrosoftWork(10)).toMatchObject([
      { oid: 'oid-alice', lastError: 'given up' },
    ])
    await b.store.askMicrosoft([work], b.now * 1000)
    expect(await due()).toMatchObject([{ attempts: 0 }])
    expect(await b.store.failedMicrosoftWork(10)).toEqual([])
  })

  test('two brokers that ask for work at once take disjoint pages; a page is free again when its lease has run out', async () => {
    const b = await open()
    const nowMs = b.now * 1000
    const untilMs = nowMs + 60_000
    const oids = Array.from({ length: 40 }, (_, index) => `oid-${String(index).padStart(2, '0')}`)
    await b.store.askMicrosoft(
      oids.map((oid): MicrosoftWork => ({ kind: 'check_user', tid: TENANT, oid })),
      nowMs,
    )
    const claim = (at = nowMs) =>
      b.store.claimMicrosoftWork({ tid: TENANT, nowMs: at, untilMs: at + 60_000, limit: 10 })
    const pages = await Promise.all([claim(), claim(), claim(), claim()])
    expect(pages.map(({ length }) => length)).toEqual([10, 10, 10, 10])
    expect(new Set(pages.flat().map(({ oid }) => oid)).size).toBe(40)
    expect(await claim()).toEqual([])
    // A broker died after half of its page. Another one gave its page back, except for one piece of
    // work.
    const [died, gave] = pages
    for (const work of died.slice(0, 5)) await b.store.settleMicrosoftWork(work)
    const [failing, ...rest] = gave
    if (failing === undefined) return expect.unreachable()
    await b.store.postponeMicrosoftWork(failing, { nextAtMs: nowMs + 5_000, error: 'down' })
    await b.store.releaseMicrosoftWork(rest)
    const released = await claim()
    expect(released.map(({ oid }) => oid).toSorted()).toEqual(rest.map(({ oid }) => oid).toSorted())
    expect(await claim(untilMs - 1)).toMatchObject([{ oid: failing.oid }])
    const expired = [
      ...(await claim(untilMs)),
      ...(await claim(untilMs)),
      ...(await claim(untilMs)),
      ...(await claim(untilMs)),
    ]
    expect(expired).toHaveLength(34)
    expect(new Set(expired.map(({ oid }) => oid)).size).toBe(34)
    // The former holder gives back work that another broker holds by now, which changes nothing.
    await b.store.releaseMicrosoftWork(rest)
    expect(await claim(untilMs)).toEqual([])
    // Work that was claimed by a clock that is a day ahead is held no longer than any other.
    expect(await claim(untilMs + DAY_MS)).toHaveLength(10)
    expect(await claim(untilMs)).toHaveLength(10)
  })

  test('work that is asked for again while a broker does it is due at once, for any broker', async () => {
    const b = await open()
    const work: MicrosoftWork = { kind: 'check_user', tid: TENANT, oid: 'oid-alice' }
    const claim = () =>
      b.store.claimMicrosoftWork({
        tid: TENANT,
        nowMs: b.now * 1000,
        untilMs: (b.now + 60) * 1000,
        limit: 10,
      })
    await b.store.askMicrosoft([work], b.now * 1000)
    const [first] = await claim()
    expect([first?.generation, (await claim()).length]).toEqual([1, 0])
    await b.store.askMicrosoft([work], b.now * 1000)
    expect(await claim()).toMatchObject([{ generation: 2 }])
  })

  test('pending work for a tenant goes with it: connected again a year later, no user is signed out by an old request', async () => {
    const b = await open()
    const OTHER = '99999999-2222-4333-8444-555555555555'
    for (const tid of [TENANT, OTHER])
      await b.store.putTenant({ tid, mfaProof: 'amr', connectedAt: b.now })
    const of = (tid: string): MicrosoftWork => ({ kind: 'revoke_sessions', tid, oid: 'p1' })
    await b.store.askMicrosoft([of(TENANT), of(OTHER)], b.now * 1000)
    await b.store.removeTenant({ tid: TENANT, actor: MICROSOFT, now: b.now })
    expect(await b.store.hasPendingMicrosoftWork(of(TENANT))).toBe(false)
    expect(await b.store.hasPendingMicrosoftWork(of(OTHER))).toBe(true)
  })

  test('failed work is pending again on request, for another day; pending work is left alone', async () => {
    const b = await open()
    const OTHER = '99999999-2222-4333-8444-555555555555'
    const nowMs = b.now * 1000
    const work = (tid: string, oid: string): MicrosoftWork => ({
      kind: 'revoke_sessions',
      tid,
      oid,
    })
    await b.store.askMicrosoft([work(TENANT, 'p1'), work(TENANT, 'p2'), work(OTHER, 'p3')], nowMs)
    const due = async (tid: string, at = nowMs) =>
      (await b.store.claimMicrosoftWork({ tid, nowMs: at, untilMs: 0, limit: 10 })).map(
        ({ oid }) => oid,
      )
    const [first] = await b.store.claimMicrosoftWork({ tid: TENANT, nowMs, untilMs: 0, limit: 1 })
    const [other] = await b.store.claimMicrosoftWork({ tid: OTHER, nowMs, untilMs: 0, limit: 1 })
    for (const microsoftWork of [first, other])
      if (microsoftWork !== undefined)
        await b.store.postponeMicrosoftWork(microsoftWork, {
          nextAtMs: undefined,
          error: 'too late',
        })
    expect(await b.store.failedMicrosoftWork(10)).toHaveLength(2)
    const later = nowMs + 5000
    expect(await b.store.redriveMicrosoftWork({ tid: OTHER, nowMs: later })).toBe(1)
    expect([await due(OTHER), await due(OTHER, later)]).toEqual([[], ['p3']])
    expect(
      await b.store.claimMicrosoftWork({ tid: OTHER, nowMs: later, untilMs: 0, limit: 10 }),
    ).toMatchObject([{ attempts: 0, askedAtMs: later }])
    expect(await b.store.redriveMicrosoftWork({ nowMs: later })).toBe(1)
    expect((await due(TENANT, later)).toSorted()).toEqual(['p1', 'p2'])
    expect(await b.store.failedMicrosoftWork(10)).toEqual([])
    expect(await b.store.redriveMicrosoftWork({ nowMs: later })).toBe(0)
  })

  test('many failed rows are redriven page by page, those of one tenant alone where it is named', async () => {
    const b = await open()
    const OTHER = '99999999-2222-4333-8444-555555555555'
    const nowMs = b.now * 1000
    const work = (tid: string, count: number): MicrosoftWork[] =>
      Array.from({ length: count }, (_, n) => ({ kind: 'revoke_sessions', tid, oid: `p${n}` }))
    const claim = (tid: string, atMs: number) =>
      b.store.claimMicrosoftWork({ tid, nowMs: atMs, untilMs: 0, limit: 2_000 })
    for (const [tid, count] of [
      [TENANT, 1_200],
      [OTHER, 20],
    ] as const) {
      await b.store.askMicrosoft(work(tid, count), nowMs)
      const claimed = await claim(tid, nowMs)
      await Promise.all(
        claimed.map((microsoftWork) =>
          b.store.postponeMicrosoftWork(microsoftWork, { nextAtMs: undefined, error: 'too late' }),
        ),
      )
    }
    const later = nowMs + 5000
    const seen = new Set<number>()
    const redriving = b.store.redriveMicrosoftWork({ tid: TENANT, nowMs: later })
    for (let found = 0; found < 1_200; seen.add(found)) found = (await claim(TENANT, later)).length
    expect(await redriving).toBe(1_200)
    const between = [...seen].filter((count) => count > 0 && count < 1_200)
    expect(between.length).toBeGreaterThan(0)
    expect(await claim(OTHER, later)).toEqual([])
    expect(await b.store.redriveMicrosoftWork({ nowMs: later })).toBe(20)
    expect(await claim(OTHER, later)).toHaveLength(20)
  })

  test('every signed-in user of a tenant is asked about, once each', async () => {
    const b = await open()
    await b.signIn('alice')
    await b.signIn('alice')
    await b.signIn('bob')
    await b.signIn('eve', { tid: 'another' })
    expect(await b.store.askAboutEverybody({ tid: TENANT, now: b.now, nowMs: b.now * 1000 })).toBe(
      2,
    )
    expect(
      (
        await b.store.claimMicrosoftWork({
          tid: TENANT,
          nowMs: b.now * 1000,
          untilMs: 0,
          limit: 10,
        })
      )
        .map(({ oid }) => oid)
        .toSorted(),
    ).toEqual(['oid-alice', 'oid-bob'])
  })

  test('every user of a large tenant is asked about page by page, and the event loop goes on meanwhile', async () => {
    const b = await open()
    for (let first = 0; first < 1_100; first += 100)
      await Promise.all(Array.from({ length: 100 }, (_, i) => b.signIn(`user-${first + i}`)))
    let turns = 0
    let asked: number | undefined
    const turning = (): void => {
      // No further than is asked for below: Postgres answers slowly, and the loop would turn at
      // full speed meanwhile.
      if (++turns < 3 && asked === undefined) setImmediate(turning)
    }
    setImmediate(turning)
    asked = await b.store.askAboutEverybody({ tid: TENANT, now: b.now, nowMs: b.now * 1000 })
    expect(asked).toBe(1_100)
    expect(turns).toBeGreaterThanOrEqual(3)
  })

  test('signing a user out at Microsoft is pending with the revocation, in tenants that want it', async () => {
    const b = await open()
    const { session } = await b.signIn('alice')
    const out = (alsoAtMicrosoft: string[] | 'all') =>
      b.store.revoke({
        selector: { kind: 'subject', sub: session.sub },
        reason: 'signed_out_everywhere',
        actor: MICROSOFT,
        now: b.now,
        alsoAtMicrosoft,
      })
    const hasPending = () =>
      b.store.hasPendingMicrosoftWork({ kind: 'revoke_sessions', tid: TENANT, oid: 'oid-alice' })
    await out(['another'])
    expect(await hasPending()).toBe(false)
    await out('all')
    expect(await hasPending()).toBe(true)
  })
})
