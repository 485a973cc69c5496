import { exportJWK } from 'jose'
import { describe, expect, test } from 'vitest'
import { createRig, ISSUER, type RegisteredClient, type Rig } from '../rig.ts'
import {
  authorizePath,
  createBrowser,
  delivered,
  signedIn as atBrowser,
} from '../signin/browser.ts'
import { ath, createProver } from './proofs.ts'
import { claimsOf, outcome, refreshForm, tokensOf, type Tokens } from './tokens.ts'

const EXCHANGE = 'urn:ietf:params:oauth:grant-type:token-exchange' as const
const GRANTS = ['authorization_code' as const, 'refresh_token' as const, EXCHANGE]

/** The credentials of a request: a public client sends its id, another its secret. */
const as = ({ clientId, basic, metadata }: RegisteredClient) =>
  metadata.authMethod === 'none'
    ? { form: { client_id: clientId }, headers: {} }
    : { form: {}, headers: { authorization: basic } }

async function ask(
  rig: Rig,
  client: RegisteredClient,
  form: Record<string, string>,
  proof?: string | Promise<string>,
): Promise<Response> {
  const { form: id, headers } = as(client)
  const dpop = proof === undefined ? undefined : await proof
  return rig.post('/token', { ...form, ...id }, dpop === undefined ? headers : { ...headers, dpop })
}

/** Signs a user in at a client, whose tokens are bound to its key. */
async function bound(
  changes: Parameters<Rig['register']>[1] = {},
  env: Record<string, string> = {},
) {
  const rig = await createRig({ env })
  const client = await rig.register('Sydney', { grants: GRANTS, ...changes })
  const key = await createProver(rig.clock)
  const { session } = await rig.openSession()
  const { form } = await rig.issueCode(session.sid, client)
  const tokens = await tokensOf(ask(rig, client, form, key.prove('POST /token')))
  return { rig, client, key, session, tokens }
}

const userinfo = async (
  rig: Rig,
  { access_token: token }: Tokens,
  { scheme = 'DPoP', proof }: { scheme?: string; proof?: string | Promise<string> } = {},
): Promise<Response> =>
  rig.app.request(`${ISSUER}/userinfo`, {
    headers: {
      authorization: `${scheme} ${token}`,
      ...(proof !== undefined && { dpop: await proof }),
    },
  })

