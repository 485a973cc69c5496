import { randomBytes } from 'node:crypto'
import { exportJWK, generateKeyPair, SignJWT } from 'jose'
import { beforeEach, describe, expect, test } from 'vitest'
import { authenticateClient } from '../../src/clients/authenticate.ts'
import type { AuthenticateDeps } from '../../src/clients/deps.ts'
import { openClientRegistry } from '../../src/clients/registry.ts'
import { newClientSecret } from '../../src/clients/secret.ts'
import type { Config } from '../../src/config/config.ts'
import { createLog } from '../../src/runtime/log.ts'
import type { Client, ClientMetadata } from '../../src/protocol/client-metadata.ts'
import { OAuthError } from '../../src/protocol/error.ts'
import { JWT_BEARER_ASSERTION } from '../../src/protocol/names.ts'
import { readParams } from '../../src/protocol/params.ts'

const ISSUER = 'https://broker.example'
const NOW = 1_800_000_000
const JWKS_URI = 'https://keys.example/jwks'

const made = newClientSecret(randomBytes, NOW)
const two = newClientSecret(randomBytes, NOW)
const past = newClientSecret(randomBytes, NOW)
const keyPair = await generateKeyPair('ES256', { extractable: true })
const publicJwk = { ...(await exportJWK(keyPair.publicKey)), kid: 'k1' }

const client = (
  clientId: string,
  metadata: Partial<ClientMetadata>,
  secrets: Client['secrets'] = [],
): Client => ({
  clientId,
  source: 'command',
  formerTenants: [],
  secrets,
  createdAt: NOW,
  updatedAt: NOW,
  metadata: {
    name: clientId,
    redirectUris: [],
    postLogoutRedirectUris: [],
    logoutUris: [],
    logoutBy: 'sid',
    authMethod: 'client_secret_basic',
    grants: [],
    scopes: [],
    audience: `urn:${clientId}`,
    resources: [],
    exchangeFrom: [],
    requirePkce: true,
    requirePar: false,
    idTokenAlg: 'RS256',
    accessTokenSeconds: 300,
    guardLeaseSeconds: 30,
    consentRequired: false,
    allowedOrigins: [],
    ...metadata,
  },
})

let deps: AuthenticateDeps
let fetches = 0
let published: unknown[] = [publicJwk]
let down = false
beforeEach(async () => {
  fetches = 0
  published = [publicJwk]
  down = false
  const consumed = new Set<string>()
  const clients = [
    client('sydney', {}, [made.hash, two.hash, { ...past.hash, expiresAt: NOW }]),
    client('a b:+%é', {}, [made.hash]),
    client('app', { authMethod: 'none' }),
    client('signer', { authMethod: 'private_key_jwt', jwks: { keys: [publicJwk] } }),
    client('former', {
      authMethod: 'private_key_jwt',
      jwks: { keys: [publicJwk] },
      assertionAudience: 'endpoint',
    }),
    client('remote', { authMethod: 'private_key_jwt', jwksUri: JWKS_URI }),
  ]
  deps = {
    clients: await openClientRegistry({
      registryVersion: async () => 0,
      listClients: async () => clients,
    }),
    config: { issuer: ISSUER } as Config,
    log: createLog(
      () => {},
      () => 0,
    ),
    store: {
      consumeOnce: async ({ purpose, idHash }: { purpose: string; idHash: string }) => {
        const fresh = !consumed.has(purpose + idHash)
        consumed.add(purpose + idHash)
        return fresh
      },
    } as AuthenticateDeps['store'],
    rateLimits: { take: () => undefined, mayLog: () => true },
    outbound: {
      request: async () => {
        fetches++
        if (down) throw new Error('connection refused')
        return { status: 200, headers: {}, body: JSON.stringify({ keys: published }) }
      },
    },
  }
})

const basic = (id: string, secret: string) =>
  `Basic ${Buffer.from(`${id}:${secret}`).toString('base64')}`
const attempt = (form: Record<string, string>, authorization?: string, now = NOW) =>
  authenticateClient(deps, {
    authorization,
    params: readParams(new URLSearchParams(form)),
    now,
  }).then(
    (found) => found.clientId,
    (error: unknown) => {
      if (!(error instanceof OAuthError)) throw error
      return `${error.status} ${error.code}${error.headers['WWW-Authenticate']?.startsWith('Basic realm=') ? ' Basic' : ''}`
    },
  )

