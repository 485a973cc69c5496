import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { ACR_MFA } from '../../src/protocol/names.ts'
import { ACR_PHISHING_RESISTANT, isStronger } from '../../src/protocol/strength.ts'
import { benches, codeFor, PROBED, sha, STORES, T0, TENANT } from './fixture.ts'

describe.each(STORES)('signing in, on %s', (_name, make) => {
  const open = benches(make)

  test('a user is their tenant and object id: the same sub forever, another in another tenant, whatever their name becomes', async () => {
    const b = await open()
    const first = await b.signIn('alice')
    const again = await b.signIn('alice', {
      session: {
        user: { tid: TENANT, oid: 'oid-alice', name: 'Alice Renamed', email: 'a@new.example' },
      },
    })
    const elsewhere = await b.signIn('alice', { tid: '99999999-2222-4333-8444-555555555555' })
    expect(again.session.sub).toBe(first.session.sub)
    expect(again.session.sid).not.toBe(first.session.sid)
    expect(again.session.user.name).toBe('Alice Renamed')
    expect(elsewhere.session.sub).not.toBe(first.session.sub)
    expect(await b.store.findSubjectByUser(TENANT, 'oid-alice')).toMatchObject({
      sub: first.session.sub,
      email: 'a@new.example',
      createdAt: T0,
    })
    expect(await b.store.findSubject(first.session.sub)).toMatchObject({ oid: 'oid-alice' })
    expect(await b.store.findSubject('u_nobody')).toBeUndefined()
  })

  test('the same user on the same browser renews: same sid and openedSeq, new cookie, new limits and roles, no mark', async () => {
    const b = await open()
    const first = await b.signIn('alice', { session: PROBED })
    await b.revoke({ kind: 'tenant', tid: 'another' })
    await b.mark(first.session.sid, T0 + 900, 'microsoft_sign_in_required')
    b.now += 100
    const renewed = await b.signIn('alice', {
      browser: first.cookie,
      session: { roles: ['Case.Lead'], microsoftSid: 'ms-2', amr: ['pwd', 'mfa'] },
    })
    expect(renewed).toMatchObject({ renewed: true, committed: [] })
    expect(renewed.session).toMatchObject({
      sid: first.session.sid,
      openedSeq: 0,
      openedAt: T0,
      authTime: T0 + 100,
      roles: ['Case.Lead'],
      amr: ['pwd', 'mfa'],
    })
    expect(renewed.session.markAt).toBeUndefined()
    expect(renewed.session.absoluteAt).toBe(T0 + 100 + 43_200)
    expect(await b.store.statusByCookie(sha(first.cookie), b.now)).toEqual({ state: 'unknown' })
    expect(await b.store.statusByCookie(sha(renewed.cookie), b.now)).toMatchObject({
      state: 'live',
    })
  })

  test('a renewed session never has an older strength beside a newer time: the pair of acr and auth_time is always of one proof', async () => {
    const b = await open()
    const proof = fc.record({
      acr: fc.constantFrom(undefined, ACR_MFA, ACR_PHISHING_RESISTANT),
      authTime: fc.constantFrom(0, T0 - 900, T0 - 300, T0),
    })
    await fc.assert(
      fc.asyncProperty(fc.array(proof, { minLength: 2, maxLength: 6 }), async (proofs) => {
        let browser: string | undefined
        for (const [at, session] of proofs.entries()) {
          const signedIn = await b.signIn('alice', { browser, session })
          browser = signedIn.cookie
          const { acr, authTime } = signedIn.session
          expect(proofs.slice(0, at + 1)).toContainEqual({ acr, authTime })
          // A demand that this proof met is met by the session, too.
          expect(isStronger(session.acr, acr)).toBe(false)
        }
      }),
      { numRuns: 30 },
    )
  })

  test("another user on the same browser ends the former session as 'replaced', its logout tokens pending in the same act", async () => {
    const b = await open()
    await b.client('sydney')
    const alice = await b.signIn('alice')
    await b.exchange(alice.session.sid, 'sydney')
    const bob = await b.signIn('bob', { browser: alice.cookie })
    expect(bob.renewed).toBe(false)
    expect(bob.session.openedSeq).toBe(1)
    expect(bob.committed).toMatchObject([
      {
        revocation: {
          seq: 1,
          selector: { kind: 'session', sid: alice.session.sid },
          reason: 'replaced',
          actor: { kind: 'user', id: bob.session.sub },
        },
      },
    ])
    expect(bob.committed[0]?.pending).toHaveLength(1)
    expect(await b.store.statusBySid(alice.session.sid, b.now)).toMatchObject({
      state: 'ended',
      why: 'revoked',
      session: { ended: { reason: 'replaced', seq: 1 } },
    })
    expect(await b.store.statusBySid(bob.session.sid, b.now)).toMatchObject({ state: 'live' })
  })

  test('a browser whose session time has ended gets a new one, and the former goes into the log with its own reason', async () => {
    const b = await open()
    const first = await b.signIn('alice', { session: { idleSeconds: 600 } })
    b.now += 600
    const second = await b.signIn('alice', { browser: first.cookie })
    expect(second.renewed).toBe(false)
    expect(second.session.sid).not.toBe(first.session.sid)
    expect(second.committed).toMatchObject([{ revocation: { reason: 'idle' } }])
  })

  test('a browser whose session was revoked gets a new one, and nothing more is logged', async () => {
    const b = await open()
    const first = await b.signIn('alice')
    await b.revoke({ kind: 'subject', sub: first.session.sub })
    const second = await b.signIn('alice', { browser: first.cookie })
    expect(second).toMatchObject({ renewed: false, committed: [] })
    expect(await b.store.statusBySid(second.session.sid, b.now)).toMatchObject({ state: 'live' })
    expect(await b.store.statusBySid(first.session.sid, b.now)).toMatchObject({
      state: 'ended',
      why: 'revoked',
    })
  })

  test('a code comes with the sign-in, or by single sign-on from a live session: not from a marked, ended or unknown one', async () => {
    const b = await open()
    const { session } = await b.signIn('alice', { session: PROBED })
    const issue = () =>
      b.store.issueCode({ sid: session.sid, code: codeFor('sydney', b.now), now: b.now })
    expect(await issue()).toMatchObject({ state: 'live' })
    await b.mark(session.sid, T0 + 900, 'microsoft_sign_in_required')
    expect(await issue()).toMatchObject({ state: 'marked' })
    await b.revoke({ kind: 'session', sid: session.sid })
    expect(await issue()).toMatchObject({ state: 'ended' })
    expect(
      await b.store.issueCode({ sid: 's_none', code: codeFor('sydney', b.now), now: b.now }),
    ).toEqual({ state: 'unknown' })
  })

  test('a session ends by the idle limit, by the absolute limit, or by its mark, whichever comes first', async () => {
    const b = await open()
    const { session } = await b.signIn('alice', {
      session: { ...PROBED, idleSeconds: 600, absoluteAt: T0 + 1000 },
    })
    const at = async (now: number) =>
      (await b.store.statusBySid(session.sid, now)) as { state: string; why?: string }
    expect(await at(T0 + 599)).toMatchObject({ state: 'live' })
    expect(await at(T0 + 600)).toMatchObject({ state: 'ended', why: 'idle' })
    b.now += 500
    await b.store.issueCode({ sid: session.sid, code: codeFor('sydney', b.now), now: b.now })
    expect(await at(T0 + 999)).toMatchObject({ state: 'live' })
    expect(await at(T0 + 1000)).toMatchObject({ state: 'ended', why: 'expired' })
    await b.mark(session.sid, T0 + 700, 'mfa_lapsed')
    await b.mark(session.sid, T0 + 800, 'microsoft_sign_in_required')
    expect(await at(T0 + 699)).toMatchObject({ state: 'marked' })
    expect(await at(T0 + 700)).toMatchObject({ state: 'ended', why: 'marked' })
  })

  test('a participant stays on the record, and live sessions are listed with them, newest first', async () => {
    const b = await open()
    await b.client('sydney')
    await b.client('melbourne')
    const first = await b.signIn('alice')
    await b.exchange(first.session.sid, 'sydney', 'openid')
    b.now += 10
    const second = await b.signIn('alice')
    await b.exchange(second.session.sid, 'sydney')
    b.now += 10
    await b.exchange(second.session.sid, 'melbourne')
    const listed = await b.store.liveSessionsOf(first.session.sub, b.now)
    expect(listed.map(({ session }) => session.sid)).toEqual([
      second.session.sid,
      first.session.sid,
    ])
    expect(listed[0]?.participants).toMatchObject([
      { clientId: 'sydney', firstAt: T0 + 10 },
      { clientId: 'melbourne', firstAt: T0 + 20 },
    ])
    await b.revoke({ kind: 'session', sid: second.session.sid })
    expect(await b.store.liveSessionsOf(first.session.sub, b.now)).toHaveLength(1)
    expect(await b.store.participants(second.session.sid)).toHaveLength(2)
    expect(await b.store.liveSessionCount(b.now)).toBe(1)
  })

  test('operators search live sessions by user, tenant, client and text', async () => {
    const b = await open()
    await b.client('sydney')
    const alice = await b.signIn('alice')
    const bob = await b.signIn('bob', { tid: 'tenant-2' })
    await b.exchange(bob.session.sid, 'sydney')
    const search = async (input: object) =>
      (await b.store.searchSessions({ ...input, now: b.now, limit: 10 })).map(
        ({ session }) => session.user.name,
      )
    expect((await search({})).toSorted()).toEqual(['alice', 'bob'])
    expect(await search({ tid: 'tenant-2' })).toEqual(['bob'])
    expect(await search({ clientId: 'sydney' })).toEqual(['bob'])
    expect(await search({ text: 'ALI' })).toEqual(['alice'])
    await b.signIn('Smith, Björn Anna')
    for (const text of ['bjorn', 'BJÖRN smith', 'anna björn'])
      expect([text, await search({ text })]).toEqual([text, ['Smith, Björn Anna']])
    expect(await search({ text: 'bjorn alice' })).toEqual([])
    expect(await search({ text: alice.session.sid })).toEqual(['alice'])
    expect(await search({ sub: alice.session.sub })).toEqual(['alice'])
    expect(await search({ sub: alice.session.sub, clientId: 'sydney' })).toEqual([])
    expect(await b.store.searchSessions({ now: b.now, limit: 1 })).toHaveLength(1)
  })

  test('consent is remembered by scope, and grows', async () => {
    const b = await open()
    const { session } = await b.signIn('alice')
    const asked = { sub: session.sub, clientId: await b.client('sydney') }
    expect(await b.store.hasConsent({ ...asked, scope: 'openid' })).toBe(false)
    await b.store.recordConsent({ ...asked, scope: 'openid profile', now: b.now })
    await b.store.recordConsent({ ...asked, scope: 'email', now: b.now })
    expect(await b.store.hasConsent({ ...asked, scope: 'email openid' })).toBe(true)
    expect(await b.store.hasConsent({ ...asked, scope: 'openid offline_access' })).toBe(false)
  })

  test('the apps of a user are the grants of live sessions that no revocation covers, and what was consented to, which can be withdrawn', async () => {
    const b = await open()
    for (const clientId of ['sydney', 'melbourne', 'perth']) await b.client(clientId)
    const [first, second, ended] = [
      await b.signIn('alice'),
      await b.signIn('alice'),
      await b.signIn('alice'),
    ]
    const bob = await b.signIn('bob')
    const { sub } = first.session
    for (const { session } of [first, second, ended, bob]) await b.exchange(session.sid, 'sydney')
    await b.exchange(second.session.sid, 'melbourne')
    await b.exchange(second.session.sid, 'perth')
    await b.store.recordConsent({ sub, clientId: 'perth', scope: 'openid', now: b.now })
    await b.revoke({ kind: 'session', sid: ended.session.sid })
    await b.revoke({ kind: 'grant', sid: second.session.sid, clientId: 'melbourne' })
    await b.revoke({ kind: 'client', clientId: 'perth' })
    const apps = async () => {
      const { grants, consents } = await b.store.appsOfUser(sub, b.now)
      return [
        grants.map(({ sid, clientId }) => `${clientId} ${sid}`).toSorted(),
        consents.map(({ clientId, scope }) => `${clientId} ${scope}`),
      ]
    }
    const sydney = [first, second].map(({ session }) => `sydney ${session.sid}`).toSorted()
    expect(await apps()).toEqual([sydney, ['perth openid']])
    // An app may return after its revocation, which is a new grant.
    await b.exchange(second.session.sid, 'melbourne')
    expect(await apps()).toEqual([
      [`melbourne ${second.session.sid}`, ...sydney].toSorted(),
      ['perth openid'],
    ])
    await b.store.withdrawConsent({ sub, clientId: 'perth', now: b.now })
    expect(await b.store.hasConsent({ sub, clientId: 'perth', scope: 'openid' })).toBe(false)
    expect((await apps())[1]).toEqual([])
  })
})
