import { SignJWT } from 'jose'
import { describe, expect, test } from 'vitest'
import { createGuard, type Guard } from '@case-manager/guard'
import { parseClientMetadata } from '../../src/clients/metadata.ts'
import {
  eventually,
  makeKey,
  startBroker,
  startGuard,
  TestClock,
  why,
  type Broker,
} from './stand-in.ts'

/** The guard has read the keys: it does so beside its start. */
async function both(): Promise<{ broker: Broker; guard: Guard }> {
  const broker = await startBroker()
  const guard = await startGuard(broker)
  await eventually(() => expect(guard.status().keys).toBe(2))
  return { broker, guard }
}

describe('checking an access token (RFC 9068 §4)', () => {
  test('a valid one is accepted with its claims, and asked about again without verifying it again', async () => {
    const { broker, guard } = await both()
    const token = await broker.token()
    expect(await guard.check(token)).toMatchObject({
      ok: true,
      claims: { sub: 'u_alice', sid: 's_1', client_id: 'sydney', rev: 100 },
    })
    const asked = broker.requests.length
    for (let i = 0; i < 100; i++) expect((await guard.check(token)).ok).toBe(true)
    expect(guard.status().counters).toMatchObject({ checks: 101, cacheHits: 100, accepted: 101 })
    // The only request is the report of what is enforced, which may be under way.
    expect(
      broker.requests.slice(asked).filter(({ url }) => url !== '/revocations/enforced'),
    ).toEqual([])
  })

  test('neither side sets an audience: the guard wants the one that the broker gives', async () => {
    const broker = await startBroker()
    const guard = await startGuard(broker, { audience: undefined })
    const registered = parseClientMetadata(
      { client_name: 'Sydney', redirect_uris: ['https://sydney.example/cb'] },
      { clientId: 'sydney' },
    )
    if (!registered.ok) throw new Error(registered.problems.join())
    expect(await why(guard, await broker.token({ aud: registered.metadata.audience }))).toBe('good')
    // An ID token's `aud`.
    expect(await why(guard, await broker.token({ aud: 'sydney' }))).toBe('audience')
  })

  test('RS256 is rejected also by a key of the broker: access tokens are signed with ES256', async () => {
    const { broker, guard } = await both()
    expect(await why(guard, await broker.token({}, {}, broker.keys[1]))).toBe('algorithm')
  })

  test('claims are handed out frozen, to the bottom', async () => {
    const { broker, guard } = await both()
    const result = await guard.check(await broker.token())
    if (!result.ok) throw new Error(result.why)
    expect(() => ((result.claims as { sub: string }).sub = 'u_mallory')).toThrow(TypeError)
    expect(() => (result.claims.roles as string[]).push('Administrator')).toThrow(TypeError)
  })

  test.each<[string, string, Record<string, unknown>, Record<string, unknown>]>([
    ['of another issuer', 'issuer', { iss: 'https://other.example' }, {}],
    ['for another audience', 'audience', { aud: 'https://melbourne.example' }, {}],
    ['without an audience', 'audience', { aud: undefined }, {}],
    ['that has expired', 'expired', { exp: 1_795_510_794 }, {}],
    ['whose exp is no number', 'claims', { exp: 'tomorrow' }, {}],
    ['without exp', 'claims', { exp: undefined }, {}],
    ['issued in the future', 'clock', { iat: 1_795_510_806 }, {}],
    ['not valid yet', 'clock', { nbf: 1_795_510_806 }, {}],
    ['without sub', 'claims', { sub: undefined }, {}],
    ['without client_id', 'claims', { client_id: undefined }, {}],
    ['without jti', 'claims', { jti: undefined }, {}],
    ['without rev', 'claims', { rev: undefined }, {}],
    ['whose rev is no number', 'claims', { rev: '100' }, {}],
    ['whose rev is negative', 'claims', { rev: -1 }, {}],
    ['whose sid is no string', 'claims', { sid: ['s_1'] }, {}],
    ['whose tid is no string', 'claims', { tid: 1 }, {}],
    ['whose roles are no list', 'claims', { roles: 'CaseManager.User' }, {}],
    ['whose actor has no sub', 'claims', { act: { sub: 'sydney', act: {} } }, {}],
    ['that is an ID token', 'type', {}, { typ: 'JWT' }],
    ['that is a logout token', 'type', {}, { typ: 'logout+jwt' }],
    ['without typ', 'type', {}, { typ: undefined }],
    ['without kid', 'unknown_key', {}, { kid: undefined }],
    ['with a critical header that nobody knows', 'malformed', {}, { crit: ['x'], x: 1 }],
  ])('one %s is rejected: %s', async (_, expected, claims, header) => {
    const { broker, guard } = await both()
    // jose does not sign some of these: the header is written by hand then.
    const token =
      header.crit === undefined
        ? await broker.token(claims, header)
        : rewriteHeader(await broker.token(claims), header)
    expect(await why(guard, token)).toBe(expected)
  })

  test('within the tolerance of clocks it is neither expired nor in the future', async () => {
    const { broker, guard } = await both()
    const { now } = broker.clock
    expect(await why(guard, await broker.token({ exp: now - 4 }))).toBe('good')
    expect(await why(guard, await broker.token({ iat: now + 5, exp: now + 305 }))).toBe('good')
  })

  test('the typ may be written in full (RFC 7515 §4.1.9)', async () => {
    const { broker, guard } = await both()
    expect(await why(guard, await broker.token({}, { typ: 'application/at+jwt' }))).toBe('good')
  })

  test('alg none, a symmetric algorithm with the public key as its secret, and a foreign signature are rejected (RFC 8725 §2.1)', async () => {
    const { broker, guard } = await both()
    const token = await broker.token()
    const [header, payload = ''] = token.split('.')
    expect(await why(guard, rewriteHeader(`${header}.${payload}.`, { alg: 'none' }))).toBe(
      'algorithm',
    )
    const secret = new TextEncoder().encode(JSON.stringify(broker.keys[0]?.jwk))
    const symmetric = await new SignJWT({ sub: 'u_alice' })
      .setProtectedHeader({ alg: 'HS256', typ: 'at+jwt', kid: 'es-1' })
      .sign(secret)
    expect(await why(guard, symmetric)).toBe('algorithm')
    const foreign = await makeKey('es-1')
    expect(await why(guard, await broker.token({}, {}, foreign))).toBe('signature')
    const rsa = await makeKey('es-1', 'RS256')
    expect(await why(guard, await broker.token({}, {}, rsa))).toBe('algorithm')
  })

  test.each(['', 'x', 'a.b', 'a.b.c', '..', 'eyJhbGciOiJFUzI1NiJ9..', 'x'.repeat(20_000), 'ü.ü.ü'])(
    'what is not a token is rejected: %.20s',
    async (text) => {
      const { guard } = await both()
      expect(['malformed', 'type', 'algorithm']).toContain(await why(guard, text))
    },
  )

  test('a rejection names what was expected and received, and holds nothing else of the token', async () => {
    const { broker, guard } = await both()
    const token = await broker.token({ aud: 'https://melbourne.example', sub: 'u_very_secret' })
    const rejection = await guard.check(token)
    expect(rejection).toMatchObject({
      description:
        "It is meant for audience 'https://melbourne.example'; expected is 'https://sydney.example'.",
    })
    for (const part of [...token.split('.'), 'u_very_secret'])
      expect(JSON.stringify(rejection)).not.toContain(part)
    expect(await guard.check(await broker.token({ iss: 'https://alias.example' }))).toMatchObject({
      description: `It is of issuer 'https://alias.example'; expected is '${broker.issuer}'.`,
    })
    expect(await guard.check(await broker.token({}, { typ: 'logout+jwt' }))).toMatchObject({
      description: "Its typ must be at+jwt, and is 'logout+jwt'.",
    })
  })

  test('what an attacker writes into a header of a token cannot leave its place in WWW-Authenticate', async () => {
    const { broker, guard } = await both()
    const token = await broker.token({}, { typ: 'x", error="none\r\n' })
    const { response } = (await guard.authorize(
      new Request('http://localhost/', { headers: { authorization: `Bearer ${token}` } }),
    )) as {
      response: Response
    }
    expect(response.headers.get('www-authenticate')).toBe(
      `Bearer error="invalid_token", error_description="Its typ must be at+jwt, and is 'x?, error=?none??'."`,
    )
  })

  test('asked by many at once, a token is verified once', async () => {
    const { broker, guard } = await both()
    const token = await broker.token({}, { kid: 'es-2' }, { ...(await makeKey('es-2')) })
    const before = broker.count('/jwks')
    broker.clock.advance(6)
    const answers = await Promise.all(Array.from({ length: 50 }, () => why(guard, token)))
    expect(new Set(answers)).toEqual(new Set(['unknown_key']))
    expect(broker.count('/jwks')).toBe(before + 1)
  })

  test('an accepted token is rejected once it has expired', async () => {
    const { broker, guard } = await both()
    const token = await broker.token()
    expect(await why(guard, token)).toBe('good')
    broker.clock.advance(306)
    expect(await why(guard, token)).toBe('expired')
    expect(guard.status().cachedTokens).toBe(0)
  })

  test('no more tokens are remembered than the limit, the least recently used dropped first', async () => {
    const broker = await startBroker()
    const guard = await startGuard(broker, { maxCachedTokens: 3 })
    const tokens = await Promise.all(Array.from({ length: 5 }, () => broker.token()))
    for (const token of tokens) expect(await why(guard, token)).toBe('good')
    expect(guard.status().cachedTokens).toBe(3)
    const [first = '', , third = ''] = tokens
    await guard.check(third)
    expect(guard.status().counters.cacheHits).toBe(1)
    await guard.check(first)
    expect(guard.status()).toMatchObject({
      cachedTokens: 3,
      counters: { cacheHits: 1, accepted: 7 },
    })
  })
})

