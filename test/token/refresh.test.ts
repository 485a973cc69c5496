import { describe, expect, test } from 'vitest'
import type { ClientMetadata } from '../../src/protocol/client-metadata.ts'
import { createRig, OTHER_TENANT, START, type RegisteredClient, type Rig } from '../rig.ts'
import { claimsOf, isLive, outcome, refreshForm, signedIn, tokensOf } from './tokens.ts'

const refresh = (
  rig: Rig,
  client: RegisteredClient,
  token: string | undefined,
  more: Record<string, string> = {},
) => rig.post('/token', refreshForm(token, more), { authorization: client.basic })

describe('the refresh token grant (RFC 6749 §6)', () => {
  test('gives a new access token and a new refresh token, of the same session and scope, and no ID token unless asked', async () => {
    const rig = await createRig()
    const { client, session, tokens } = await signedIn(rig)
    rig.clock.advance(100)
    const next = await tokensOf(refresh(rig, client, tokens.refresh_token))
    expect(next.refresh_token).not.toBe(tokens.refresh_token)
    expect(next).not.toHaveProperty('id_token')
    expect(next.scope).toBe(tokens.scope)
    expect(claimsOf(next.access_token)).toMatchObject({
      sid: session.sid,
      sub: session.sub,
      iat: START + 100,
      exp: START + 400,
      auth_time: START,
    })
  })

  test('with openid in its own scope parameter it gives an ID token, with the first auth_time and without a nonce (OpenID Connect Core §12.2)', async () => {
    const rig = await createRig()
    const { client, session, tokens } = await signedIn(rig)
    rig.clock.advance(100)
    const next = await tokensOf(
      refresh(rig, client, tokens.refresh_token, { scope: 'openid profile' }),
    )
    const claims = claimsOf(next.id_token!)
    expect(claims).toMatchObject({
      sub: session.sub,
      aud: 'sydney',
      iat: START + 100,
      auth_time: START,
      sid: session.sid,
      name: 'Alice Adams',
    })
    expect(claims).not.toHaveProperty('nonce')
    expect(claims).not.toHaveProperty('email')
    expect(next.scope).toBe('openid profile')
    expect((await tokensOf(refresh(rig, client, next.refresh_token))).scope).toBe(tokens.scope)
  })

  test('a wider scope is invalid_scope and does not use up the token', async () => {
    const rig = await createRig()
    const { client, tokens } = await signedIn(rig, {}, 'openid offline_access')
    expect(
      await outcome(refresh(rig, client, tokens.refresh_token, { scope: 'openid email' })),
    ).toEqual([400, 'invalid_scope'])
    const next = await tokensOf(refresh(rig, client, tokens.refresh_token))
    expect(await outcome(refresh(rig, client, next.refresh_token))).toEqual([200, 'ok'])
  })

  test('forgeries, tokens of another client and rubbish are rejected alike', async () => {
    const rig = await createRig()
    const { tokens } = await signedIn(rig)
    const melbourne = await rig.register('Melbourne')
    const answers = []
    for (const token of [
      tokens.refresh_token,
      `${tokens.refresh_token!.slice(0, -4)}AAAA`,
      'cmr_x',
      tokens.access_token,
    ]) {
      const answer = await refresh(rig, melbourne, token)
      answers.push(`${answer.status} ${await answer.text()}`)
    }
    expect(new Set(answers).size).toBe(1)
    expect(answers[0]).toMatch(/^400 .*invalid_grant/)
    expect(await outcome(refresh(rig, melbourne, ''))).toEqual([400, 'invalid_request'])
  })

  test('a forgery costs no query', async () => {
    const rig = await createRig()
    const client = await rig.register('Sydney')
    const calls: string[] = []
    const store = new Proxy(rig.store, {
      get: (target, name, receiver) => (
        calls.push(String(name)),
        Reflect.get(target, name, receiver) as unknown
      ),
    })
    const { tokenEndpoints } = await import('../../src/provider/token/endpoints.ts')
    const room = tokenEndpoints({ ...rig.deps, store })
    room.onError((error, c) => c.text(error.message, 400))
    const answer = await room.request('/token', {
      method: 'POST',
      body: new URLSearchParams(refreshForm(`cmr_${'A'.repeat(75)}`)).toString(),
      headers: { authorization: client.basic, 'content-type': 'application/x-www-form-urlencoded' },
    })
    expect(answer.status).toBe(400)
    expect(calls).toEqual([])
  })

  test('a session that was signed out, that idled away or that reached its absolute end refreshes no more', async () => {
    const rig = await createRig()
    const client = await rig.register('Sydney')
    const open = async () => (await rig.openSession({ user: { oid: crypto.randomUUID() } })).session
    const [out, idle] = [await open(), await open()]
    const [a, b] = [await rig.signInAt(out.sid, client), await rig.signInAt(idle.sid, client)]
    await rig.store.revoke({
      selector: { kind: 'session', sid: out.sid },
      reason: 'signed_out',
      actor: { kind: 'user', id: out.sub },
      now: START,
    })
    expect(await outcome(refresh(rig, client, a.refresh_token))).toEqual([400, 'invalid_grant'])
    rig.clock.advance(8 * 3600 + 1)
    expect(await outcome(refresh(rig, client, b.refresh_token))).toEqual([400, 'invalid_grant'])
    const absolute = await open()
    let tokens = await rig.signInAt(absolute.sid, client)
    for (const hours of [5, 5]) {
      rig.clock.advance(hours * 3600)
      tokens = (await tokensOf(refresh(rig, client, tokens.refresh_token))) as typeof tokens
    }
    rig.clock.advance(2 * 3600 - 60)
    const last = await tokensOf(refresh(rig, client, tokens.refresh_token))
    expect(last.expires_in).toBe(60)
    rig.clock.advance(60)
    expect(await outcome(refresh(rig, client, last.refresh_token))).toEqual([400, 'invalid_grant'])
  })

  test('a user whose role or tenant the client no longer takes is rejected, and taken again when it does', async () => {
    const rig = await createRig()
    const { client, tokens } = await signedIn(rig)
    for (const changes of [{ appRole: 'CaseManager.Lead' }, { tenants: [OTHER_TENANT] }]) {
      await rig.store.putClient({
        clientId: 'sydney',
        source: 'command',
        metadata: { ...client.metadata, ...changes },
        now: rig.clock.now(),
      })
      await rig.clients.reload()
      expect(await outcome(refresh(rig, client, tokens.refresh_token))).toEqual([
        400,
        'invalid_grant',
      ])
    }
    await rig.store.putClient({
      clientId: 'sydney',
      source: 'command',
      metadata: client.metadata,
      now: rig.clock.now(),
    })
    await rig.clients.reload()
    expect(await outcome(refresh(rig, client, tokens.refresh_token))).toEqual([200, 'ok'])
  })

  test('scopes that the client has lost are gone with the next refresh', async () => {
    const rig = await createRig()
    const { client, tokens } = await signedIn(rig)
    await rig.store.putClient({
      clientId: 'sydney',
      source: 'command',
      metadata: { ...client.metadata, scopes: ['openid', 'offline_access'] },
      now: rig.clock.now(),
    })
    await rig.clients.reload()
    expect((await tokensOf(refresh(rig, client, tokens.refresh_token))).scope).toBe(
      'openid offline_access',
    )
  })
})