describe('client secrets (RFC 6749 §2.3.1)', () => {
  test('basic and post are interchangeable, and each of two secrets is valid', async () => {
    for (const { secret } of [made, two]) {
      expect(await attempt({}, basic('sydney', secret))).toBe('sydney')
      expect(await attempt({ client_id: 'sydney', client_secret: secret })).toBe('sydney')
    }
  })

  test('a secret is shown once and kept as a hash', () => {
    expect(made.secret).toMatch(/^cms_[\w-]{43}$/)
    expect(JSON.stringify(made.hash)).not.toContain(made.secret)
  })

  test('an expired secret, a wrong one, an unknown client and a client of another method are rejected alike: 401, and the Basic challenge where Basic was tried (RFC 6749 §5.2)', async () => {
    for (const [id, secret] of [
      ['sydney', past.secret],
      ['sydney', 'wrong'],
      ['sydney', ''],
      ['nobody', made.secret],
      ['app', ''],
      ['signer', 'x'],
      ['', ''],
    ] as const) {
      expect(await attempt({}, basic(id, secret))).toBe('401 invalid_client Basic')
    }
    expect(await attempt({ client_id: 'sydney', client_secret: 'wrong' })).toBe(
      '401 invalid_client',
    )
    expect(await attempt({ client_id: 'app', client_secret: made.secret })).toBe(
      '401 invalid_client',
    )
  })

  test('id and secret of a Basic header are form-encoded, each by itself', async () => {
    expect(await attempt({}, basic('a+b%3A%2B%25%C3%A9', made.secret))).toBe('a b:+%é')
    expect(await attempt({}, basic('%73ydney', encodeURIComponent(made.secret)))).toBe('sydney')
  })

  test('a malformed header is not a client', async () => {
    for (const header of [
      'Basic',
      'Basic !!!',
      `Basic ${Buffer.from('nocolon').toString('base64')}`,
      'Bearer abc',
      basic('%zz', made.secret),
      basic('sydney', '%zz'),
    ]) {
      expect(await attempt({}, header)).toBe('401 invalid_client Basic')
    }
  })

  test('more than one method in a request is invalid_request (§2.3), also when both are right', async () => {
    expect(
      await attempt(
        { client_id: 'sydney', client_secret: made.secret },
        basic('sydney', made.secret),
      ),
    ).toBe('400 invalid_request')
    expect(
      await attempt({
        client_id: 'sydney',
        client_secret: made.secret,
        client_assertion: 'x',
        client_assertion_type: JWT_BEARER_ASSERTION,
      }),
    ).toBe('400 invalid_request')
    expect(
      await attempt({ client_assertion_type: JWT_BEARER_ASSERTION }, basic('sydney', made.secret)),
    ).toBe('400 invalid_request')
  })

  test('a client_id in the body beside Basic has to be the same', async () => {
    expect(await attempt({ client_id: 'sydney' }, basic('sydney', made.secret))).toBe('sydney')
    expect(await attempt({ client_id: 'app' }, basic('sydney', made.secret))).toBe(
      '400 invalid_request',
    )
  })

  test('without a credential only a public client is accepted', async () => {
    expect(await attempt({ client_id: 'app' })).toBe('app')
    expect(await attempt({ client_id: 'sydney' })).toBe('401 invalid_client')
    expect(await attempt({ client_id: 'signer' })).toBe('401 invalid_client')
    expect(await attempt({})).toBe('401 invalid_client')
  })
})

