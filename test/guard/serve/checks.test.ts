import { createLocalJWKSet, jwtVerify, type JSONWebKeySet } from 'jose'
import { describe, expect, test } from 'vitest'
import { IDENTITY_NAMES } from '../../../guard/src/serve/identity.ts'
import { eventually } from '../stand-in.ts'
import { ask, startServe, type Answer } from './rig.ts'

const shown = ({ status, headers }: Answer): [number, unknown] => [status, headers['x-guard']]

describe('the check of a request', () => {
  test('a valid token: 200, never stored, with every identity header', async () => {
    const { broker, check } = await startServe()
    const answer = await check({
      token: await broker.token({ oid: 'o-1', roles: ['A b', 'CaseManager.User'], auth_time: 5 }),
    })
    expect([answer.status, answer.body]).toEqual([200, ''])
    expect(answer.headers).toMatchObject({
      'cache-control': 'no-store',
      'x-guard': 'allowed',
      'x-guard-sub': 'u_alice',
      'x-guard-sid': 's_1',
      'x-guard-tid': 'tenant-1',
      'x-guard-oid': 'o-1',
      'x-guard-client-id': 'sydney',
      'x-guard-scope': 'openid profile',
      'x-guard-roles': 'A%20b CaseManager.User',
      'x-guard-acr': '',
      'x-guard-auth-time': '5',
      'x-guard-exp': String(broker.now + 300),
      'x-guard-rev': '100',
      'x-guard-assertion': '',
    })
  })

  test('no token, a token that is not valid, one that was revoked: 401 with the challenge (RFC 6750 §3)', async () => {
    const { broker, check, serving } = await startServe()
    const none = await check()
    expect([
      ...shown(none),
      none.headers['www-authenticate'],
      none.headers['cache-control'],
    ]).toEqual([401, 'unauthenticated', 'Bearer', 'no-store'])
    const expired = await check({ token: await broker.token({ exp: 1 }) })
    expect(expired.headers['www-authenticate']).toContain(
      'error="invalid_token", error_description="It has expired',
    )
    for (const header of ['Basic YTpi', 'Bearer', 'Bearer a b', 'x'])
      expect([header, (await check({ headers: ['Authorization', header] })).status]).toEqual([
        header,
        401,
      ])
    const token = await broker.token()
    expect((await check({ token })).status).toBe(200)
    const seq = broker.revoke({ kind: 'session', sid: 's_1' })
    await eventually(() => expect(serving.guard.status().enforcedSeq).toBe(seq))
    expect((await check({ token })).status).toBe(401)
  })

  test('a token that does not show the authentication that a rule demands: 401, and what to ask for (RFC 9470)', async () => {
    const sealed = { path: '/sealed/*', acr: 'phr', max_age: 300 }
    const { broker, check } = await startServe({}, { rules: [{ path: '/*' }, sealed] })
    const ask = async (uri: string, claims: object) =>
      check({ uri, token: await broker.token({ auth_time: broker.now, ...claims }) })
    expect((await ask('/sealed/1', { acr: 'phr' })).status).toBe(200)
    expect((await ask('/open', { acr: undefined })).status).toBe(200)
    for (const claims of [{ acr: undefined }, { acr: 'phr', auth_time: broker.now - 306 }]) {
      const answer = await ask('/sealed/1', claims)
      expect([...shown(answer), answer.headers['www-authenticate']]).toEqual([
        401,
        'unauthenticated',
        'Bearer error="insufficient_user_authentication", error_description="The user must authenticate more strongly, or again.", acr_values="phr", max_age="300"',
      ])
    }
  })

  test('a token that lacks what the rules of the path ask for: 403, scope, role and audience', async () => {
    const { broker, check, problems } = await startServe()
    const scope = await check({ token: await broker.token({ scope: 'profile' }) })
    expect([...shown(scope), scope.headers['www-authenticate']]).toEqual([
      403,
      'denied',
      'Bearer error="insufficient_scope", error_description="The token lacks the scope openid.", scope="openid"',
    ])
    expect([scope.headers['content-type'], JSON.parse(scope.body)]).toEqual([
      'application/json',
      { error: 'insufficient_scope', error_description: 'The token lacks the scope openid.' },
    ])
    expect(problems).toEqual([
      "A request was rejected with 403: GET 'cases.example/api/cases': Rule /api/*: The token lacks the scope openid.",
    ])
    const user = await broker.token()
    const admin = await broker.token({ roles: ['CaseManager.Admin'] })
    expect([
      (await check({ uri: '/api/admin/x', token: user })).status,
      (await check({ uri: '/api/admin/x', token: admin })).status,
    ]).toEqual([403, 200])
    const ledger = await check({ uri: '/ledger/1', token: user })
    expect([ledger.status, ledger.headers['www-authenticate']]).toEqual([
      403,
      `Bearer error="insufficient_scope", error_description="The aud of the token is none of 'https://ledger.example'."`,
    ])
    expect(
      (
        await check({
          uri: '/ledger/1',
          token: await broker.token({ aud: 'https://ledger.example' }),
        })
      ).status,
    ).toBe(200)
  })

  test('a public path needs no token, and its identity headers are there and empty', async () => {
    const { check } = await startServe()
    const answer = await check({ uri: '/health?x=1' })
    expect(shown(answer)).toEqual([200, 'public'])
    for (const name of IDENTITY_NAMES.map((each) => `X-Guard-${each}`))
      expect([name, answer.headers[name.toLowerCase()]]).toEqual([name, ''])
    const rejected = await check({ uri: '/health', method: 'POST' })
    expect([rejected.status, JSON.parse(rejected.body)]).toEqual([
      403,
      { error: 'access_denied', error_description: 'No rule has this method, host and path.' },
    ])
  })

  test('only the identity headers that identity_headers names have a value: the others are there and empty, and a client may send none of them', async () => {
    const { broker, check } = await startServe({ identity_headers: 'roles, sub' })
    const token = await broker.token({ roles: ['CaseManager.User', 'a b'] })
    const identity = ({ headers }: Answer) =>
      Object.fromEntries(Object.entries(headers).filter(([name]) => name.startsWith('x-guard-')))
    const empty = Object.fromEntries(
      IDENTITY_NAMES.map((name) => [`x-guard-${name.toLowerCase()}`, '']),
    )
    for (const asked of [{ token }, { token }])
      expect(identity(await check(asked))).toEqual({
        ...empty,
        'x-guard-sub': 'u_alice',
        'x-guard-roles': 'CaseManager.User a%20b',
      })
    expect(identity(await check({ uri: '/health' }))).toEqual(empty)
    expect(
      shown(
        await check({
          token,
          headers: ['Authorization', `Bearer ${token}`, 'X-Guard-Tid', 'forged'],
        }),
      ),
    ).toEqual([403, 'denied'])
  })

  test('the token that a proxy in front holds (oauth2-proxy), and then no other', async () => {
    const { broker, check } = await startServe({ token_header: 'X-Forwarded-Access-Token' })
    const token = await broker.token()
    expect((await check({ headers: ['X-Forwarded-Access-Token', token] })).status).toBe(200)
    expect((await check({ token })).status).toBe(401)
    expect(
      (
        await check({
          headers: ['X-Forwarded-Access-Token', token, 'x_forwarded_access_token', token],
        })
      ).status,
    ).toBe(403)
  })

  test('Envoy asks with the method, host and path of the request itself', async () => {
    const { broker, serving } = await startServe({ request_from: 'request', path_prefix: '/check' })
    const send = async (
      path: string,
      method = 'GET',
      host = 'cases.example:443',
    ): Promise<number> =>
      (
        await ask(
          serving.checkAddress,
          ['Host', host, 'Authorization', `Bearer ${await broker.token()}`],
          { path, method },
        )
      ).status
    expect([
      await send('/check/api/cases'),
      await send('/check/api/admin/x'),
      await send('/check/health'),
      await send('/check/health', 'POST'),
    ]).toEqual([200, 403, 200, 403])
    expect([
      await send('/api/cases'),
      await send('/check'),
      await send('/checkapi/cases'),
      await send('/check/api/cases', 'GET', 'a b'),
    ]).toEqual([403, 403, 403, 403])
  })
})

