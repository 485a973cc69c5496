import { describe, expect, test } from 'vitest'
import { createRig, ISSUER, START, type RegisteredClient, type Rig } from '../rig.ts'
import { claimsOf, isLive, outcome, refreshForm, signedIn, tokensOf } from './tokens.ts'

const introspect = async (
  rig: Rig,
  client: RegisteredClient,
  token: string | undefined,
  more: Record<string, string> = {},
) =>
  (await (
    await rig.post('/introspect', { token: token ?? '', ...more }, { authorization: client.basic })
  ).json()) as Record<string, unknown>
const signOut = (rig: Rig, sid: string) =>
  rig.store.revoke({
    selector: { kind: 'session', sid },
    reason: 'signed_out',
    actor: { kind: 'broker', id: 'test' },
    now: rig.clock.now(),
  })

describe('introspection (RFC 7662)', () => {
  test('says all that the access token says, to its audience and to the client it was issued to', async () => {
    const rig = await createRig()
    const { tokens, client } = await signedIn(rig)
    const claims = claimsOf(tokens.access_token)
    expect(await introspect(rig, client, tokens.access_token)).toEqual({
      active: true,
      token_type: 'Bearer',
      ...claims,
    })
    expect(
      await introspect(rig, client, tokens.access_token, { token_type_hint: 'refresh_token' }),
    ).toMatchObject({ active: true })
  })

  test('to every other client, and for every other token, it says only that it is not active (§2.2)', async () => {
    const rig = await createRig()
    const { client, tokens } = await signedIn(rig)
    const melbourne = await rig.register('Melbourne')
    for (const token of [tokens.access_token, tokens.refresh_token])
      expect(await introspect(rig, melbourne, token)).toEqual({ active: false })
    for (const token of [
      tokens.id_token,
      'x',
      `${tokens.access_token}x`,
      `${tokens.refresh_token!.slice(0, -4)}AAAA`,
    ])
      expect(await introspect(rig, client, token)).toEqual({ active: false })
  })

  test('a refresh token is active while it can be used: the current one and, until that is used, the one before', async () => {
    const rig = await createRig()
    const { client, session, tokens } = await signedIn(rig)
    expect(await introspect(rig, client, tokens.refresh_token)).toEqual({
      active: true,
      iss: ISSUER,
      client_id: 'sydney',
      sub: session.sub,
      sid: session.sid,
      scope: tokens.scope,
      exp: session.absoluteAt,
    })
    const second = await tokensOf(
      rig.post('/token', refreshForm(tokens.refresh_token), { authorization: client.basic }),
    )
    expect(await introspect(rig, client, tokens.refresh_token)).toMatchObject({ active: true })
    const third = await tokensOf(
      rig.post('/token', refreshForm(second.refresh_token), { authorization: client.basic }),
    )
    expect(await introspect(rig, client, tokens.refresh_token)).toEqual({ active: false })
    await signOut(rig, session.sid)
    expect(await introspect(rig, client, third.refresh_token)).toEqual({ active: false })
  })

  test('nothing is active after the session has ended, at the instant it has', async () => {
    const rig = await createRig()
    const { client, session, tokens } = await signedIn(rig)
    await signOut(rig, session.sid)
    for (const token of [tokens.access_token, tokens.refresh_token])
      expect(await introspect(rig, client, token)).toEqual({ active: false })
  })

  test('an expired token is not active', async () => {
    const rig = await createRig()
    const { client, tokens } = await signedIn(rig)
    rig.clock.advance(300)
    expect(await introspect(rig, client, tokens.access_token)).toEqual({ active: false })
  })

  test('it is for clients that authenticate (§2.1)', async () => {
    const rig = await createRig()
    const { tokens } = await signedIn(rig)
    await rig.register('App', { authMethod: 'none' })
    expect(await outcome(rig.post('/introspect', { token: tokens.access_token }))).toEqual([
      401,
      'invalid_client',
    ])
    expect(
      await outcome(rig.post('/introspect', { token: tokens.access_token, client_id: 'app' })),
    ).toEqual([401, 'invalid_client'])
  })

  test('a missing token is invalid_request, and no answer may be stored', async () => {
    const rig = await createRig()
    const client = await rig.register('Sydney')
    const answer = await rig.post('/introspect', {}, { authorization: client.basic })
    expect([answer.status, answer.headers.get('cache-control')]).toEqual([400, 'no-store'])
    const inactive = await rig.post('/introspect', { token: 'x' }, { authorization: client.basic })
    expect(inactive.headers.get('cache-control')).toBe('no-store')
  })
})

