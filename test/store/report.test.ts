import { describe, expect, test } from 'vitest'
import { benches, expectOutcome, STORES, T0, TENANT, type Bench, type SignedIn } from './fixture.ts'

const FRESH = 300
const state = async (b: Bench, signedIn: SignedIn) =>
  (await b.store.statusBySid(signedIn.session.sid, b.now)).state

function reporting(
  b: Bench,
  acting: SignedIn,
  what: { sid: string } | { event: { at: number; id: string } },
) {
  const more = { everywhere: false, atMicrosoft: false, address: '203.0.113.7' }
  return {
    sub: acting.session.sub,
    acting: acting.session.sid,
    what,
    freshSince: b.now - FRESH,
    now: b.now,
    ...more,
  }
}

describe.each(STORES)('a user who does not recognize a session, on %s', (_name, make) => {
  const open = benches(make)

  test('ends it in one act, which writes the history, and tells each webhook endpoint, the address only where it may have it', async () => {
    const b = await open()
    const endpoint = {
      url: 'https://siem.example/x',
      secretSealed: 'sealed',
      state: 'enabled',
      position: 0,
      createdAt: T0,
      updatedAt: T0,
    } as const
    await b.store.addWebhook({
      ...endpoint,
      id: 'wh_1',
      events: ['user.reported_sign_in'],
      include: [],
    })
    await b.store.addWebhook({
      ...endpoint,
      id: 'wh_2',
      events: ['user.reported_sign_in'],
      include: ['ip_addresses', 'names'],
    })
    const [laptop, phone] = [await b.signIn(), await b.signIn()]
    const done = expectOutcome(
      await b.store.reportByUser(reporting(b, laptop, { sid: phone.session.sid })),
      'reported',
    )
    expect(done).toMatchObject({
      sid: phone.session.sid,
      actingEnded: false,
      committed: [{ revocation: { reason: 'reported_by_user' } }],
    })
    expect([await state(b, laptop), await state(b, phone)]).toEqual(['live', 'ended'])
    const events = await b.store.securityHistory({ sub: laptop.session.sub, limit: 9 })
    expect(events.map(({ kind, sid }) => [kind, sid])).toEqual(
      expect.arrayContaining([
        ['reported', phone.session.sid],
        ['ended', phone.session.sid],
      ]),
    )
    const payloads = await Promise.all(
      done.pending.map(
        async ({ id }) =>
          JSON.parse((await b.store.findDelivery(id))?.payload ?? '{}') as { data: object },
      ),
    )
    const about = { sub: laptop.session.sub, tid: TENANT, sid: phone.session.sid, seq: 1 }
    expect(payloads.map(({ data }) => data)).toEqual([
      about,
      { ...about, ip_address: '203.0.113.7', name: 'alice', username: 'alice@contoso.example' },
    ])
  })

  test('ends the acting session too unless it is fresh, and then does no more than that', async () => {
    const b = await open()
    const [laptop, phone, tablet] = [await b.signIn(), await b.signIn(), await b.signIn()]
    b.now += FRESH + 1
    const all = { everywhere: true, atMicrosoft: true }
    const done = expectOutcome(
      await b.store.reportByUser({ ...reporting(b, laptop, { sid: phone.session.sid }), ...all }),
      'reported',
    )
    expect(done.actingEnded).toBe(true)
    expect([await state(b, laptop), await state(b, phone), await state(b, tablet)]).toEqual([
      'ended',
      'ended',
      'live',
    ])
    expect(
      await b.store.hasPendingMicrosoftWork({
        kind: 'revoke_reported',
        tid: TENANT,
        oid: 'oid-alice',
      }),
    ).toBe(false)
  })

  test('a session of which Microsoft did not say when its user signed in is never fresh', async () => {
    const b = await open()
    const [laptop, phone] = [
      await b.signIn('alice', { session: { authTime: 0 } }),
      await b.signIn(),
    ]
    expect(
      await b.store.reportByUser({
        ...reporting(b, laptop, { sid: phone.session.sid }),
        freshSince: 0,
      }),
    ).toMatchObject({ actingEnded: true })
  })

  test('fresh, ends every session by one revocation of the user, and has them signed out at Microsoft, where they want it', async () => {
    const b = await open()
    const [laptop, phone] = [await b.signIn(), await b.signIn()]
    const all = { everywhere: true, atMicrosoft: true }
    const done = expectOutcome(
      await b.store.reportByUser({ ...reporting(b, laptop, { sid: phone.session.sid }), ...all }),
      'reported',
    )
    expect(done.committed.map(({ revocation }) => revocation.selector.kind)).toEqual(['subject'])
    expect([done.actingEnded, await state(b, laptop), await state(b, phone)]).toEqual([
      true,
      'ended',
      'ended',
    ])
    expect(
      await b.store.hasPendingMicrosoftWork({
        kind: 'revoke_reported',
        tid: TENANT,
        oid: 'oid-alice',
      }),
    ).toBe(true)
  })

  test('by an entry of the history: its session ends; where none is left to end, the acting one, so that the floor is raised', async () => {
    const b = await open()
    const [laptop, phone] = [await b.signIn(), await b.signIn()]
    b.now += 1
    await b.store.recordRejectedSignIn({
      user: { tid: TENANT, oid: 'oid-alice' },
      why: 'mfa_not_proved',
      reference: 'BCDF-GHJK',
      device: 'Opera',
      now: b.now,
    })
    const events = await b.store.securityHistory({ sub: laptop.session.sub, limit: 9 })
    const [rejected] = events
    const opened = events.find(({ sid }) => sid === phone.session.sid)
    if (rejected === undefined || opened === undefined)
      throw new Error('The history lacks an entry.')
    const other = expectOutcome(
      await b.store.reportByUser(reporting(b, laptop, { event: opened })),
      'reported',
    )
    expect(other).toMatchObject({ sid: phone.session.sid, committed: [{}], actingEnded: false })
    expect(await state(b, phone)).toBe('ended')
    const reported = expectOutcome(
      await b.store.reportByUser(reporting(b, laptop, { event: rejected })),
      'reported',
    )
    // The acting session ends too, although it is fresh: without a revocation the attacker's cookie
    // at Microsoft would open a session.
    expect(reported).toMatchObject({
      sid: undefined,
      committed: [{ revocation: { selector: { sid: laptop.session.sid } } }],
      actingEnded: true,
    })
  })

  test('raises the floor: a sign-in by an old cookie at Microsoft opens no session', async () => {
    const b = await open()
    const [laptop, phone] = [await b.signIn(), await b.signIn()]
    await b.store.reportByUser(reporting(b, laptop, { sid: phone.session.sid }))
    await expect(b.signIn('alice', { browser: phone.cookie, provenSeq: 0 })).rejects.toThrow(
      'not_fresh',
    )
  })

  test('of two reports of one session at once, one ends it, and the other the acting one', async () => {
    const b = await open()
    const [laptop, phone] = [await b.signIn(), await b.signIn()]
    const twice = [0, 1].map(() =>
      b.store.reportByUser(reporting(b, laptop, { sid: phone.session.sid })),
    )
    const done = (await Promise.all(twice)).flatMap(
      (outcome) => expectOutcome(outcome, 'reported').committed,
    )
    const ended = done.map(({ revocation: { selector } }) =>
      'sid' in selector ? selector.sid : '',
    )
    expect(ended.sort()).toEqual([laptop.session.sid, phone.session.sid].sort())
  })

  test('an acting session that has ended, or another user’s, reports nothing', async () => {
    const b = await open()
    const [laptop, phone, bob] = [await b.signIn(), await b.signIn(), await b.signIn('bob')]
    await b.revoke({ kind: 'session', sid: laptop.session.sid })
    const [bobs] = await b.store.securityHistory({ sub: bob.session.sub, limit: 1 })
    for (const asked of [
      reporting(b, laptop, { sid: phone.session.sid }),
      reporting(b, phone, { sid: bob.session.sid }),
      reporting(b, phone, { sid: 's_nobody' }),
      { ...reporting(b, phone, { sid: bob.session.sid }), acting: bob.session.sid },
      reporting(b, phone, { event: { at: bobs?.at ?? 0, id: bobs?.id ?? '' } }),
    ])
      expect(await b.store.reportByUser(asked)).toEqual({ outcome: 'unknown' })
    expect([await state(b, phone), await state(b, bob)]).toEqual(['live', 'live'])
  })
})