describe('when it cannot know (rule 20)', () => {
  test('503, never 401, before the first snapshot and without a lease', async () => {
    const { broker, check } = await startServe()
    const token = await broker.token()
    broker.clock.advance(36)
    const answer = await check({ token })
    expect([
      ...shown(answer),
      answer.headers['retry-after'],
      answer.headers['www-authenticate'],
    ]).toEqual([503, 'no_lease', '1', undefined])
    // Without a lease the guard still knows whether a request has a token.
    expect([(await check()).status, (await check({ uri: '/health' })).status]).toEqual([401, 200])
  })

  test('403 with X-Guard: no_lease, where the proxy cannot pass 503 on (nginx)', async () => {
    const { broker, check } = await startServe({ no_lease_status: '403' })
    const token = await broker.token()
    broker.clock.advance(36)
    expect(shown(await check({ token }))).toEqual([403, 'no_lease'])
    expect(shown(await check({ uri: '/nowhere', token }))).toEqual([403, 'denied'])
  })

  test('a fault of its own is answered as that, and said to the operator', async () => {
    const { broker, check, problems, serving } = await startServe()
    const token = await broker.token()
    serving.guard.hold = () => {
      throw new Error('out of memory')
    }
    expect(shown(await check({ token }))).toEqual([503, 'no_lease'])
    expect(problems).toEqual(['A check failed.: out of memory'])
  })
})

