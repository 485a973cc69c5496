import { describe, expect, test } from 'vitest'
import { ONCE_MORE } from '../browser.ts'
import { sha256 } from '../../src/runtime/compare.ts'
import {
  createRig,
  OTHER_TENANT,
  type RegisteredClient,
  type Rig,
  TENANT,
  VERIFIER,
} from '../rig.ts'
import { authorizePath, createBrowser, delivered, fieldsOf, location, signIn } from './browser.ts'

/** The limit of sessions, as a user meets it. */

const CONTOSO = { tid: TENANT, mfaProof: 'auth_context:c1', connectedAt: 0 }

async function limited(
  whenFull: 'end_oldest' | 'ask',
  most = 1,
  metadata: Parameters<Rig['register']>[1] = {},
) {
  const rig = await createRig()
  Object.assign(rig.config.sessionRules, { most, whenFull })
  const client = await rig.register('Sydney', metadata)
  const desk = createBrowser(rig)
  await signIn(rig, desk, authorizePath(client))
  rig.clock.advance(7200)
  const phone = createBrowser(rig)
  const live = async () =>
    (await rig.store.searchSessions({ now: rig.clock.now(), limit: 10 })).map(
      ({ session }) => session.sid,
    )
  const reasons = async () =>
    (await rig.store.listRevocations({ limit: 10 })).map(({ reason }) => reason)
  return { rig, client, desk, phone, live, reasons }
}