describe('a token request with a DPoP proof (RFC 9449 §5)', () => {
  test.each(['ES256', 'PS256', 'EdDSA'])(
    'by %s gets tokens that are bound to its key, whatever the grant',
    async (alg) => {
      const rig = await createRig()
      const client = await rig.register('Sydney', {
        grants: [...GRANTS, 'client_credentials'],
        exchangeFrom: ['sydney'],
      })
      const key = await createProver(rig.clock, alg)
      const { session } = await rig.openSession()
      const { form } = await rig.issueCode(session.sid, client)
      const first = await tokensOf(ask(rig, client, form, key.prove('POST /token')))
      const forms = [
        refreshForm(first.refresh_token),
        { grant_type: 'client_credentials' },
        {
          grant_type: EXCHANGE,
          subject_token: first.access_token,
          subject_token_type: 'urn:ietf:params:oauth:token-type:access_token',
          audience: 'sydney',
        },
      ]
      const all = [first]
      for (const each of forms)
        all.push(await tokensOf(ask(rig, client, each, key.prove('POST /token'))))
      for (const { token_type, access_token } of all)
        expect([token_type, claimsOf(access_token).cnf]).toEqual(['DPoP', { jkt: key.jkt }])
    },
  )

  test('without a proof gets Bearer tokens, as before', async () => {
    const rig = await createRig()
    const client = await rig.register('Sydney')
    const { session } = await rig.openSession()
    const { form } = await rig.issueCode(session.sid, client)
    const { token_type, access_token } = await tokensOf(ask(rig, client, form))
    expect([token_type, claimsOf(access_token).cnf]).toEqual(['Bearer', undefined])
  })

  test('is rejected for a proof that is not one for this request (§4.3)', async () => {
    const { rig, client, key, tokens } = await bound()
    const other = await createProver(rig.clock)
    const now = rig.clock.now()
    const wrong: Record<string, string> = {
      'two in one header': `${await key.prove('POST /token')}, ${await key.prove('POST /token')}`,
      'no JWT': 'proof',
      'another method': await key.prove('GET /token'),
      'another address': await key.prove('POST /par'),
      'another issuer': await key.prove('POST /token', { htu: 'https://evil.example/token' }),
      'an address with a user': await key.prove('POST /token', {
        htu: `${ISSUER.replace('//', '//user@')}/token`,
      }),
      'no htu': await key.prove('POST /token', { htu: undefined }),
      'no jti': await key.prove('POST /token', { jti: undefined }),
      'an empty jti': await key.prove('POST /token', { jti: '' }),
      'a long jti': await key.prove('POST /token', { jti: 'x'.repeat(256) }),
      'no iat': await key.prove('POST /token', { iat: undefined }),
      'an iat that is a text': await key.prove('POST /token', { iat: String(now) }),
      'an iat an hour ago': await key.prove('POST /token', { iat: now - 3600 }),
      'an iat 61 s ago': await key.prove('POST /token', { iat: now - 61 }),
      'an iat 61 s ahead': await key.prove('POST /token', { iat: now + 61 }),
      'an nbf 61 s ahead': await key.prove('POST /token', { nbf: now + 61 }),
      'an exp that is over': await key.prove('POST /token', { exp: now }),
      'another typ': await key.prove('POST /token', {}, { typ: 'JWT' }),
      'another key in the header': await key.prove('POST /token', {}, { jwk: other.jwk }),
      'a private key in the header': await key.prove(
        'POST /token',
        {},
        { jwk: await exportJWK(key.privateKey) },
      ),
      'no key in the header': await key.prove('POST /token', {}, { jwk: undefined }),
      'more than 4096 characters': await key.prove('POST /token', { more: 'x'.repeat(4096) }),
    }
    const answers = await Promise.all(
      Object.entries(wrong).map(async ([name, proof]) => [
        name,
        ...(await outcome(ask(rig, client, refreshForm(tokens.refresh_token), proof))),
      ]),
    )
    expect(answers).toEqual(Object.keys(wrong).map((name) => [name, 400, 'invalid_dpop_proof']))
    // The refresh token was not used up.
    const proof = key.prove('POST /token')
    expect(await outcome(ask(rig, client, refreshForm(tokens.refresh_token), proof))).toEqual([
      200,
      'ok',
    ])
  })

  test.each(['RS256', 'HS256', 'none'])('is rejected for a proof by %s', async (alg) => {
    const { rig, client, tokens } = await bound()
    const encode = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url')
    const jwk = alg === 'HS256' ? { kty: 'oct', k: 'AAAA' } : { kty: 'RSA', n: 'AQAB', e: 'AQAB' }
    const claims = { jti: 'a', htm: 'POST', htu: `${ISSUER}/token`, iat: rig.clock.now() }
    const proof = `${encode({ typ: 'dpop+jwt', alg, jwk })}.${encode(claims)}.AAAA`
    expect(await outcome(ask(rig, client, refreshForm(tokens.refresh_token), proof))).toEqual([
      400,
      'invalid_dpop_proof',
    ])
  })

  test('accepts an address in another spelling, with a query, and times 10 s ahead', async () => {
    const { rig, client, key, tokens } = await bound()
    const proof = key.prove('POST /token', {
      htu: `${ISSUER.toUpperCase()}/token?a=b#c`,
      iat: rig.clock.now() + 10,
      nbf: rig.clock.now() + 10,
    })
    expect(await outcome(ask(rig, client, refreshForm(tokens.refresh_token), proof))).toEqual([
      200,
      'ok',
    ])
  })

  test('of two with the same proof at once one gets tokens; the proof is remembered as long as its time is right', async () => {
    const { rig, client, key } = await bound()
    const { session } = await rig.openSession()
    const proof = await key.prove('POST /token', { iat: rig.clock.now() + 30 })
    const use = async () => {
      const { form } = await rig.issueCode(session.sid, client)
      return outcome(ask(rig, client, form, proof))
    }
    const both = await Promise.all([use(), use()])
    expect(both.map(([status]) => status).sort()).toEqual([200, 400])
    rig.clock.advance(90)
    expect(await use()).toEqual([400, 'invalid_dpop_proof'])
  })

  test('is limited by address for a public client, whose proofs anyone can make', async () => {
    const rig = await createRig({ env: { BROKER_RATE_AUTHORIZE: '1/min:2' } })
    const client = await rig.register('Sydney', { authMethod: 'none' })
    const key = await createProver(rig.clock)
    const answers = []
    for (let n = 0; n < 3; n++)
      answers.push(await outcome(ask(rig, client, refreshForm('cmr_x'), key.prove('POST /token'))))
    expect(answers.map(([status]) => status)).toEqual([400, 400, 429])
  })
})