describe('what was asked for is certain, or rejected (rule 18)', () => {
  test('every path of the check listener is a check', async () => {
    const { check } = await startServe()
    for (const path of [
      '/',
      '/healthz',
      '/readyz',
      '/metrics',
      '/ended',
      '/jwks',
      '/health',
      '/api/cases',
    ])
      expect([path, (await check({ at: { path } })).status]).toEqual([path, 401])
  })

  test.each(['X-Forwarded-Method', 'X-Forwarded-Host', 'X-Forwarded-Uri'])(
    '%s missing or repeated: 403, and the log says so to the operator',
    async (name) => {
      const { broker, check, problems } = await startServe()
      const token = await broker.token()
      const member = {
        'X-Forwarded-Method': 'method',
        'X-Forwarded-Host': 'host',
        'X-Forwarded-Uri': 'uri',
      }[name] as 'method' | 'host' | 'uri'
      expect(shown(await check({ token, [member]: '' }))).toEqual([403, 'denied'])
      const value = { method: 'GET', host: 'cases.example', uri: '/api/cases' }[member]
      expect((await check({ token, headers: [name, value] })).status).toBe(403)
      expect(
        (await check({ token, headers: [name.replaceAll('-', '_').toLowerCase(), value] })).status,
      ).toBe(403)
      expect(problems[0]).toContain(`${name} must be there once`)
    },
  )

  test.each(['get', 'GET, POST', 'GET POST', 'A'.repeat(30)])('method %j: 403', async (method) => {
    const { broker, check } = await startServe()
    expect((await check({ method, token: await broker.token() })).status).toBe(403)
  })

  test.each([
    'cases.example, evil.example',
    'cases.example:x',
    'cases example',
    '-',
    'user@cases.example',
    'cases.example/',
  ])('host %j: 403', async (host) => {
    const { broker, check } = await startServe()
    expect((await check({ host, token: await broker.token() })).status).toBe(403)
  })

  test.each([
    '/api/..%2fadmin',
    '/api%2Fcases',
    '/api//cases',
    '//api/cases',
    '/api/../health',
    '/api/./cases',
    '/api/%2e%2e/health',
    '/api/..;/health',
    '/api/cases;x=1',
    '/api/cases%3bx',
    '/api\\cases',
    '/api%5ccases',
    '/api/%252e%252e/health',
    '/api/%00',
    '/api/%ff',
    '/api/%',
    'api/cases',
    'http://cases.example/api/cases',
    '/api/caf\u00e9',
    '/api/cases#x',
    '*',
  ])('path %j: 403', async (uri) => {
    const { broker, check } = await startServe()
    expect(shown(await check({ uri, token: await broker.token() }))).toEqual([403, 'denied'])
  })

  test('a path without a rule is rejected, OPTIONS is not exempt, the query decides nothing', async () => {
    const { broker, check } = await startServe()
    const token = await broker.token()
    expect([
      (await check({ uri: '/', token })).status,
      (await check({ uri: '/apis', token })).status,
    ]).toEqual([403, 403])
    expect([
      (await check({ method: 'OPTIONS' })).status,
      (await check({ method: 'OPTIONS', uri: '/nowhere' })).status,
    ]).toEqual([401, 403])
    expect((await check({ uri: '/api/cases?/../health//%2f;', token })).status).toBe(200)
    expect((await check({ uri: '/nowhere?/health' })).status).toBe(403)
  })

  test('a proxy that is not listed: 403; one on a unix socket is let in by the mode of the file', async () => {
    const { broker, check, problems } = await startServe({
      trusted_proxies: '192.0.2.0/24,2001:db8::1',
    })
    expect((await check({ token: await broker.token() })).status).toBe(403)
    expect(problems[0]).toContain('127.0.0.1 is not in trusted_proxies')
    const unix = await startServe({
      listen: 'unix:{dir}/check.sock',
      trusted_proxies: '192.0.2.0/24',
    })
    expect((await unix.check({ token: await unix.broker.token() })).status).toBe(200)
  })
})