describe('private_key_jwt (RFC 7523 §3)', () => {
  let count = 0
  const sign = (
    claims: Record<string, unknown> = {},
    header: Record<string, unknown> = {},
    key: CryptoKey = keyPair.privateKey,
  ) =>
    new SignJWT({
      iss: 'signer',
      sub: 'signer',
      aud: ISSUER,
      jti: `j${count++}`,
      iat: NOW,
      exp: NOW + 60,
      ...claims,
    })
      .setProtectedHeader({ alg: 'ES256', kid: 'k1', ...header })
      .sign(key)
  const assert = async (
    jwt: string | Promise<string>,
    more: Record<string, string> = {},
    now = NOW,
  ) =>
    attempt(
      { client_assertion: await jwt, client_assertion_type: JWT_BEARER_ASSERTION, ...more },
      undefined,
      now,
    )

  test('an assertion of the registered key for our issuer is the client', async () => {
    expect(await assert(sign())).toBe('signer')
    for (const typ of ['JWT', 'client-authentication+jwt', 'application/client-authentication+jwt'])
      expect(await assert(sign({}, { typ }))).toBe('signer')
    expect(await assert(sign(), { client_id: 'signer' })).toBe('signer')
    expect(await assert(sign(), { client_id: 'sydney' })).toBe('400 invalid_request')
  })

  test('its aud is the issuer alone, as a string, unless the client is registered to name an endpoint (CVE-2025-27370)', async () => {
    const former = (aud: unknown) => assert(sign({ iss: 'former', sub: 'former', aud }))
    for (const aud of [`${ISSUER}/token`, `${ISSUER}/par`, [ISSUER], [`${ISSUER}/token`]]) {
      expect(await assert(sign({ aud }))).toBe('401 invalid_client')
      expect(await former(aud)).toBe('former')
    }
    expect(await former(ISSUER)).toBe('former')
    for (const aud of [`${ISSUER}/token/`, [ISSUER, `${ISSUER}/token`], [], undefined])
      expect(await former(aud)).toBe('401 invalid_client')
  })

  test.each([
    ['another subject', { sub: 'sydney' }],
    ['no subject', { sub: undefined }],
    ['an unknown issuer', { iss: 'nobody', sub: 'nobody' }],
    ['a client of another method', { iss: 'sydney', sub: 'sydney' }],
    ['another audience', { aud: 'https://other.example' }],
    ['two audiences', { aud: [ISSUER, 'https://other.example'] }],
    ['no audience', { aud: undefined }],
    ['no jti', { jti: undefined }],
    ['an empty jti', { jti: '' }],
    ['a long jti', { jti: 'x'.repeat(300) }],
    ['a jti that is no text', { jti: 7 }],
    ['no expiry', { exp: undefined }],
    ['expired', { exp: NOW - 31 }],
    ['more than five minutes ahead', { exp: NOW + 331 }],
    ['not yet valid', { nbf: NOW + 60 }],
    ['of the future', { iat: NOW + 60 }],
  ])('%s: rejected', async (_what, claims) => {
    expect(await assert(sign(claims))).toBe('401 invalid_client')
  })

  test.each(['at+jwt', 'logout+jwt', '', 7])('typ %s: rejected', async (typ) => {
    expect(await assert(sign({}, { typ }))).toBe('401 invalid_client')
  })

  test('a foreign key, alg none, HS256 with the public key, rubbish: rejected', async () => {
    const foreign = await generateKeyPair('ES256')
    expect(await assert(sign({}, {}, foreign.privateKey))).toBe('401 invalid_client')
    const [, payload] = (await sign()).split('.')
    expect(await assert(`${Buffer.from('{"alg":"none"}').toString('base64url')}.${payload}.`)).toBe(
      '401 invalid_client',
    )
    const hmac = new SignJWT({ iss: 'signer', sub: 'signer', aud: ISSUER, jti: 'h', exp: NOW + 60 })
      .setProtectedHeader({ alg: 'HS256', kid: 'k1' })
      .sign(Buffer.from(JSON.stringify(publicJwk)))
    expect(await assert(hmac)).toBe('401 invalid_client')
    for (const rubbish of ['x', 'a.b.c', 'x'.repeat(20_000)])
      expect(await assert(rubbish)).toBe('401 invalid_client')
  })

  test('another assertion type is invalid_request', async () => {
    expect(await attempt({ client_assertion: await sign(), client_assertion_type: 'saml' })).toBe(
      '400 invalid_request',
    )
    expect(await attempt({ client_assertion: await sign() })).toBe('400 invalid_request')
  })

  test('a jti is valid once, also in two concurrent requests; a forged assertion does not consume it', async () => {
    const jwt = await sign()
    const forged = `${jwt.slice(0, -8)}AAAAAAAA`
    expect(await assert(forged)).toBe('401 invalid_client')
    const both = await Promise.all([assert(jwt), assert(jwt)])
    expect(both.toSorted()).toEqual(['401 invalid_client', 'signer'])
    expect(await assert(jwt)).toBe('401 invalid_client')
  })

  describe('keys by jwks_uri', () => {
    const remote = (header = {}, key = keyPair.privateKey) =>
      sign({ iss: 'remote', sub: 'remote' }, header, key)

    test('are fetched once, however many ask at once, and kept for an hour', async () => {
      expect(await Promise.all([assert(remote()), assert(remote()), assert(remote())])).toEqual([
        'remote',
        'remote',
        'remote',
      ])
      expect(fetches).toBe(1)
      expect(
        await assert(
          sign({ iss: 'remote', sub: 'remote', iat: NOW + 3599, exp: NOW + 3650 }),
          {},
          NOW + 3599,
        ),
      ).toBe('remote')
      expect(fetches).toBe(1)
      expect(
        await assert(
          sign({ iss: 'remote', sub: 'remote', iat: NOW + 3600, exp: NOW + 3650 }),
          {},
          NOW + 3600,
        ),
      ).toBe('remote')
      expect(fetches).toBe(2)
    })

    test('an unknown kid makes the broker fetch the keys again, at most once in ten seconds', async () => {
      expect(await assert(remote())).toBe('remote')
      const next = await generateKeyPair('ES256', { extractable: true })
      published = [{ ...(await exportJWK(next.publicKey)), kid: 'k2' }]
      for (let n = 0; n < 5; n++)
        expect(await assert(remote({ kid: 'k2' }, next.privateKey))).toBe('401 invalid_client')
      expect(fetches).toBe(1)
      expect(await assert(remote({ kid: 'k2' }, next.privateKey), {}, NOW + 10)).toBe('remote')
      expect(await assert(remote({ kid: 'k3' }), {}, NOW + 11)).toBe('401 invalid_client')
      expect(fetches).toBe(2)
    })

    test('while the server is down, the keys that were fetched stay valid', async () => {
      expect(await assert(remote())).toBe('remote')
      down = true
      const later = NOW + 4000
      expect(
        await assert(
          sign({ iss: 'remote', sub: 'remote', iat: later, exp: later + 60 }),
          {},
          later,
        ),
      ).toBe('remote')
      expect(fetches).toBe(2)
    })

    test('of a server that has been down for a day no key counts, and the keys count again when it answers', async () => {
      expect(await assert(remote())).toBe('remote')
      down = true
      const at = (seconds: number) =>
        assert(
          sign({ iss: 'remote', sub: 'remote', iat: NOW + seconds, exp: NOW + seconds + 60 }),
          {},
          NOW + seconds,
        )
      expect(await at(86_399)).toBe('remote')
      expect(await at(86_420)).toBe('401 invalid_client')
      down = false
      expect(await at(86_440)).toBe('remote')
    })

    test('a value that is not a key set has no keys', async () => {
      published = [{ kty: 'oct', k: 'x' }]
      expect(await assert(remote())).toBe('401 invalid_client')
    })
  })
})