describe('a code (RFC 9449 §10)', () => {
  const codeOf = async (path: string, browser: ReturnType<typeof createBrowser>) =>
    String((delivered(await browser.get(path)) as { code?: string }).code)
  const formOf = (client: RegisteredClient, code: string) => ({
    grant_type: 'authorization_code',
    code,
    redirect_uri: client.metadata.redirectUris[0] ?? '',
    code_verifier: 'a-verifier-that-is-long-enough-for-rfc-7636-section-4-1',
  })

  test('that dpop_jkt binds to a key is redeemed with a proof of it alone, and the others do not use it up', async () => {
    const { rig, client, browser } = await atBrowser()
    const [key, thief] = [await createProver(rig.clock), await createProver(rig.clock)]
    const code = await codeOf(authorizePath(client, { dpop_jkt: key.jkt }), browser)
    const form = formOf(client, code)
    expect(await outcome(ask(rig, client, form))).toEqual([400, 'invalid_grant'])
    expect(await outcome(ask(rig, client, form, thief.prove('POST /token')))).toEqual([
      400,
      'invalid_grant',
    ])
    const tokens = await tokensOf(ask(rig, client, form, key.prove('POST /token')))
    expect(claimsOf(tokens.access_token).cnf).toEqual({ jkt: key.jkt })
  })

  test('is bound by the proof of a pushed request too; another dpop_jkt beside it is rejected', async () => {
    const { rig, client, browser } = await atBrowser()
    const [key, thief] = [await createProver(rig.clock), await createProver(rig.clock)]
    const parameters = Object.fromEntries(new URL(authorizePath(client), ISSUER).searchParams)
    const push = async (more: Record<string, string>) =>
      rig.post(
        '/par',
        { ...parameters, ...more },
        {
          authorization: client.basic,
          dpop: await key.prove('POST /par'),
        },
      )
    expect(await outcome(push({ dpop_jkt: thief.jkt }))).toEqual([400, 'invalid_dpop_proof'])
    const { request_uri } = (await (await push({})).json()) as { request_uri: string }
    const query = new URLSearchParams({ client_id: client.clientId, request_uri })
    const form = formOf(client, await codeOf(`/authorize?${query}`, browser))
    expect(await outcome(ask(rig, client, form, thief.prove('POST /token')))).toEqual([
      400,
      'invalid_grant',
    ])
    expect((await ask(rig, client, form, key.prove('POST /token'))).status).toBe(200)
  })
})

describe('the proof of a pushed request', () => {
  const pushTo = async (options: Parameters<typeof createRig>[0] = {}) => {
    const rig = await createRig(options)
    const client = await rig.register('Sydney')
    const key = await createProver(rig.clock)
    const parameters = Object.fromEntries(new URL(authorizePath(client), ISSUER).searchParams)
    const push = (dpop: string, more: Record<string, string> = {}) =>
      outcome(rig.post('/par', { ...parameters, ...more }, { authorization: client.basic, dpop }))
    return { rig, key, push }
  }

  test('is used up by a request that is stored, and not by one that is rejected', async () => {
    const { key, push } = await pushTo()
    const proof = await key.prove('POST /par')
    for (const wrong of [
      { redirect_uri: 'https://evil.example/' },
      { code_challenge_method: 'plain' },
      { request_uri: 'urn:x' },
      { state: 'x'.repeat(8192) },
    ])
      expect((await push(proof, wrong))[1]).not.toBe('invalid_dpop_proof')
    expect((await push(proof))[0]).toBe(201)
    expect(await push(proof)).toEqual([400, 'invalid_dpop_proof'])
  })

  test('is not recorded above the limit of stored requests', async () => {
    const { rig, key, push } = await pushTo({ env: { BROKER_RATE_PUSHED_REQUESTS: '1/min:1' } })
    const [first, second] = [await key.prove('POST /par'), await key.prove('POST /par')]
    expect([(await push(first))[0], (await push(second))[0]]).toEqual([201, 429])
    rig.clock.advance(60)
    expect((await push(second))[0]).toBe(201)
  })

  test('serves one of two requests that come at once', async () => {
    const { key, push } = await pushTo()
    const proof = await key.prove('POST /par')
    const both = await Promise.all([push(proof), push(proof)])
    expect(both.map(([status]) => status).toSorted()).toEqual([201, 400])
  })
})