describe('revocation by a client (RFC 7009)', () => {
  const revoke = (rig: Rig, client: RegisteredClient, token: string | undefined) =>
    rig.post('/revoke', { token: token ?? '' }, { authorization: client.basic })

  test.each(['refresh_token', 'access_token'] as const)(
    'with its %s a client ends the whole grant; the session and other clients’ grants go on',
    async (kind) => {
      const rig = await createRig()
      const { client, session, tokens } = await signedIn(rig)
      const melbourne = await rig.register('Melbourne')
      const there = await rig.signInAt(session.sid, melbourne)
      const answer = await revoke(rig, client, tokens[kind])
      expect([answer.status, await answer.text()]).toEqual([200, ''])
      expect(
        await outcome(
          rig.post('/token', refreshForm(tokens.refresh_token), { authorization: client.basic }),
        ),
      ).toEqual([400, 'invalid_grant'])
      expect(await introspect(rig, client, tokens.access_token)).toEqual({ active: false })
      expect(await isLive(rig, session.sid)).toBe(true)
      expect(
        await outcome(
          rig.post('/token', refreshForm(there.refresh_token), { authorization: melbourne.basic }),
        ),
      ).toEqual([200, 'ok'])
      expect(await rig.store.listRevocations({ limit: 5 })).toMatchObject([
        {
          reason: 'token_revoked',
          selector: { kind: 'grant', sid: session.sid, clientId: 'sydney' },
        },
      ])
    },
  )

  test('the participants stay known, and get a logout token when the session ends', async () => {
    const rig = await createRig()
    const { client, session, tokens } = await signedIn(rig)
    await revoke(rig, client, tokens.refresh_token)
    expect((await rig.store.participants(session.sid)).map((each) => each.clientId)).toEqual([
      'sydney',
    ])
    const before = (await rig.store.listDeliveries({ limit: 10 })).length
    await signOut(rig, session.sid)
    expect((await rig.store.listDeliveries({ limit: 10 })).length).toBeGreaterThan(before)
  })

  test('a token that is unknown, expired, or another client’s: 200, and nothing changes (§2.2)', async () => {
    const rig = await createRig()
    const { client, tokens } = await signedIn(rig)
    const melbourne = await rig.register('Melbourne')
    for (const token of ['x', 'cmr_x', tokens.access_token, tokens.refresh_token, tokens.id_token])
      expect((await revoke(rig, melbourne, token)).status).toBe(200)
    expect(await rig.store.listRevocations({ limit: 5 })).toEqual([])
    rig.clock.advance(300)
    expect((await revoke(rig, client, tokens.access_token)).status).toBe(200)
    expect(
      await outcome(
        rig.post('/token', refreshForm(tokens.refresh_token), { authorization: client.basic }),
      ),
    ).toEqual([200, 'ok'])
  })

  test('twice is once', async () => {
    const rig = await createRig()
    const { client, tokens } = await signedIn(rig)
    const answers = await Promise.all([
      revoke(rig, client, tokens.refresh_token),
      revoke(rig, client, tokens.refresh_token),
    ])
    expect(answers.map((each) => each.status)).toEqual([200, 200])
    expect(await rig.store.listRevocations({ limit: 5 })).toHaveLength(1)
  })

  test('a public client revokes its own', async () => {
    const rig = await createRig()
    const client = await rig.register('App', { authMethod: 'none' })
    const { session } = await rig.openSession()
    const { form } = await rig.issueCode(session.sid, client)
    const tokens = await tokensOf(rig.post('/token', { ...form, client_id: 'app' }))
    expect(
      (await rig.post('/revoke', { token: tokens.refresh_token!, client_id: 'app' })).status,
    ).toBe(200)
    expect(
      await outcome(rig.post('/token', { ...refreshForm(tokens.refresh_token), client_id: 'app' })),
    ).toEqual([400, 'invalid_grant'])
  })

  test('no token is invalid_request, no client invalid_client, a client’s own access token unsupported_token_type (§2.2.1)', async () => {
    const rig = await createRig()
    const client = await rig.register('Sydney', {
      grants: ['client_credentials'],
      scopes: ['cases:read'],
    })
    const { access_token } = await tokensOf(
      rig.post('/token', { grant_type: 'client_credentials' }, { authorization: client.basic }),
    )
    expect(await outcome(revoke(rig, client, ''))).toEqual([400, 'invalid_request'])
    expect(await outcome(rig.post('/revoke', { token: 'x' }))).toEqual([401, 'invalid_client'])
    expect(await outcome(revoke(rig, client, access_token))).toEqual([
      400,
      'unsupported_token_type',
    ])
  })
})

