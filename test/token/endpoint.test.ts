import { describe, expect, test } from 'vitest'
import { StoreUnavailable } from '../../db/types.ts'
import { createRig, ISSUER } from '../rig.ts'
import { outcome, refreshForm, signedIn, tokensOf } from './tokens.ts'

const FORM = { 'content-type': 'application/x-www-form-urlencoded' }

describe('the token endpoint’s errors (RFC 6749 §5.2)', () => {
  test('each has its code, its status, and a description in the allowed characters', async () => {
    const rig = await createRig()
    const client = await rig.register('Sydney', { grants: ['authorization_code'] })
    const cases: [Record<string, string>, Record<string, string>, number, string][] = [
      [
        { grant_type: 'authorization_code', code: 'x' },
        { authorization: client.basic },
        400,
        'invalid_grant',
      ],
      [
        { grant_type: 'authorization_code' },
        { authorization: client.basic },
        400,
        'invalid_request',
      ],
      [{}, { authorization: client.basic }, 400, 'invalid_request'],
      [
        { grant_type: 'password', username: 'a', password: 'b' },
        { authorization: client.basic },
        400,
        'unsupported_grant_type',
      ],
      [{ grant_type: 'toString' }, { authorization: client.basic }, 400, 'unsupported_grant_type'],
      [refreshForm('x'), { authorization: client.basic }, 400, 'unauthorized_client'],
      [refreshForm('x'), {}, 401, 'invalid_client'],
      [
        { ...refreshForm('x'), client_id: 'sydney', client_secret: 'wrong' },
        {},
        401,
        'invalid_client',
      ],
      [{ ...refreshForm('x'), client_id: 'nobody' }, {}, 401, 'invalid_client'],
    ]
    for (const [form, headers, status, error] of cases) {
      const answer = await rig.post('/token', form, headers)
      const body = (await answer.json()) as Record<string, string>
      expect([answer.status, body.error]).toEqual([status, error])
      expect(Object.keys(body)).toEqual(['error', 'error_description'])
      expect(body.error_description).toMatch(/^[\x20-\x21\x23-\x5b\x5d-\x7e]+$/)
      expect(answer.headers.get('cache-control')).toBe('no-store')
    }
  })

  test('a wrong secret by Basic is answered with the challenge', async () => {
    const rig = await createRig()
    await rig.register('Sydney')
    const answer = await rig.post('/token', refreshForm('x'), {
      authorization: `Basic ${btoa('sydney:wrong')}`,
    })
    expect(answer.status).toBe(401)
    expect(answer.headers.get('www-authenticate')).toMatch(/^Basic realm="/)
  })

  test('client_secret_post is accepted like Basic; both at once are invalid_request (§2.3)', async () => {
    const rig = await createRig()
    const { client, tokens } = await signedIn(rig)
    const post = { client_id: client.clientId, client_secret: client.secret }
    expect(
      await outcome(rig.post('/token', { ...refreshForm(tokens.refresh_token), ...post })),
    ).toEqual([200, 'ok'])
    expect(
      await outcome(
        rig.post(
          '/token',
          { ...refreshForm(tokens.refresh_token), ...post },
          { authorization: client.basic },
        ),
      ),
    ).toEqual([400, 'invalid_request'])
  })

  test('credentials in the query are ignored (§2.3.1)', async () => {
    const rig = await createRig()
    const { client, tokens } = await signedIn(rig)
    const query = new URLSearchParams({ client_id: client.clientId, client_secret: client.secret })
    expect(await outcome(rig.post(`/token?${query}`, refreshForm(tokens.refresh_token)))).toEqual([
      401,
      'invalid_client',
    ])
  })

  test('a repeated parameter is invalid_request, an empty one is as if it were not there, an unknown one is ignored (§3.2)', async () => {
    const rig = await createRig()
    const { client, tokens } = await signedIn(rig)
    const send = (body: string) =>
      rig.app.request('/token', {
        method: 'POST',
        body,
        headers: { ...FORM, authorization: client.basic },
      })
    const good = new URLSearchParams(refreshForm(tokens.refresh_token)).toString()
    expect(await outcome(send(`${good}&grant_type=refresh_token`))).toEqual([
      400,
      'invalid_request',
    ])
    expect(await outcome(send(`${good}&scope=&resource=&colour=red`))).toEqual([200, 'ok'])
  })

  test('another content type is 415, more than 64 kB 413, however it is sent', async () => {
    const rig = await createRig()
    const { client, tokens } = await signedIn(rig)
    const form = refreshForm(tokens.refresh_token)
    const send = (body: BodyInit, headers: Record<string, string>) =>
      rig.app.request('/token', {
        method: 'POST',
        body,
        headers: { authorization: client.basic, ...headers },
        ...(body instanceof ReadableStream && { duplex: 'half' }),
      } as RequestInit)
    expect(
      await outcome(send(JSON.stringify(form), { 'content-type': 'application/json' })),
    ).toEqual([415, 'invalid_request'])
    expect(
      await outcome(send(new URLSearchParams(form).toString(), { 'content-type': 'text/plain' })),
    ).toEqual([415, 'invalid_request'])
    expect(
      await outcome(
        send(new URLSearchParams(form).toString(), {
          'content-type': 'application/x-www-form-urlencoded-not',
        }),
      ),
    ).toEqual([415, 'invalid_request'])
    expect(
      await outcome(
        send(new URLSearchParams(form).toString(), {
          'content-type': 'application/x-www-form-urlencoded;charset=UTF-8',
        }),
      ),
    ).toEqual([200, 'ok'])
    const large = `x=${'a'.repeat(70_000)}`
    expect(await outcome(send(large, { ...FORM, 'content-length': String(large.length) }))).toEqual(
      [413, 'invalid_request'],
    )
    expect(await outcome(send(large, FORM))).toEqual([413, 'invalid_request'])
    let pulled = 0
    const endless = new ReadableStream<Uint8Array>({
      pull: (stream) => (pulled++, stream.enqueue(new Uint8Array(16_384).fill(97))),
    })
    expect(await outcome(send(endless, FORM))).toEqual([413, 'invalid_request'])
    expect(pulled).toBeLessThan(10)
  })

  test('a wrong method is 405 and names the right ones', async () => {
    const rig = await createRig()
    for (const [path, allow] of [
      ['/token', 'POST, OPTIONS'],
      ['/introspect', 'POST'],
      ['/revoke', 'POST, OPTIONS'],
      ['/userinfo', 'GET, HEAD, POST, OPTIONS'],
    ] as const) {
      for (const method of [
        'PUT',
        'DELETE',
        'PATCH',
        ...(allow.includes('GET') ? [] : ['GET', 'HEAD']),
      ]) {
        const answer = await rig.app.request(path, { method })
        expect([path, method, answer.status, answer.headers.get('allow')]).toEqual([
          path,
          method,
          405,
          allow,
        ])
      }
    }
  })

  test('a store that cannot commit is 503 temporarily_unavailable, and the same request is valid later', async () => {
    const rig = await createRig()
    const { client, tokens } = await signedIn(rig)
    const rotate = rig.store.rotateRefreshToken
    rig.store.rotateRefreshToken = async () => {
      throw new StoreUnavailable('disk full')
    }
    const answer = await rig.post('/token', refreshForm(tokens.refresh_token), {
      authorization: client.basic,
    })
    rig.store.rotateRefreshToken = rotate
    expect(await outcome(answer)).toEqual([503, 'temporarily_unavailable'])
    expect(answer.headers.get('retry-after')).toMatch(/^\d+$/)
    expect(
      await outcome(
        rig.post('/token', refreshForm(tokens.refresh_token), { authorization: client.basic }),
      ),
    ).toEqual([200, 'ok'])
  })

  test('requests are counted by grant and outcome, from closed lists', async () => {
    const rig = await createRig()
    const { client, tokens } = await signedIn(rig)
    await rig.post('/token', refreshForm(tokens.refresh_token), { authorization: client.basic })
    await rig.post('/token', refreshForm('x'), { authorization: client.basic })
    await rig.post('/token', { grant_type: 'made up' }, { authorization: client.basic })
    const text = await rig.metrics.registry.metrics()
    for (const line of [
      'broker_tokens_total{grant="authorization_code",outcome="issued"} 1',
      'broker_tokens_total{grant="refresh_token",outcome="issued"} 1',
      'broker_tokens_total{grant="refresh_token",outcome="invalid_grant"} 1',
      'broker_tokens_total{grant="unknown",outcome="unsupported_grant_type"} 1',
    ])
      expect(text).toContain(line)
    expect(text).not.toContain('made up')
    // Tokens are also counted for each client. The console's page of the client shows the counts.
    for (const [name, count] of Object.entries({ issued: 1, refreshed: 1, rejected: 2 }))
      expect(text).toContain(
        `broker_client_tokens_total{client="${client.clientId}",outcome="${name}"} ${count}`,
      )
  })

  test('no token, code or secret is logged, whatever goes wrong', async () => {
    const rig = await createRig()
    const { client, tokens, session } = await signedIn(rig)
    const { form, code } = await rig.issueCode(session.sid, client)
    for (let n = 0; n < 2; n++) await rig.post('/token', form, { authorization: client.basic })
    await rig.post('/token', refreshForm(tokens.refresh_token), {
      authorization: `Basic ${btoa('sydney:wrong-secret')}`,
    })
    const log = rig.lines.join('\n')
    expect(log).toContain('code_reused')
    for (const secret of [
      code,
      tokens.refresh_token!,
      tokens.access_token,
      client.secret,
      'wrong-secret',
    ])
      expect(log).not.toContain(secret)
  })
})

describe('CORS, only where a browser client needs it', () => {
  const ORIGIN = 'https://app.case-manager.example'

  test('the origin that a client names may call the token endpoint, another may not; never with cookies', async () => {
    const rig = await createRig()
    await rig.register('App', { authMethod: 'none', allowedOrigins: [ORIGIN] })
    for (const path of ['/token', '/revoke', '/userinfo']) {
      const good = await rig.app.request(path, {
        method: 'OPTIONS',
        headers: { origin: ORIGIN, 'access-control-request-method': 'POST' },
      })
      expect([
        good.status,
        good.headers.get('access-control-allow-origin'),
        good.headers.get('vary'),
      ]).toEqual([204, ORIGIN, 'Origin'])
      expect(good.headers.get('access-control-allow-methods')).toContain('POST')
      expect(good.headers.has('access-control-allow-credentials')).toBe(false)
      for (const origin of [
        'https://evil.example',
        `${ORIGIN}.evil.example`,
        'null',
        'http://app.case-manager.example',
      ]) {
        const bad = await rig.app.request(path, {
          method: 'OPTIONS',
          headers: { origin, 'access-control-request-method': 'POST' },
        })
        expect(bad.headers.has('access-control-allow-origin')).toBe(false)
      }
    }
    const introspect = await rig.app.request('/introspect', {
      method: 'OPTIONS',
      headers: { origin: ORIGIN },
    })
    expect(introspect.headers.has('access-control-allow-origin')).toBe(false)
  })

  test('an answer, an error too, may be read by the client’s own origin, not by another client’s', async () => {
    const rig = await createRig()
    const app = await rig.register('App', { authMethod: 'none', allowedOrigins: [ORIGIN] })
    await rig.register('Other', { authMethod: 'none', allowedOrigins: ['https://other.example'] })
    const { session } = await rig.openSession()
    const { form } = await rig.issueCode(session.sid, app)
    const send = (origin: string, fields: Record<string, string>) =>
      rig.post('/token', { ...fields, client_id: 'app' }, { origin })
    const bad = await send(ORIGIN, refreshForm('x'))
    const foreign = await send('https://other.example', refreshForm('x'))
    const good = await send(ORIGIN, form)
    expect(
      [bad, foreign, good].map((each) => [
        each.status,
        each.headers.get('access-control-allow-origin'),
      ]),
    ).toEqual([
      [400, ORIGIN],
      [400, null],
      [200, ORIGIN],
    ])
    const { access_token } = (await good.json()) as { access_token: string }
    const info = await rig.app.request('/userinfo', {
      headers: { origin: ORIGIN, authorization: `Bearer ${access_token}` },
    })
    expect([info.status, info.headers.get('access-control-allow-origin')]).toEqual([200, ORIGIN])
  })
})

test('an origin that is not registered is logged with what to register, at the preflight and where there is none', async () => {
  const rig = await createRig()
  await rig.register('App', {
    authMethod: 'none',
    allowedOrigins: ['https://app.case-manager.example'],
  })
  const origin = 'http://localhost:5173'
  await rig.app.request('/userinfo', {
    method: 'OPTIONS',
    headers: { origin, 'access-control-request-method': 'GET' },
  })
  await rig.post('/token', { ...refreshForm('x'), client_id: 'app' }, { origin })
  await rig.post('/token', { ...refreshForm('x'), client_id: 'app' }, { origin: rig.config.issuer })
  const lines = rig.lines
    .map((line) => JSON.parse(line) as Record<string, unknown>)
    .filter(({ event }) => event === 'origin_rejected')
  expect(lines).toMatchObject([
    { origin, path: '/userinfo', next: expect.stringContaining('allowed_origins') },
    { origin, path: '/token', client_id: 'app' },
  ])
  expect(lines).toHaveLength(2)
})

describe('the log of reuse and theft', () => {
  test.each(['code_reused', 'refresh_token_stolen'])(
    '%s is logged with the client, the session, its user and where the request came from',
    async (event) => {
      const rig = await createRig()
      const { client, tokens, session } = await signedIn(rig)
      const { form } = await rig.issueCode(session.sid, client)
      const headers = {
        authorization: client.basic,
        'user-agent': 'Mozilla/5.0 (Windows NT 10.0) Firefox/130.0',
      }
      const env = { incoming: { socket: { remoteAddress: '203.0.113.7' } } }
      const post = (body: Record<string, string>) =>
        rig.app.request(
          `${ISSUER}/token`,
          { method: 'POST', body: new URLSearchParams(body), headers },
          env,
        )
      if (event === 'code_reused') for (let n = 0; n < 2; n++) await post(form)
      else {
        const next = await tokensOf(post(refreshForm(tokens.refresh_token)))
        await post(refreshForm(next.refresh_token))
        rig.clock.advance(60)
        await post(refreshForm(tokens.refresh_token))
      }
      const lines = rig.lines.map((line) => JSON.parse(line) as Record<string, unknown>)
      const whose = { client_id: 'sydney', sid: session.sid, sub: session.sub }
      expect(lines.find((line) => line.event === event)).toMatchObject({
        ...whose,
        from: '203.0.113.7',
        device: 'Firefox on Windows',
      })
      const ended =
        event === 'code_reused'
          ? { selector: 'grant', ...whose }
          : { selector: 'session', sid: session.sid, sub: session.sub }
      expect(lines.filter((line) => line.event === 'revoked')).toMatchObject([ended])
    },
  )
})