describe('the registry', () => {
  test('answers from memory what it last read; of two reloads at once the later reading stays', async () => {
    const readings: ((clients: Client[]) => void)[] = []
    let first = true
    const registry = await openClientRegistry({
      registryVersion: async () => 0,
      listClients: () => {
        if (!first) return new Promise<Client[]>((done) => readings.push(done))
        first = false
        return Promise.resolve([client('old', {})])
      },
    })
    expect(registry.find('old')).toBeDefined()
    const [a, b] = [registry.reload(), registry.reload()]
    await expect.poll(() => readings.length).toBe(2)
    readings[1]?.([client('newest', {})])
    await b
    readings[0]?.([client('old', {})])
    await a
    expect(registry.list().map((each) => each.clientId)).toEqual(['newest'])
  })

  test('is read again for a later version of the store, once for all who ask at the same time, and not for one that it has', async () => {
    let version = 1
    let reads = 0
    const registry = await openClientRegistry({
      registryVersion: async () => version,
      listClients: async () => [client(`v${version}-${++reads}`, {})],
    })
    expect([registry.atLeast(0), registry.atLeast(1)]).toEqual([undefined, undefined])
    version = 2
    await Promise.all([registry.atLeast(2), registry.atLeast(2)])
    expect(registry.list().map(({ clientId }) => clientId)).toEqual(['v2-2'])
    // A database that went back has no such version any more.
    await registry.atLeast(3)
    expect(reads).toBe(4)
  })
})
