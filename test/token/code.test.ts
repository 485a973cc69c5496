import { createHash } from 'node:crypto'
import { createLocalJWKSet, jwtVerify } from 'jose'
import { describe, expect, test } from 'vitest'
import { CHALLENGE, createRig, ISSUER, OTHER_TENANT, START, TENANT, VERIFIER } from '../rig.ts'
import { claimsOf, headerOf, isLive, outcome, refreshForm, signedIn, tokensOf } from './tokens.ts'

describe('the authorization code grant (RFC 6749 §4.1.3)', () => {
  test('gives an access token by RFC 9068, signed ES256, with sid and rev', async () => {
    const rig = await createRig()
    const { session, client, tokens } = await signedIn(rig)
    expect(headerOf(tokens.access_token)).toMatchObject({ typ: 'at+jwt', alg: 'ES256' })
    const claims = claimsOf(tokens.access_token)
    expect(claims).toEqual({
      iss: ISSUER,
      sub: session.sub,
      aud: client.metadata.audience,
      client_id: 'sydney',
      iat: START,
      exp: START + 300,
      jti: expect.stringMatching(/^[\w-]{22}$/),
      sid: session.sid,
      rev: (await rig.store.head()).seq,
      scope: 'openid profile email offline_access',
      auth_time: START,
      tid: TENANT,
      oid: session.user.oid,
      roles: ['CaseManager.User'],
      acr: 'urn:case-manager:acr:mfa',
    })
    const jwks = createLocalJWKSet(
      (await (await rig.app.request('/jwks')).json()) as Parameters<typeof createLocalJWKSet>[0],
    )
    await jwtVerify(tokens.access_token, jwks, {
      issuer: ISSUER,
      audience: client.metadata.audience,
      typ: 'at+jwt',
      currentDate: new Date(START * 1000),
    })
    expect(tokens).toMatchObject({
      token_type: 'Bearer',
      expires_in: 300,
      scope: 'openid profile email offline_access',
      refresh_token: expect.stringMatching(/^cmr_/),
    })
  })

  test('tokens have nothing that the registration has lost since the code was issued', async () => {
    const rig = await createRig()
    const melbourne = await rig.register('Melbourne')
    const sydney = await rig.register('Sydney', { resources: [melbourne.metadata.audience] })
    const { session } = await rig.openSession()
    const [there, here] = [
      await rig.issueCode(session.sid, sydney, { audience: melbourne.metadata.audience }),
      await rig.issueCode(session.sid, sydney),
    ]
    const metadata = { ...sydney.metadata, resources: [], scopes: ['openid', 'offline_access'] }
    await rig.store.putClient({
      clientId: 'sydney',
      source: 'command',
      metadata,
      now: rig.clock.now(),
    })
    await rig.clients.reload()
    expect(await outcome(rig.post('/token', there.form, { authorization: sydney.basic }))).toEqual([
      400,
      'invalid_target',
    ])
    const tokens = await tokensOf(rig.post('/token', here.form, { authorization: sydney.basic }))
    expect(tokens.scope).toBe('openid offline_access')
    expect(claimsOf(tokens.id_token!)).not.toHaveProperty('email')
  })

  test('gives an ID token by OpenID Connect Core §2 and §3.1.3.6, RS256 by default; the address is marked unverified', async () => {
    const rig = await createRig()
    const { session, tokens } = await signedIn(rig)
    expect(headerOf(tokens.id_token!)).toMatchObject({ alg: 'RS256', typ: 'JWT' })
    expect(claimsOf(tokens.id_token!)).toEqual({
      iss: ISSUER,
      sub: session.sub,
      aud: 'sydney',
      exp: START + 300,
      iat: START,
      auth_time: START,
      nonce: 'nonce-1',
      sid: session.sid,
      session_expiry: session.absoluteAt,
      tenant: session.user.tid,
      rev: claimsOf(tokens.access_token).rev,
      acr: 'urn:case-manager:acr:mfa',
      at_hash: createHash('sha256')
        .update(tokens.access_token)
        .digest()
        .subarray(0, 16)
        .toString('base64url'),
      name: 'Alice Adams',
      preferred_username: 'alice@contoso.example',
      email: 'alice@contoso.example',
      email_verified: false,
    })
  })

  test('signs the ID token with ES256 where the client says so', async () => {
    const rig = await createRig()
    const { tokens } = await signedIn(rig, { idTokenAlg: 'ES256' })
    expect(headerOf(tokens.id_token!).alg).toBe('ES256')
  })

  test('leaves the user’s claims to userinfo where the client is registered for the letter of OpenID Connect Core §5.4', async () => {
    const rig = await createRig()
    const { tokens } = await signedIn(rig, { idTokenUserClaims: false })
    expect(Object.keys(claimsOf(tokens.id_token!))).not.toEqual(
      expect.arrayContaining([expect.stringMatching(/name|email/)]),
    )
    const answer = await rig.app.request(`${ISSUER}/userinfo`, {
      headers: { authorization: `Bearer ${tokens.access_token}` },
    })
    expect(await answer.json()).toMatchObject({
      name: 'Alice Adams',
      email: 'alice@contoso.example',
    })
  })

  test('never invents acr and amr', async () => {
    const rig = await createRig()
    const client = await rig.register('Sydney')
    const { session } = await rig.openSession({ acr: undefined, amr: undefined })
    const tokens = await rig.signInAt(session.sid, client)
    for (const jwt of [tokens.access_token, tokens.id_token!]) {
      expect(claimsOf(jwt)).not.toHaveProperty('acr')
      expect(claimsOf(jwt)).not.toHaveProperty('amr')
    }
  })

  test('without openid there is no ID token, without profile and email no name and address, without offline_access no refresh token', async () => {
    const rig = await createRig()
    const client = await rig.register('Sydney')
    const { session } = await rig.openSession()
    expect(await rig.signInAt(session.sid, client, 'profile')).not.toHaveProperty('id_token')
    const bare = await rig.signInAt(session.sid, client, 'openid')
    expect(bare).not.toHaveProperty('refresh_token')
    for (const claim of ['name', 'preferred_username', 'email', 'email_verified'])
      expect(claimsOf(bare.id_token!)).not.toHaveProperty(claim)
  })

  test('no token outlives the absolute end of the session', async () => {
    const rig = await createRig()
    const client = await rig.register('Sydney')
    const { session } = await rig.openSession({ absoluteAt: START + 100 })
    const tokens = await rig.signInAt(session.sid, client)
    expect(tokens.expires_in).toBe(100)
    expect(claimsOf(tokens.access_token).exp).toBe(START + 100)
    expect(claimsOf(tokens.id_token!).exp).toBe(START + 100)
  })

  test('nothing of an answer may be stored (§5.1), errors included', async () => {
    const rig = await createRig()
    const client = await rig.register('Sydney')
    const { session } = await rig.openSession()
    const { form } = await rig.issueCode(session.sid, client)
    const good = await rig.post('/token', form, { authorization: client.basic })
    const bad = await rig.post('/token', form, { authorization: client.basic })
    expect([good.status, bad.status]).toEqual([200, 400])
    for (const answer of [good, bad]) {
      expect(answer.headers.get('cache-control')).toBe('no-store')
      expect(answer.headers.get('content-type')).toMatch(/^application\/json/)
    }
    expect(good.headers.get('pragma')).toBe('no-cache')
  })

  test.each([
    [
      'a redirect_uri with a slash more',
      { redirect_uri: 'https://sydney.case-manager.example/oidc/callback/' },
      'invalid_grant',
    ],
    ['no redirect_uri', { redirect_uri: '' }, 'invalid_grant'],
    ['another verifier (RFC 7636 §4.6)', { code_verifier: `${VERIFIER}x` }, 'invalid_grant'],
    ['the challenge as verifier', { code_verifier: CHALLENGE }, 'invalid_grant'],
    ['no verifier', { code_verifier: '' }, 'invalid_grant'],
    ['an unknown code', { code: 'x'.repeat(43) }, 'invalid_grant'],
    ['no code', { code: '' }, 'invalid_request'],
  ])(
    '%s is rejected, and the code stays valid for the right request',
    async (_what, changes, error) => {
      const rig = await createRig()
      const client = await rig.register('Sydney')
      const { session } = await rig.openSession()
      const { form } = await rig.issueCode(session.sid, client)
      expect(
        await outcome(rig.post('/token', { ...form, ...changes }, { authorization: client.basic })),
      ).toEqual([400, error])
      expect(await outcome(rig.post('/token', form, { authorization: client.basic }))).toEqual([
        200,
        'ok',
      ])
    },
  )

  test('a code is valid for 60 seconds', async () => {
    const rig = await createRig()
    const client = await rig.register('Sydney')
    const { session } = await rig.openSession()
    const [first, second] = [
      await rig.issueCode(session.sid, client),
      await rig.issueCode(session.sid, client),
    ]
    rig.clock.advance(59)
    expect(await outcome(rig.post('/token', first.form, { authorization: client.basic }))).toEqual([
      200,
      'ok',
    ])
    rig.clock.advance(1)
    expect(await outcome(rig.post('/token', second.form, { authorization: client.basic }))).toEqual(
      [400, 'invalid_grant'],
    )
  })

  test("another client's code is rejected and is still valid for its own", async () => {
    const rig = await createRig()
    const [sydney, melbourne] = [await rig.register('Sydney'), await rig.register('Melbourne')]
    const { session } = await rig.openSession()
    const { form } = await rig.issueCode(session.sid, sydney)
    expect(await outcome(rig.post('/token', form, { authorization: melbourne.basic }))).toEqual([
      400,
      'invalid_grant',
    ])
    expect(await outcome(rig.post('/token', form, { authorization: sydney.basic }))).toEqual([
      200,
      'ok',
    ])
  })

  test('of two at once one gets tokens; the second use ends the grant, not the session (§4.1.2)', async () => {
    const rig = await createRig()
    const client = await rig.register('Sydney')
    const { session } = await rig.openSession()
    const { form } = await rig.issueCode(session.sid, client)
    const answers = await Promise.all(
      [0, 1].map(async () => rig.post('/token', form, { authorization: client.basic })),
    )
    expect(answers.map((answer) => answer.status).toSorted()).toEqual([200, 400])
    const tokens = await tokensOf(answers.find((answer) => answer.status === 200)!)
    expect(
      await outcome(
        rig.post('/token', refreshForm(tokens.refresh_token), { authorization: client.basic }),
      ),
    ).toEqual([400, 'invalid_grant'])
    expect(
      await outcome(
        rig.app.request('/userinfo', {
          headers: { authorization: `Bearer ${tokens.access_token}` },
        }),
      ),
    ).toEqual([401, 'invalid_token'])
    expect(await isLive(rig, session.sid)).toBe(true)
    expect(rig.queue.added.length).toBeGreaterThan(0)
    expect(await rig.store.listRevocations({ limit: 5 })).toMatchObject([
      { reason: 'code_reuse', selector: { kind: 'grant' } },
    ])
  })

  test('a code of a session that ended in between gives nothing', async () => {
    const rig = await createRig()
    const client = await rig.register('Sydney')
    const { session } = await rig.openSession()
    const { form } = await rig.issueCode(session.sid, client)
    await rig.store.revoke({
      selector: { kind: 'session', sid: session.sid },
      reason: 'signed_out',
      actor: { kind: 'user', id: session.sub },
      now: START,
    })
    expect(await outcome(rig.post('/token', form, { authorization: client.basic }))).toEqual([
      400,
      'invalid_grant',
    ])
  })

  test('the client becomes a participant of the session', async () => {
    const rig = await createRig()
    const { session } = await signedIn(rig)
    expect((await rig.store.participants(session.sid)).map((each) => each.clientId)).toEqual([
      'sydney',
    ])
  })
})