describe('a header that overrides the method or the path', () => {
  test.each([
    'X-HTTP-Method-Override',
    'X-HTTP-Method',
    'X-Method-Override',
    'x_http_method_override',
    'X.Http.Method.Override',
    'X-Original-URL',
    'X-Original-Uri',
    'X-Rewrite-URL',
    'X-Rewrite-Uri',
    'X-Override-URL',
    'X-Script-Name',
    'x_original_url',
  ])('%s: 403 on every path, and the log says so to the operator', async (name) => {
    const { broker, check, problems } = await startServe()
    expect(shown(await check({ token: await broker.token(), headers: [name, ''] }))).toEqual([
      403,
      'denied',
    ])
    expect(shown(await check({ uri: '/health', headers: [name, '/api/admin/x'] }))).toEqual([
      403,
      'denied',
    ])
    expect(problems[0]).toContain('overrides its method or path')
  })
})

describe('an upgrade', () => {
  test.each([
    ['h2c'],
    ['H2C'],
    ['websocket, h2c'],
    ['h2c, websocket'],
    ['websocket;h2c'],
    ['websocket', 'h2c'],
    ['h2c', 'websocket'],
    [''],
  ])('to %j: 403 on every path, and the log says so to the operator', async (...values) => {
    const { broker, check, problems, serving } = await startServe()
    const offers = values.flatMap((value) => ['Upgrade', value])
    const settings = [
      'Connection',
      'Upgrade, HTTP2-Settings',
      ...offers,
      'HTTP2-Settings',
      'AAMAAABkAAQAAP__',
    ]
    for (const headers of [settings, ['Connection', 'Upgrade', ...offers], offers]) {
      expect(shown(await check({ token: await broker.token(), headers }))).toEqual([403, 'denied'])
      expect(shown(await check({ uri: '/health', headers }))).toEqual([403, 'denied'])
    }
    expect(problems[0]).toContain('unless Upgrade is websocket')
    expect(serving.guard.status().counters.accepted).toBe(0)
  })

  test.each(['websocket', 'WebSocket'])('to %s passes as any other request', async (value) => {
    const { broker, check } = await startServe()
    const headers = ['Connection', 'Upgrade', 'Upgrade', value]
    expect((await check({ token: await broker.token(), headers })).status).toBe(200)
    expect((await check({ headers })).status).toBe(401)
  })
})