describe('a sign-in beyond the limit of sessions', () => {
  test('end_oldest: the oldest session ends, and the browser that had it is asked for no password', async () => {
    const { rig, client, desk, phone, live, reasons } = await limited('end_oldest')
    const [first] = await live()
    expect(delivered(await signIn(rig, phone, authorizePath(client)))).toHaveProperty('code')
    expect(await live()).not.toContain(first)
    expect(await reasons()).toEqual(['session_limit'])
    // The limit raises no floor: an ordinary sign-in is enough.
    rig.microsoft.next = { authTime: rig.clock.now() - 600 }
    expect(delivered(await signIn(rig, desk, authorizePath(client)))).toHaveProperty('code')
  })

  test('ask: the user chooses which session ends, or goes back; the form is used once', async () => {
    const { rig, client, phone, live, reasons } = await limited('ask')
    const [first = ''] = await live()
    const full = await signIn(rig, phone, authorizePath(client))
    expect(full.status).toBe(403)
    expect(full.text).toContain('You are signed in on too many devices')
    expect(full.text).toContain('2 hours ago')
    expect(await live()).toEqual([first])
    expect(phone.cookies.get('__Host-cmb_session')).toBeUndefined()
    const fields = { ...fieldsOf(full.html), end: first }
    const answer = delivered(await phone.post('/signin/session-limit', new URLSearchParams(fields)))
    expect(answer).toHaveProperty('code')
    expect(await reasons()).toEqual(['session_limit'])
    expect(await live()).toHaveLength(1)
    // A sign-out on this device raises no floor, and the form signs no user in again.
    await rig.store.revoke({
      selector: { kind: 'session', sid: (await live())[0] ?? '' },
      reason: 'signed_out',
      actor: { kind: 'user', id: 'u' },
      now: rig.clock.now(),
    })
    expect((await phone.post('/signin/session-limit', new URLSearchParams(fields))).status).toBe(
      409,
    )
    expect(await live()).toEqual([])
  })

  test('while the clock is wrong no session opens, and the same form is good once it is right again', async () => {
    const { rig, client, phone, live } = await limited('ask')
    const before = await live()
    const full = await signIn(rig, phone, authorizePath(client))
    rig.clock.step(300)
    const rejected = await phone.submit(full, { end: before[0] ?? '' })
    expect([rejected.status, rejected.headers.get('retry-after')]).toEqual([503, '20'])
    expect(await live()).toEqual(before)
    rig.clock.step(-300)
    expect(delivered(await phone.submit(full, { end: before[0] ?? '' }))).toHaveProperty('code')
  })

  test('the form is valid for ten minutes, in that browser, from our own page', async () => {
    const { rig, client, phone, live } = await limited('ask')
    const [first = ''] = await live()
    const fields = {
      ...fieldsOf((await signIn(rig, phone, authorizePath(client))).html),
      end: first,
    }
    const another = createBrowser(rig)
    await another.get(authorizePath(client))
    const send = async (browser: typeof phone, changes: Record<string, string> = {}) =>
      (await browser.post('/signin/session-limit', new URLSearchParams({ ...fields, ...changes })))
        .status
    expect([
      await send(another),
      await send(phone, { csrf: 'x' }),
      await send(phone, { request: 'x' }),
    ]).toEqual([400, 400, 400])
    rig.clock.advance(601)
    expect(await send(phone)).toBe(400)
    expect(await live()).toEqual([first])
  })

  test('a change since the form was shown counts: a revocation of the user, and another session in the chosen place', async () => {
    const { rig, client, desk, phone, live } = await limited('ask', 2)
    await signIn(rig, createBrowser(rig), authorizePath(client))
    const [second = '', first = ''] = await live()
    const fields = {
      ...fieldsOf((await signIn(rig, phone, authorizePath(client))).html),
      end: first,
    }
    // Another sign-in takes the free place, so that the choice would still leave one session too
    // many.
    await rig.store.revoke({
      selector: { kind: 'session', sid: first },
      reason: 'signed_out',
      actor: { kind: 'user', id: 'u' },
      now: rig.clock.now(),
    })
    await signIn(rig, createBrowser(rig), authorizePath(client))
    const again = await phone.post('/signin/session-limit', new URLSearchParams(fields))
    expect(again.text).toContain('You are signed in on too many devices')
    expect(await live()).toHaveLength(2)
    const sub = (await rig.store.statusBySid(second, rig.clock.now())) as {
      session: { sub: string }
    }
    await rig.store.revoke({
      selector: { kind: 'subject', sub: sub.session.sub },
      reason: 'signed_out_everywhere',
      actor: { kind: 'user', id: sub.session.sub },
      now: rig.clock.now(),
    })
    const rejected = await phone.post(
      '/signin/session-limit',
      new URLSearchParams({ ...fieldsOf(again.html), end: second }),
    )
    expect(rejected.headers.get('location')).toContain('/signin/continue')
    expect(await live()).toEqual([])
    expect(desk.cookies.get('__Host-cmb_session')).toBeDefined()
  })

  test.each([
    ['while the other session is open', undefined, false],
    ['after the other session ended', undefined, true],
    ['while the other session is open, and auth_time is sent', 0, false],
    ['after the other session ended, and auth_time is sent', 0, true],
    ['after the other session ended, by a clock that is behind Microsoft’s', 50, true],
  ])(
    'ask: a user whom Microsoft disables while the form is open goes to Microsoft again: %s',
    async (_when, aheadSeconds, endsBefore) => {
      const rig = await createRig()
      const proof = () =>
        (rig.microsoft.next = {
          authTime: aheadSeconds === undefined ? undefined : rig.clock.now() + aheadSeconds,
        })
      Object.assign(rig.config.sessionRules, { most: 1, whenFull: 'ask' })
      const client = await rig.register('Sydney')
      proof()
      await signIn(rig, createBrowser(rig), authorizePath(client))
      const [open] = await rig.store.searchSessions({ now: rig.clock.now(), limit: 2 })
      const { sid, sub } = open?.session ?? expect.unreachable()
      rig.clock.advance(7200)
      const phone = createBrowser(rig)
      proof()
      const form = await signIn(rig, phone, authorizePath(client))
      rig.clock.advance(10)
      const now = rig.clock.now()
      if (endsBefore)
        await rig.store.revoke({
          selector: { kind: 'session', sid },
          reason: 'signed_out',
          actor: { kind: 'user', id: sub },
          now,
        })
      await rig.store.endAuthenticated({
        sub,
        reason: 'microsoft_account_disabled',
        actor: { kind: 'microsoft', id: 'probe' },
        now,
      })
      rig.clock.advance(10)
      const answer = await phone.submit(form, { end: sid })
      expect(answer.headers.get('location')).toContain('/signin/continue')
      while ((await rig.store.fanOutPending({ limit: 500 })).more);
      expect(await rig.store.liveSessionCount(rig.clock.now())).toBe(0)
      // Once Microsoft lets the user in again, a fresh sign-in is admitted.
      rig.clock.advance(120)
      proof()
      const once = await signIn(rig, phone, authorizePath(client))
      if (once.title === ONCE_MORE) {
        const state = location(once).searchParams.get('state') ?? ''
        await phone.get(
          `/signin/callback?${new URLSearchParams({ code: 'microsoft-code', state })}`,
        )
      }
      expect(await rig.store.liveSessionCount(rig.clock.now())).toBe(1)
    },
  )

  test('the form is valid for ten minutes from Microsoft’s answer, however often it is shown again', async () => {
    const { rig, client, phone, live } = await limited('ask')
    const [first = ''] = await live()
    let form = await signIn(rig, phone, authorizePath(client))
    rig.clock.advance(400)
    form = await phone.submit(form, { end: 's_other' })
    expect(form.text).toContain('You are signed in on too many devices')
    rig.clock.advance(201)
    expect((await phone.submit(form, { end: first })).status).toBe(400)
    expect(await live()).toEqual([first])
  })

  test.each<[string, (rig: Rig, client: RegisteredClient) => Promise<unknown>, number]>([
    [
      'the client admits another tenant alone',
      (rig) => rig.register('Sydney', { tenants: [OTHER_TENANT] }),
      403,
    ],
    [
      'the tenant demands another proof of MFA',
      (rig) => rig.store.putTenant({ ...CONTOSO, mfaProof: 'auth_context:c7' }),
      303,
    ],
    [
      'the tenant demands a younger authentication',
      (rig) => rig.store.putTenant({ ...CONTOSO, maxAuthenticationSeconds: 300 }),
      303,
    ],
  ])('a change since the form was shown counts: %s', async (_, decide, status) => {
    const { rig, client, phone, live } = await limited('ask')
    const before = await live()
    const full = await signIn(rig, phone, authorizePath(client))
    rig.clock.advance(400)
    await decide(rig, client)
    const answer = await phone.submit(full, { end: before[0] ?? '' })
    expect([answer.status, answer.headers.get('location')]).toEqual([
      status,
      status === 403 ? null : expect.stringContaining('/signin/continue'),
    ])
    expect(await live()).toEqual(before)
  })

  test('the session has the limits of the moment in which it opens, and the code the scopes that the client still has', async () => {
    const { rig, client, phone, live } = await limited('ask')
    const [first = ''] = await live()
    const full = await signIn(rig, phone, authorizePath(client))
    await rig.store.putTenant({ ...CONTOSO, absoluteSeconds: 3600 })
    await rig.register('Sydney', { scopes: ['openid'] })
    const { code = '' } = delivered(await phone.submit(full, { end: first }))
    const input = {
      clientId: 'sydney',
      redirectUri: client.metadata.redirectUris[0],
      verifier: VERIFIER,
      familyId: 'f',
      now: rig.clock.now(),
    }
    expect(
      await rig.store.redeemAuthorizationCode({ ...input, codeHash: sha256(code) }),
    ).toMatchObject({
      session: { absoluteAt: rig.clock.now() + 3600 },
      grant: { scope: 'openid' },
    })
  })

  test('a client’s own session_limit ends its oldest grant alone', async () => {
    const { rig, client, phone, live, reasons } = await limited('end_oldest', 10, {
      sessionLimit: 1,
    })
    const [first = ''] = await live()
    const tokens = await rig.signInAt(first, client)
    await signIn(rig, phone, authorizePath(client))
    const second = (await live()).find((sid) => sid !== first) ?? ''
    await rig.signInAt(second, client)
    expect(await reasons()).toEqual(['session_limit'])
    expect(await live()).toHaveLength(2)
    const refreshed = await rig.post(
      '/token',
      { grant_type: 'refresh_token', refresh_token: tokens.refresh_token ?? '' },
      { authorization: client.basic },
    )
    expect(await refreshed.json()).toMatchObject({ error: 'invalid_grant' })
  })
})