describe('a refresh token', () => {
  test('of a public client is bound to the key: a thief gets nothing by it, and ends nothing (§5)', async () => {
    const { rig, client, key, tokens } = await bound({
      authMethod: 'none',
      grants: GRANTS.slice(0, 2),
    })
    const thief = await createProver(rig.clock)
    const form = refreshForm(tokens.refresh_token)
    const next = await tokensOf(ask(rig, client, form, key.prove('POST /token')))
    // Old enough to be theft, if its key were proved.
    rig.clock.advance(3600)
    for (const proof of [undefined, thief.prove('POST /token')])
      expect(await outcome(ask(rig, client, form, proof))).toEqual([400, 'invalid_grant'])
    const after = await ask(rig, client, refreshForm(next.refresh_token), key.prove('POST /token'))
    expect(after.status).toBe(200)
  })

  test('of a public client, stolen with its key, gets tokens until the session ends or the grant is revoked', async () => {
    for (const isSession of [true, false]) {
      const grants = GRANTS.slice(0, 2)
      const { rig, client, key, session, tokens } = await bound({ authMethod: 'none', grants })
      const refresh = ({ refresh_token }: Tokens) =>
        ask(rig, client, refreshForm(refresh_token), key.prove('POST /token'))
      const next = await tokensOf(refresh(tokens))
      if (isSession)
        await rig.store.revoke({
          selector: { kind: 'session', sid: session.sid },
          reason: 'signed_out',
          actor: { kind: 'user', id: session.sub },
          now: rig.clock.now(),
        })
      else await rig.post('/revoke', { token: next.access_token, client_id: client.clientId })
      expect(await outcome(refresh(next))).toEqual([400, 'invalid_grant'])
      const proof = key.prove('GET /userinfo', ath(next.access_token))
      expect(await outcome(userinfo(rig, next, { proof }))).toEqual([401, 'invalid_token'])
    }
  })

  test('of another client is held by its credential: it may change its key (§5)', async () => {
    const { rig, client, tokens } = await bound()
    const key = await createProver(rig.clock)
    const form = refreshForm(tokens.refresh_token)
    const next = await tokensOf(ask(rig, client, form, key.prove('POST /token')))
    expect(claimsOf(next.access_token).cnf).toEqual({ jkt: key.jkt })
  })
})