describe('rotation (RFC 9700 §4.14.2)', () => {
  test('4 simultaneous uses of one refresh token, 200 times: no user is signed out, and all get the same successor', async () => {
    const rig = await createRig()
    const { client, session, tokens } = await signedIn(rig)
    let current = tokens.refresh_token
    for (let round = 0; round < 200; round++) {
      const answers = await Promise.all(
        [0, 1, 2, 3].map(async () => tokensOf(refresh(rig, client, current))),
      )
      const successors = new Set(answers.map((answer) => answer.refresh_token))
      expect(successors.size).toBe(1)
      current = answers[0]?.refresh_token
    }
    expect(await isLive(rig, session.sid)).toBe(true)
    expect(await rig.store.listRevocations({ limit: 1 })).toEqual([])
  })

  test('a lost answer signs no user out: the one before gives the same successor until that has been used', async () => {
    const rig = await createRig()
    const { client, session, tokens } = await signedIn(rig)
    const lost = await tokensOf(refresh(rig, client, tokens.refresh_token))
    rig.clock.advance(3600)
    const again = await tokensOf(refresh(rig, client, tokens.refresh_token))
    expect(again.refresh_token).toBe(lost.refresh_token)
    await tokensOf(refresh(rig, client, again.refresh_token))
    expect(await isLive(rig, session.sid)).toBe(true)
  })

  test('a token two generations old is rejected at once, and nothing more happens: requests may have been under way', async () => {
    const rig = await createRig()
    const { client, session, tokens } = await signedIn(rig)
    const second = await tokensOf(refresh(rig, client, tokens.refresh_token))
    const third = await tokensOf(refresh(rig, client, second.refresh_token))
    rig.clock.advance(29)
    expect(await outcome(refresh(rig, client, tokens.refresh_token))).toEqual([
      400,
      'invalid_grant',
    ])
    expect(await isLive(rig, session.sid)).toBe(true)
    expect(await outcome(refresh(rig, client, third.refresh_token))).toEqual([200, 'ok'])
  })

  test('a minute later it is theft: the session ends at every instance, and a logout token is pending for each', async () => {
    const rig = await createRig()
    const { client, session, tokens } = await signedIn(rig)
    const melbourne = await rig.register('Melbourne')
    const there = await rig.signInAt(session.sid, melbourne)
    const second = await tokensOf(refresh(rig, client, tokens.refresh_token))
    const third = await tokensOf(refresh(rig, client, second.refresh_token))
    rig.clock.advance(60)
    expect(await outcome(refresh(rig, client, tokens.refresh_token))).toEqual([
      400,
      'invalid_grant',
    ])
    expect(await isLive(rig, session.sid)).toBe(false)
    expect(await outcome(refresh(rig, client, third.refresh_token))).toEqual([400, 'invalid_grant'])
    expect(await outcome(refresh(rig, melbourne, there.refresh_token))).toEqual([
      400,
      'invalid_grant',
    ])
    expect(await rig.store.listRevocations({ limit: 5 })).toMatchObject([
      { reason: 'refresh_token_reuse', selector: { kind: 'session', sid: session.sid } },
    ])
    expect(
      (await rig.store.listDeliveries({ limit: 10 })).map((each) => each.clientId).toSorted(),
    ).toEqual(['melbourne', 'sydney'])
    expect(rig.queue.added).toHaveLength(2)
    // Another use of the same token is no second theft.
    expect(await outcome(refresh(rig, client, tokens.refresh_token))).toEqual([
      400,
      'invalid_grant',
    ])
    expect(await rig.store.listRevocations({ limit: 5 })).toHaveLength(1)
  })

  const publicClient = async () => {
    const rig = await createRig()
    const client = await rig.register('App', { authMethod: 'none' })
    const { session } = await rig.openSession()
    const { form } = await rig.issueCode(session.sid, client)
    const asPublic = (fields: Record<string, string>) =>
      rig.post('/token', { ...fields, client_id: 'app' })
    return { rig, client, session, asPublic, first: await tokensOf(asPublic(form)) }
  }

  test('a public client’s lost answer is made good for ten seconds; later it costs the grant, and the session lives', async () => {
    const { rig, session, asPublic, first } = await publicClient()
    const second = await tokensOf(asPublic(refreshForm(first.refresh_token)))
    rig.clock.advance(10)
    expect((await tokensOf(asPublic(refreshForm(first.refresh_token)))).refresh_token).toBe(
      second.refresh_token,
    )
    rig.clock.advance(1)
    expect(await outcome(asPublic(refreshForm(first.refresh_token)))).toEqual([
      400,
      'invalid_grant',
    ])
    expect(await isLive(rig, session.sid)).toBe(true)
    expect(await outcome(asPublic(refreshForm(second.refresh_token)))).toEqual([
      400,
      'invalid_grant',
    ])
    expect(await rig.store.listRevocations({ limit: 5 })).toMatchObject([
      {
        reason: 'refresh_token_late',
        selector: { kind: 'grant', sid: session.sid, clientId: 'app' },
      },
    ])
  })

  /** The reasons for which a refresh fails although the token is valid, with their errors. */
  const failures: [
    string,
    (metadata: ClientMetadata) => Partial<ClientMetadata>,
    Record<string, string>,
    string,
  ][] = [
    ['a scope that was never granted', () => ({}), { scope: 'openid cases:read' }, 'invalid_scope'],
    [
      'a scope that the client has lost',
      ({ scopes }) => ({ scopes: scopes.filter((scope) => scope !== 'email') }),
      { scope: 'email' },
      'invalid_scope',
    ],
    [
      'an app role that the user lacks',
      () => ({ appRole: 'CaseManager.Lead' }),
      {},
      'invalid_grant',
    ],
    ['a tenant that the client has lost', () => ({ tenants: [OTHER_TENANT] }), {}, 'invalid_grant'],
    [
      'a resource that wants a fresher sign-in',
      () => ({ resources: ['urn:strict'] }),
      { resource: 'urn:strict' },
      'interaction_required',
    ],
  ]

  test.each(failures)(
    'no failed check costs a public client its token: %s',
    async (_what, narrow, form, error) => {
      const { rig, client, session, asPublic, first } = await publicClient()
      await rig.register('Strict', { audience: 'urn:strict', maxAuthAgeSeconds: 60 })
      const put = async (metadata: ClientMetadata) => {
        await rig.store.putClient({
          clientId: 'app',
          source: 'command',
          metadata,
          now: rig.clock.now(),
        })
        await rig.clients.reload()
      }
      rig.clock.advance(100)
      await put({ ...client.metadata, ...narrow(client.metadata) })
      for (const seconds of [0, 15, 60]) {
        rig.clock.advance(seconds)
        expect(await outcome(asPublic(refreshForm(first.refresh_token, form)))).toEqual([
          400,
          error,
        ])
      }
      await put(client.metadata)
      expect(await outcome(asPublic(refreshForm(first.refresh_token)))).toEqual([200, 'ok'])
      expect(await isLive(rig, session.sid)).toBe(true)
    },
  )
})