describe('resource indicators (RFC 8707 §2)', () => {
  test('the audience is the client’s own, or one it is registered for', async () => {
    const rig = await createRig()
    const client = await rig.register('Sydney', { resources: ['urn:reports'] })
    const { session } = await rig.openSession()
    for (const [resource, audience] of [
      [undefined, client.metadata.audience],
      [client.metadata.audience, client.metadata.audience],
      ['urn:reports', 'urn:reports'],
    ]) {
      const { form } = await rig.issueCode(session.sid, client)
      const tokens = await tokensOf(
        rig.post(
          '/token',
          { ...form, ...(resource && { resource }) },
          { authorization: client.basic },
        ),
      )
      expect(claimsOf(tokens.access_token).aud).toBe(audience)
    }
  })

  test('what was asked for at /authorize stays, through refreshes too', async () => {
    const rig = await createRig()
    const client = await rig.register('Sydney', { resources: ['urn:reports'] })
    const { session } = await rig.openSession()
    const { form } = await rig.issueCode(session.sid, client, { audience: 'urn:reports' })
    const tokens = await tokensOf(rig.post('/token', form, { authorization: client.basic }))
    const again = await tokensOf(
      rig.post('/token', refreshForm(tokens.refresh_token), { authorization: client.basic }),
    )
    expect([claimsOf(tokens.access_token).aud, claimsOf(again.access_token).aud]).toEqual([
      'urn:reports',
      'urn:reports',
    ])
  })

  test('any other, or two at once, is invalid_target and costs no code', async () => {
    const rig = await createRig()
    const client = await rig.register('Sydney', { resources: ['urn:reports'] })
    const { session } = await rig.openSession()
    const { form } = await rig.issueCode(session.sid, client)
    expect(
      await outcome(
        rig.post('/token', { ...form, resource: 'urn:other' }, { authorization: client.basic }),
      ),
    ).toEqual([400, 'invalid_target'])
    const body = `${new URLSearchParams(form)}&resource=urn:reports&resource=${encodeURIComponent(client.metadata.audience)}`
    const twice = rig.app.request('/token', {
      method: 'POST',
      body,
      headers: { authorization: client.basic, 'content-type': 'application/x-www-form-urlencoded' },
    })
    expect(await outcome(twice)).toEqual([400, 'invalid_target'])
    expect(await outcome(rig.post('/token', form, { authorization: client.basic }))).toEqual([
      200,
      'ok',
    ])
  })
})

describe('who may use a client', () => {
  test('a user of another tenant than the client’s, or without its app role, gets no tokens', async () => {
    const rig = await createRig()
    const sydney = await rig.register('Sydney', { tenants: [OTHER_TENANT] })
    const perth = await rig.register('Perth', { appRole: 'CaseManager.Lead' })
    const { session } = await rig.openSession()
    for (const client of [sydney, perth]) {
      const { form } = await rig.issueCode(session.sid, client)
      expect(await outcome(rig.post('/token', form, { authorization: client.basic }))).toEqual([
        400,
        'invalid_grant',
      ])
    }
  })
})