describe('a bound access token', () => {
  test('is exchanged for one that is bound to the key of the caller, and never for a Bearer token', async () => {
    const { rig, tokens } = await bound()
    const caller = await rig.register('Sydney', { grants: GRANTS })
    const melbourne = await rig.register('Melbourne', { exchangeFrom: ['sydney'] })
    const key = await createProver(rig.clock)
    const form = {
      grant_type: EXCHANGE,
      subject_token: tokens.access_token,
      subject_token_type: 'urn:ietf:params:oauth:token-type:access_token',
      audience: melbourne.clientId,
    }
    expect(await outcome(ask(rig, caller, form))).toEqual([400, 'invalid_dpop_proof'])
    const exchanged = await tokensOf(ask(rig, caller, form, key.prove('POST /token')))
    expect([exchanged.token_type, claimsOf(exchanged.access_token)]).toEqual([
      'DPoP',
      expect.objectContaining({ cnf: { jkt: key.jkt }, aud: melbourne.metadata.audience }),
    ])
  })

  test('is shown with its key by introspection, which asks for no proof (§6.2)', async () => {
    const { rig, client, key, tokens } = await bound()
    const answer = await rig.post(
      '/introspect',
      { token: tokens.access_token },
      {
        authorization: client.basic,
      },
    )
    expect(await answer.json()).toMatchObject({
      active: true,
      token_type: 'DPoP',
      cnf: { jkt: key.jkt },
    })
  })

  test('is revoked without a proof, which ends the grant', async () => {
    const { rig, client, key, tokens } = await bound()
    const { status } = await rig.post(
      '/revoke',
      { token: tokens.access_token },
      {
        authorization: client.basic,
      },
    )
    expect(status).toBe(200)
    const proof = key.prove('GET /userinfo', ath(tokens.access_token))
    expect(await outcome(userinfo(rig, tokens, { proof }))).toEqual([401, 'invalid_token'])
  })

  test('reads userinfo with a proof of its key for this very token (§7.1)', async () => {
    const { rig, session, key, tokens } = await bound()
    // The name of a scheme is case-insensitive (RFC 9110 §11.1).
    for (const scheme of ['DPoP', 'dpop']) {
      const proof = key.prove('GET /userinfo', ath(tokens.access_token))
      const answer = await userinfo(rig, tokens, { scheme, proof })
      expect(answer.status).toBe(200)
      expect(await answer.json()).toMatchObject({ sub: session.sub })
    }
  })

  test('is worth nothing at userinfo to a thief', async () => {
    const { rig, key, tokens } = await bound()
    const thief = await createProver(rig.clock)
    const right = ath(tokens.access_token)
    const used = await key.prove('GET /userinfo', right)
    await userinfo(rig, tokens, { proof: used })
    const attempts: Record<string, Parameters<typeof userinfo>[2]> = {
      'as Bearer': { scheme: 'Bearer' },
      'as Bearer, with a proof': { scheme: 'Bearer', proof: key.prove('GET /userinfo', right) },
      'without a proof': {},
      'with a proof of another key': { proof: thief.prove('GET /userinfo', right) },
      'with a proof that was used': { proof: used },
      'with a proof for another token': { proof: key.prove('GET /userinfo', ath('other')) },
      'with a proof for no token': { proof: key.prove('GET /userinfo') },
      'with a proof for the token endpoint': { proof: key.prove('POST /token', right) },
    }
    const answers = []
    for (const [name, attempt] of Object.entries(attempts)) {
      const answer = await userinfo(rig, tokens, attempt)
      const challenge = answer.headers.get('www-authenticate') ?? ''
      answers.push([name, answer.status, /error="(\w+)"/.exec(challenge)?.[1]])
      if (!name.startsWith('as Bearer'))
        expect(challenge).toMatch(/^DPoP .*algs="ES256 PS256 EdDSA"$/)
    }
    expect(answers).toEqual(
      Object.keys(attempts).map((name) => [
        name,
        401,
        name.startsWith('as Bearer') ? 'invalid_token' : 'invalid_dpop_proof',
      ]),
    )
  })

  test('has no proof of another key recorded', async () => {
    const { rig, tokens } = await bound()
    const thief = await createProver(rig.clock)
    const proof = await thief.prove('GET /userinfo', ath(tokens.access_token))
    for (const attempt of ['first', 'second']) {
      const answer = await userinfo(rig, tokens, { proof })
      expect([attempt, await answer.json()]).toEqual([
        attempt,
        expect.objectContaining({
          error_description: 'Send a DPoP proof by the key that the access token is bound to.',
        }),
      ])
    }
  })

  test('has a limited number of its proofs recorded at userinfo, which a thief without the key cannot use up', async () => {
    const { rig, key, tokens } = await bound({}, { BROKER_RATE_AUTHORIZE: '1/min:2' })
    const thief = await createProver(rig.clock)
    const status = async (by: typeof key) => {
      const proof = by.prove('GET /userinfo', ath(tokens.access_token))
      return (await userinfo(rig, tokens, { proof })).status
    }
    for (let n = 0; n < 5; n++) expect(await status(thief)).toBe(401)
    expect([await status(key), await status(key), await status(key)]).toEqual([200, 200, 429])
    rig.clock.advance(60)
    expect(await status(key)).toBe(200)
  })

  test('is rejected by the APIs of the broker itself, which read no proof', async () => {
    const rig = await createRig()
    const client = await rig.register('Sydney', {
      grants: ['client_credentials'],
      scopes: ['broker:audit'],
      redirectUris: [],
    })
    const key = await createProver(rig.clock)
    const form = { grant_type: 'client_credentials', scope: 'broker:audit' }
    const status = async ({ access_token }: Tokens) =>
      (
        await rig.opsApp.request('/admin/v1/clients', {
          headers: { authorization: `Bearer ${access_token}` },
        })
      ).status
    expect(await status(await tokensOf(ask(rig, client, form)))).toBe(200)
    const proof = key.prove('POST /token')
    expect(await status(await tokensOf(ask(rig, client, form, proof)))).toBe(401)
  })
})

test('browser code may send the header, and discovery names the algorithms (§5.1)', async () => {
  const rig = await createRig()
  await rig.register('Sydney', { allowedOrigins: ['https://app.example'] })
  const preflight = await rig.app.request('/token', {
    method: 'OPTIONS',
    headers: { origin: 'https://app.example' },
  })
  expect(preflight.headers.get('access-control-allow-headers')).toContain('DPoP')
  const metadata = await (await rig.app.request('/.well-known/openid-configuration')).json()
  expect(metadata).toMatchObject({
    dpop_signing_alg_values_supported: ['ES256', 'PS256', 'EdDSA'],
  })
})