describe('signing keys', () => {
  test('a new key is fetched when a token names it; unknown names ask at most once in 5 s', async () => {
    const { broker, guard } = await both()
    const before = broker.count('/jwks')
    const next = await makeKey('es-2')
    const token = await broker.token({}, {}, next)
    broker.clock.advance(6)
    expect(await why(guard, token)).toBe('unknown_key')
    broker.keys.push(next)
    expect(await why(guard, token)).toBe('unknown_key')
    expect(broker.count('/jwks')).toBe(before + 1)
    broker.clock.advance(6)
    expect(await why(guard, token)).toBe('good')
    expect(broker.count('/jwks')).toBe(before + 2)
  })

  test('on a change of keys it fetches at once', async () => {
    const { broker, guard } = await both()
    const next = await makeKey('es-2')
    broker.keys.push(next)
    broker.send('keys', { jwks: 'changed', retired_kids: [] })
    await eventually(() => expect(guard.status().keys).toBe(3))
    expect(await why(guard, await broker.token({}, {}, next))).toBe('good')
  })

  test('on a change of keys it fetches again, also where an earlier request fails meanwhile', async () => {
    const broker = await startBroker()
    const guard = await startGuard(broker)
    const token = await broker.token()
    expect(await why(guard, token)).toBe('good')
    const fetched = broker.count('/jwks')
    const { promise, resolve } = Promise.withResolvers<void>()
    broker.holds['/jwks'] = promise
    broker.send('keys', { jwks: 'changed', retired_kids: [] })
    await eventually(() => expect(broker.count('/jwks')).toBe(fetched + 1))
    broker.keys = [await makeKey('es-2')]
    broker.send('keys', { jwks: 'changed', retired_kids: [] })
    broker.revoke({ kind: 'session', sid: 's_2' })
    await eventually(() => expect(guard.status().enforcedSeq).toBe(broker.seq))
    broker.instead['/jwks'] = (response) => {
      delete broker.instead['/jwks']
      response.destroy()
    }
    resolve()
    await eventually(async () => expect(await why(guard, token)).toBe('unknown_key'))
  })

  test('a retired key is dropped at once with all it signed, whatever a cached JWKS still says', async () => {
    const { broker, guard } = await both()
    const token = await broker.token()
    expect(await why(guard, token)).toBe('good')
    broker.send('keys', { jwks: 'changed', retired_kids: ['es-1'] })
    await eventually(async () => expect(await why(guard, token)).toBe('unknown_key'))
    expect(await why(guard, await broker.token())).toBe('unknown_key')
    broker.clock.advance(6)
    expect(await why(guard, token)).toBe('unknown_key')
    expect(guard.status()).toMatchObject({ cachedTokens: 0, keys: 1 })
  })

  test('keys that were retired before the guard started are not trusted either', async () => {
    const broker = await startBroker()
    broker.retiredKids = ['es-1']
    const guard = await startGuard(broker)
    expect(await why(guard, await broker.token())).toBe('unknown_key')
  })

  test('where the keys cannot be read, nothing is said of the token: 503', async () => {
    const broker = await startBroker()
    broker.broken['/jwks'] = 500
    const problems: Error[] = []
    const guard = await startGuard(broker, { hooks: { problem: (error) => problems.push(error) } })
    expect(await guard.check(await broker.token())).toMatchObject({
      ok: false,
      status: 503,
      error: 'temporarily_unavailable',
      why: 'keys_unavailable',
    })
    expect(problems.map(({ message }) => message)).toContain(
      `The keys at ${broker.issuer}/jwks cannot be read.`,
    )
    broker.broken = {}
    broker.clock.advance(6)
    expect(await why(guard, await broker.token())).toBe('good')
  })

  test('keys for encryption, private ones, symmetric ones and nonsense in a JWKS are ignored', async () => {
    const broker = await startBroker()
    const [key] = broker.keys
    if (key === undefined) throw new Error('no key')
    const more = [
      { kty: 'oct', kid: 'oct', k: 'AAAA', alg: 'HS256' },
      { ...key.jwk, kid: 'enc', use: 'enc' },
      { kty: 'EC', kid: 'bad', crv: 'P-256', x: '!', y: '!' },
      null,
    ]
    broker.keys = [key, ...more.map((jwk) => ({ ...key, jwk: jwk as typeof key.jwk }))]
    const guard = await startGuard(broker)
    expect(await why(guard, await broker.token())).toBe('good')
    expect(guard.status().keys).toBe(1)
  })
})