describe('userinfo (OpenID Connect Core §5.3)', () => {
  const get = (rig: Rig, token: string) =>
    rig.app.request('/userinfo', { headers: { authorization: `Bearer ${token}` } })

  test('by GET, by POST with the header, by POST with a form (RFC 6750 §2)', async () => {
    const rig = await createRig()
    const { session, tokens } = await signedIn(rig)
    const all = {
      sub: session.sub,
      name: 'Alice Adams',
      preferred_username: 'alice@contoso.example',
      email: 'alice@contoso.example',
      email_verified: false,
      session_expires_at: session.absoluteAt,
    }
    const byForm = await rig.post('/userinfo', { access_token: tokens.access_token })
    const byHeader = await rig.app.request('/userinfo', {
      method: 'POST',
      headers: { authorization: `bearer ${tokens.access_token}` },
    })
    for (const answer of [await get(rig, tokens.access_token), byForm, byHeader]) {
      expect([answer.status, answer.headers.get('cache-control')]).toEqual([200, 'no-store'])
      expect(await answer.json()).toEqual(all)
    }
  })

  test('says what the scopes allow, and no more (§5.4)', async () => {
    const rig = await createRig()
    const client = await rig.register('Sydney')
    const { session } = await rig.openSession()
    for (const [scope, names] of [
      ['openid', ['session_expires_at', 'sub']],
      ['openid profile', ['name', 'preferred_username', 'session_expires_at', 'sub']],
      ['openid email', ['email', 'email_verified', 'session_expires_at', 'sub']],
    ] as const) {
      const { access_token } = await rig.signInAt(session.sid, client, scope)
      expect(
        Object.keys((await (await get(rig, access_token)).json()) as object).toSorted(),
      ).toEqual(names)
    }
  })

  test('without a token the challenge names no error; with a bad one invalid_token; with both ways at once invalid_request (RFC 6750 §3.1)', async () => {
    const rig = await createRig()
    const { tokens } = await signedIn(rig)
    const none = await rig.app.request('/userinfo')
    expect([none.status, none.headers.get('www-authenticate')]).toEqual([
      401,
      'Bearer realm="Case Manager Identity Broker", DPoP realm="Case Manager Identity Broker", algs="ES256 PS256 EdDSA"',
    ])
    for (const token of [
      'x',
      tokens.id_token!,
      tokens.refresh_token!,
      `${tokens.access_token.slice(0, -6)}AAAAAA`,
    ]) {
      const bad = await get(rig, token)
      expect([bad.status, bad.headers.get('www-authenticate')]).toEqual([
        401,
        expect.stringMatching(
          /^Bearer realm="[^"]+", error="invalid_token", error_description="[^"]+"$/,
        ),
      ])
    }
    for (const [token, words] of [
      [tokens.id_token!, 'This is not an access token, but another JWT, such as an ID token.'],
      ['x', 'The access token is not valid or has expired.'],
    ] as const)
      expect(
        ((await (await get(rig, token)).json()) as { error_description: string }).error_description,
      ).toContain(words)
    const both = await rig.post(
      '/userinfo',
      { access_token: tokens.access_token },
      { authorization: `Bearer ${tokens.access_token}` },
    )
    expect([both.status, both.headers.get('www-authenticate')]).toEqual([
      400,
      expect.stringContaining('error="invalid_request"'),
    ])
    const basic = await rig.app.request('/userinfo', { headers: { authorization: 'Basic abc' } })
    expect(basic.status).toBe(400)
  })

  test('a token in the query is not accepted (RFC 6750 §2.3)', async () => {
    const rig = await createRig()
    const { tokens } = await signedIn(rig)
    expect((await rig.app.request(`/userinfo?access_token=${tokens.access_token}`)).status).toBe(
      401,
    )
  })

  test('without openid it is insufficient_scope, for a client’s own token too', async () => {
    const rig = await createRig()
    const client = await rig.register('Sydney', {
      grants: ['authorization_code', 'client_credentials'],
      scopes: ['profile', 'cases:read'],
    })
    const { session } = await rig.openSession()
    const user = await rig.signInAt(session.sid, client, 'profile')
    const own = await tokensOf(
      rig.post('/token', { grant_type: 'client_credentials' }, { authorization: client.basic }),
    )
    for (const { access_token } of [user, own]) {
      const answer = await get(rig, access_token)
      expect([answer.status, answer.headers.get('www-authenticate')]).toEqual([
        403,
        expect.stringMatching(/error="insufficient_scope".*scope="openid"/),
      ])
    }
  })

  test('after the session has ended it is invalid_token at once', async () => {
    const rig = await createRig()
    const { session, tokens } = await signedIn(rig)
    await signOut(rig, session.sid)
    expect((await get(rig, tokens.access_token)).status).toBe(401)
  })

  test('it counts as activity: the session does not idle away', async () => {
    const rig = await createRig()
    const client = await rig.register('Sydney', { accessTokenSeconds: 3600 })
    const { session } = await rig.openSession({ idleSeconds: 1800 })
    const { access_token } = await rig.signInAt(session.sid, client)
    for (let n = 0; n < 2; n++) {
      rig.clock.advance(1700)
      expect((await get(rig, access_token)).status).toBe(200)
    }
    expect(rig.clock.now()).toBe(START + 3400)
    expect(await isLive(rig, session.sid)).toBe(true)
  })
})