describe('identity comes from here alone (rule 19)', () => {
  test.each([
    'X-Guard-Sub',
    'x-guard-sub',
    'X_Guard_Sub',
    'X-Guard-Anything',
    'X-Guard',
    'x_guard-assertion',
    'X.Guard.Sub',
    'x~guard+sub',
  ])('a client that sends %s: 403', async (name) => {
    const { broker, check } = await startServe()
    expect(
      (await check({ token: await broker.token(), headers: [name, 'u_mallory'] })).status,
    ).toBe(403)
    // Also on a public path.
    expect((await check({ uri: '/health', headers: [name, 'u_mallory'] })).status).toBe(403)
  })

  test('behind 3,000 other headers: 403 (Node 20 hides what comes after about a thousand)', async () => {
    const { broker, check } = await startServe()
    const many = Array.from({ length: 3000 }, () => ['a', 'b']).flat()
    expect(
      shown(
        await check({
          token: await broker.token(),
          headers: [...many, 'X-Guard-Sub', 'u_mallory'],
        }),
      ),
    ).toEqual([403, 'denied'])
  })

  test.each(['X-Guard-Sub', 'close, x_guard_roles', 'x.guard.roles'])(
    'Connection: %s would take the header away: 403',
    async (value) => {
      const { broker, check } = await startServe()
      expect(
        (await check({ token: await broker.token(), headers: ['Connection', value] })).status,
      ).toBe(403)
    },
  )

  test('a value cannot begin another header or another item', async () => {
    const { broker, check } = await startServe()
    const { headers } = await check({
      token: await broker.token({
        sub: 'a\r\nX-Guard-Roles: Admin',
        roles: ['a b', '\u00fc,\ud800'],
      }),
    })
    expect([headers['x-guard-sub'], headers['x-guard-roles']]).toEqual([
      'a%0D%0AX-Guard-Roles%3A%20Admin',
      'a%20b %C3%BC%2C%EF%BF%BD',
    ])
  })

  test('a signed header that lives a minute, for one audience, by a key of this process', async () => {
    const { broker, check, local } = await startServe({
      identity_audience: 'https://cases.internal',
    })
    const token = await broker.token()
    const assertion = String((await check({ token })).headers['x-guard-assertion'])
    const keys = createLocalJWKSet(JSON.parse((await local('/jwks')).body) as JSONWebKeySet)
    const expected = {
      audience: 'https://cases.internal',
      issuer: 'urn:case-manager:guard:web-1',
      typ: 'guard-identity+jwt',
      algorithms: ['ES256'],
    }
    const { payload } = await jwtVerify(assertion, keys, {
      ...expected,
      currentDate: new Date(broker.clock.nowMs()),
    })
    expect(payload).toMatchObject({
      sub: 'u_alice',
      sid: 's_1',
      roles: ['CaseManager.User'],
      rev: 100,
      iat: broker.now,
      exp: broker.now + 60,
    })
    broker.clock.advance(29)
    broker.heartbeat()
    expect((await check({ token })).headers['x-guard-assertion']).toBe(assertion)
    broker.clock.advance(2)
    expect((await check({ token })).headers['x-guard-assertion']).not.toBe(assertion)
    // An access token is none, and it is not an access token.
    await expect(jwtVerify(token, keys, expected)).rejects.toThrow()
    expect((await check({ token: assertion })).status).toBe(401)
  })

  test('the prefix can be another', async () => {
    const { broker, check } = await startServe({ identity_prefix: 'X-Case-' })
    expect((await check({ token: await broker.token() })).headers['x-case-sub']).toBe('u_alice')
    expect(
      (await check({ token: await broker.token(), headers: ['X_Case_Sub', 'x'] })).status,
    ).toBe(403)
  })
})

describe('the rules', () => {
  test('are read again, and wrong ones leave the former in place', async () => {
    const { broker, check, serving, writeRules } = await startServe()
    const token = await broker.token()
    writeRules([{ path: '/other/*' }])
    expect([
      (await check({ token })).status,
      serving.reload(),
      (await check({ token })).status,
    ]).toEqual([200, [], 403])
    writeRules([{ path: '/*', any_roles: ['x'] }])
    expect(serving.reload().join()).toContain('rules[0]: unknown member "any_roles"')
    expect((await check({ uri: '/other/x', token })).status).toBe(200)
  })
})