describe('options', () => {
  test('every problem is said at once', () => {
    const create = () =>
      createGuard({
        issuer: 'http://sign-in.example/',
        clientId: '',
        clientSecret: '',
        guardId: 'a b',
        clockToleranceSeconds: 60,
        withoutLease: 'accept' as unknown as 'reject',
        maxEntries: 1,
        maxCachedTokens: -1,
        audience: [],
      })
    for (const name of [
      'issuer',
      'clientId',
      'clientSecret',
      'audience',
      'withoutLease',
      'clockToleranceSeconds',
      'guardId',
      'maxEntries',
      'maxCachedTokens',
    ])
      expect(create).toThrow(name)
  })

  test('a guard that was stopped accepts nothing', async () => {
    const { broker, guard } = await both()
    const token = await broker.token()
    expect(await why(guard, token)).toBe('good')
    await guard.stop()
    expect(await why(guard, token)).toBe('starting')
    await guard.start()
    expect(await why(guard, token)).toBe('starting')
  })

  test('the clock of the broker itself fits', () => {
    const clock = { now: () => 0, nowMs: () => 0 }
    expect(
      createGuard({
        issuer: 'https://sign-in.example',
        clientId: 'a',
        clientSecret: 'b',
        clock,
      }).status(),
    ).toMatchObject({
      ready: false,
      leaseMs: 0,
    })
    expect(new TestClock().now).toBe(1_795_510_800)
  })
})

function rewriteHeader(token: string, header: Record<string, unknown>): string {
  const [first = '', ...rest] = token.split('.')
  const former = JSON.parse(Buffer.from(first, 'base64url').toString()) as Record<string, unknown>
  return [
    Buffer.from(JSON.stringify({ ...former, ...header })).toString('base64url'),
    ...rest,
  ].join('.')
}
