import { createHmac, generateKeyPairSync } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { decodeJwt } from 'jose'
import { describe, expect, onTestFinished, test } from 'vitest'
import type { Config } from '../../src/config/config.ts'
import { createMicrosoft } from '../../src/microsoft/microsoft.ts'
import type { Fetch } from '../../src/microsoft/transport.ts'
import { MicrosoftRejection } from '../../src/microsoft/interface.ts'
import { PERSONAL_TENANT } from '../../src/protocol/names.ts'
import {
  CLIENT,
  type Claims,
  type FakeEntra,
  NONCE,
  OID,
  OTHER_TENANT,
  startEntra,
  TENANT,
} from './entra.ts'

const silent = { info: () => {}, warn: () => {}, error: () => {} }

// A certificate that no application has; the key beside it is made each time: MSAL signs with the
// one and names the other.
const CREDENTIAL_PEM = `${generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey.export({ type: 'pkcs8', format: 'pem' })}-----BEGIN CERTIFICATE-----
MIIDDzCCAfegAwIBAgIUVMF03aFj3aQ+caBsrG/14OrTDYcwDQYJKoZIhvcNAQEL
BQAwFjEUMBIGA1UEAwwLYnJva2VyIHRlc3QwIBcNMjYxMTI0MjI1MDA5WhgPMjEy
NjEwMzEyMjUwMDlaMBYxFDASBgNVBAMMC2Jyb2tlciB0ZXN0MIIBIjANBgkqhkiG
9w0BAQEFAAOCAQ8AMIIBCgKCAQEA+H6+Vod3nQ2QfImsm2FFms+U/rNiMl2IdH8R
F5YdX7FVAbaMPwlSSE7YjUDdondO+rmXIkloIyh3nvJaC0m4pPvpWnaoVVfGS2c2
W7nUmEYUSRtW4W89UF29foza/PRW4dcnkLp9wFimTlDnvSEzPrR61/bleO7n1ICl
8HtJ3Ye0V2gefuzBRG3XSBo15KcZ7Jzq2RMkHVl0x6LGwRlIymob0N9DsLnB+yzk
iwT3zzauBgfzoS3v+Oz4azPH3x0+UjLXKfHfKCnyEcL2TWvBjt/l2YkupHWtD/KK
2TKOyMh+p82FvudOCbDsM3raYHppKmprUPSKsXpAJTI9WfC3XQIDAQABo1MwUTAd
BgNVHQ4EFgQU8BfuK9z1XlYFGOg31KpuzsyWSSEwHwYDVR0jBBgwFoAU8BfuK9z1
XlYFGOg31KpuzsyWSSEwDwYDVR0TAQH/BAUwAwEB/zANBgkqhkiG9w0BAQsFAAOC
AQEA6EXgcgxBv9B1mdy9Ir43jvIahp+87F5PZcwbyAWfBsJ4YPGp7FZyAoKRzsCy
4IISv1mVzaj5RXU50cMUeP1O8K65cH9pLH5dJUHXgC0MH6gLlHO92oZJGyvfY4A/
8BW8VFJElYbU7m0K7RPTlyv/A6r1OcogpMQotv3Hb8FqRQArnYMGyfBVt/1xS/Le
hm/hJLw+p0USUlT4nbO2OxuPQClZKi687NvqYiWudyKTd7KXMUdOXat7td4JlEGV
hofDc+eMqb8w79hhWQH2NZsEReK2IFmcH3ulwNUNDQZgNffSd3zPcrElicWT8J95
I7IsNqAzCxrbBOXNiTq39813ow==
-----END CERTIFICATE-----
`

async function connect(changes: Partial<Config['entra']> = {}, fetch?: Fetch) {
  const entra = await startEntra()
  const clock = {
    offsetSeconds: 0,
    now: () => entra.now + clock.offsetSeconds,
    nowMs: () => clock.now() * 1000,
  }
  const config = {
    issuer: 'https://broker.example',
    entra: {
      tenants: [TENANT],
      clientId: CLIENT,
      credential: { kind: 'secret' as const, secret: 'entra-secret' },
      authority: entra.origin,
      simulated: true,
      ...changes,
    },
  }
  const microsoft = createMicrosoft({ config, clock, log: silent, fetch })
  const redeem = (tid?: string) =>
    microsoft.redeemCode({
      code: 'code-1',
      codeVerifier: 'v'.repeat(43),
      nonce: NONCE,
      tid,
      now: clock.now(),
    })
  const rejected = async (): Promise<MicrosoftRejection> => {
    const error: unknown = await redeem().then(
      () => undefined,
      (thrown: unknown) => thrown,
    )
    expect(error).toBeInstanceOf(MicrosoftRejection)
    return error as MicrosoftRejection
  }
  return { entra, clock, microsoft, redeem, rejected }
}

describe('a sign-in at Microsoft', () => {
  test('shows a name without the characters that the store cannot keep: NUL, and halves of a surrogate pair', async () => {
    const { entra, redeem } = await connect()
    const odd = {
      name: 'Ali\0ce \ud83d',
      preferred_username: '\0',
      email: 'x'.repeat(319) + '\u{1f600}',
      roles: ['CaseManager.User', 'Broker\0'],
    }
    entra.idToken = await entra.sign(
      entra.claims({ ...odd, sid: 'entra-\0sid', acrs: 'c1\0', signin_state: ['kmsi'] }),
    )
    const identity = await redeem()
    expect(identity).toMatchObject({
      roles: ['CaseManager.User'],
      sid: undefined,
      acrs: [],
      staySignedIn: true,
    })
    expect(identity.user).toMatchObject({
      name: 'Alice \ufffd',
      username: undefined,
      email: 'x'.repeat(319) + '\ufffd',
    })
  })

  test('returns a user, keyed on tid and oid, with what Microsoft proved', async () => {
    const { entra, redeem } = await connect()
    entra.idToken = await entra.sign(
      entra.claims({
        acrs: ['c1'],
        amr: ['pwd', 'mfa'],
        roles: ['CaseManager.User'],
        wids: ['role-1'],
        sid: 'entra-sid',
        login_hint: 'O.hint',
        auth_time: entra.now - 5,
        signin_state: ['kmsi'],
        email: 'alice@contoso.example',
      }),
    )
    const { cache, ...identity } = await redeem()
    expect(identity).toEqual({
      user: {
        tid: TENANT,
        oid: OID,
        homeId: `${OID}.${TENANT}`,
        name: 'Alice Adams',
        username: 'alice@contoso.example',
        email: 'alice@contoso.example',
      },
      authTime: entra.now - 5,
      clockOffsetSeconds: expect.any(Number) as number,
      issuedAt: entra.now,
      acrs: ['c1'],
      amr: ['pwd', 'mfa'],
      roles: ['CaseManager.User'],
      directoryRoles: ['role-1'],
      sid: 'entra-sid',
      loginHint: 'O.hint',
      staySignedIn: true,
    })
    expect(JSON.stringify(JSON.parse(cache))).toContain('microsoft-refresh-token')
  })

  test.each([
    ['this tenant’s', TENANT, true],
    ['every tenant’s', '{tenantid}', true],
    ['personal accounts’', PERSONAL_TENANT, false],
  ])('is believed by a key for %s tokens: %s', async (_whose, tid, believed) => {
    const { entra, redeem, rejected } = await connect()
    entra.keyIssuer = `${entra.origin}/${tid}/v2.0`
    if (believed) expect(await redeem()).toMatchObject({ user: { tid: TENANT } })
    else expect((await rejected()).guidance).toBe('untrusted_token')
  })

  test('sends code, verifier, secret and our one redirect address to the tenant’s own token endpoint', async () => {
    const { entra, redeem } = await connect()
    await redeem()
    const { path, form } =
      entra.requests.find((request) => request.method === 'POST') ?? expect.unreachable()
    expect(path).toBe(`/${TENANT}/oauth2/v2.0/token`)
    expect(Object.fromEntries(form)).toMatchObject({
      code: 'code-1',
      code_verifier: 'v'.repeat(43),
      client_secret: 'entra-secret',
      redirect_uri: 'https://broker.example/signin/callback',
      grant_type: 'authorization_code',
    })
  })

  test('a claim that Microsoft does not send stays unknown: no amr, no auth_time, no "Stay signed in"', async () => {
    const { redeem } = await connect()
    expect(await redeem()).toMatchObject({
      amr: undefined,
      authTime: undefined,
      staySignedIn: undefined,
      acrs: [],
      roles: [],
      sid: undefined,
      loginHint: undefined,
    })
  })

  test('a device joined to the domain is not the user’s "Stay signed in"', async () => {
    const { entra, redeem } = await connect()
    entra.idToken = await entra.sign(entra.claims({ signin_state: ['dvc_dmjd'] }))
    expect((await redeem()).staySignedIn).toBe(false)
  })

  test('users who sign in at the same time do not end up in each other’s cache', async () => {
    const { entra, redeem } = await connect()
    const answers = await Promise.all([1, 2, 3].map(() => redeem()))
    for (const { cache } of answers)
      expect(
        Object.keys((JSON.parse(cache) as { RefreshToken: object }).RefreshToken),
      ).toHaveLength(1)
    expect(
      entra.requests.filter((request) => request.path.endsWith('/openid-configuration')),
    ).toHaveLength(1)
  })

  test('of several tenants goes through organizations, and is verified with its own tenant’s keys', async () => {
    const { entra, redeem } = await connect({ tenants: [TENANT, OTHER_TENANT] })
    entra.idToken = await entra.sign(
      entra.claims({ iss: entra.issuer(OTHER_TENANT), tid: OTHER_TENANT }),
    )
    expect((await redeem()).user.tid).toBe(OTHER_TENANT)
    const paths = entra.requests.map((request) => request.path)
    expect(paths).toContain('/organizations/oauth2/v2.0/token')
    expect(paths).toContain(`/${OTHER_TENANT}/discovery/v2.0/keys`)
  })

  test('a new signing key is found when its kid first shows, and no oftener than once a minute', async () => {
    const { entra, clock, redeem, rejected } = await connect()
    await redeem()
    const asked = () => entra.requests.filter((request) => request.path.endsWith('/keys')).length
    expect(asked()).toBe(1)
    entra.kid = 'key-2'
    entra.published = ['key-2']
    expect((await rejected()).guidance).toBe('untrusted_token')
    expect(asked()).toBe(1)
    clock.offsetSeconds = 61
    await redeem()
    expect(asked()).toBe(2)
  })
})

describe('an ID token that Microsoft did not issue to us (OpenID Connect Core 1.0 §3.1.3.7)', () => {
  const forged: [string, (entra: FakeEntra) => Promise<string>, string][] = [
    [
      'a foreign signature under a published kid',
      (entra) => entra.sign(entra.claims(), { key: entra.strangersKey }),
      'untrusted_token',
    ],
    [
      'a kid that is not published',
      (entra) => entra.sign(entra.claims(), { kid: 'unknown' }),
      'untrusted_token',
    ],
    [
      'alg none',
      async (entra) => `${b64({ alg: 'none', kid: entra.kid })}.${b64(entra.claims())}.`,
      'untrusted_token',
    ],
    [
      'no signature at all',
      async (entra) => (await entra.sign(entra.claims())).replace(/[^.]+$/, ''),
      'untrusted_token',
    ],
    ['HS256 with the public key as its secret', async (entra) => hs256(entra), 'untrusted_token'],
    [
      'another issuer',
      claims(() => ({ iss: 'https://login.microsoftonline.com.evil.example/v2.0' })),
      'untrusted_token',
    ],
    [
      'the issuer of another tenant',
      claims((entra) => ({ iss: entra.issuer(OTHER_TENANT) })),
      'untrusted_token',
    ],
    ['another audience', claims(() => ({ aud: 'another-app' })), 'untrusted_token'],
    [
      'another audience besides ours',
      claims(() => ({ aud: [CLIENT, 'another-app'] })),
      'untrusted_token',
    ],
    ['another nonce', claims(() => ({ nonce: 'of another sign-in' })), 'untrusted_token'],
    ['no nonce', claims(() => ({ nonce: undefined })), 'untrusted_token'],
    ['expired', claims((entra) => ({ exp: entra.now - 61 })), 'untrusted_token'],
    ['no expiry', claims(() => ({ exp: undefined })), 'untrusted_token'],
    ['not valid yet', claims((entra) => ({ nbf: entra.now + 61 })), 'untrusted_token'],
    ['issued in the future', claims((entra) => ({ iat: entra.now + 61 })), 'untrusted_token'],
    ['no oid', claims(() => ({ oid: undefined })), 'untrusted_token'],
    ['no tid', claims(() => ({ tid: undefined })), 'untrusted_token'],
    [
      'a tenant that is not connected',
      claims((entra) => ({ tid: OTHER_TENANT, iss: entra.issuer(OTHER_TENANT) })),
      'tenant_not_connected',
    ],
    [
      'a personal account',
      claims((entra) => ({ tid: PERSONAL_TENANT, iss: entra.issuer(PERSONAL_TENANT) })),
      'personal_account',
    ],
  ]

  test.each(forged)('%s is rejected', async (_what, make, guidance) => {
    const { entra, rejected } = await connect()
    entra.idToken = await make(entra)
    const rejection = await rejected()
    expect(rejection.guidance).toBe(guidance)
    expect(rejection.effect).toBe('nothing')
  })

  test('a personal account is rejected even if its tenant is on the list', async () => {
    const { entra, rejected } = await connect({ tenants: [TENANT, PERSONAL_TENANT] })
    entra.idToken = await entra.sign(
      entra.claims({ tid: PERSONAL_TENANT, iss: entra.issuer(PERSONAL_TENANT) }),
    )
    expect((await rejected()).guidance).toBe('personal_account')
  })

  test('one of a connected tenant, but not of the one that was asked, is rejected', async () => {
    const { entra, redeem } = await connect({ tenants: [TENANT, OTHER_TENANT] })
    await expect(redeem(OTHER_TENANT)).rejects.toMatchObject({ guidance: 'another_account' })
    expect(entra.requests.map((request) => request.path)).toContain(
      `/${OTHER_TENANT}/oauth2/v2.0/token`,
    )
  })

  test('an answer without an ID token is rejected', async () => {
    const { entra, redeem } = await connect()
    entra.token = {
      status: 200,
      body: { token_type: 'Bearer', access_token: 'x', expires_in: 3600, scope: 'openid' },
    }
    await expect(redeem()).rejects.toMatchObject({ guidance: 'untrusted_token' })
  })

  test('no error holds a token', async () => {
    const { entra, rejected } = await connect()
    const token = await entra.sign(entra.claims({ aud: 'another' }))
    entra.idToken = token
    const rejection = await rejected()
    expect(`${rejection.message} ${rejection.stack} ${String(rejection.cause)}`).not.toContain(
      token.slice(0, 20),
    )
  })
})

describe('what Microsoft rejects', () => {
  test('is read from what its token endpoint said: number, suberror and claims challenge', async () => {
    const { entra, rejected } = await connect()
    const challenge = '{"access_token":{"capolids":{"essential":true,"values":["x"]}}}'
    entra.token = {
      status: 400,
      body: {
        error: 'invalid_grant',
        suberror: 'basic_action',
        error_codes: [50076],
        error_description: 'AADSTS50076: more is needed.',
        claims: challenge,
      },
    }
    expect(await rejected()).toMatchObject({
      guidance: 'step_up',
      code: 50076,
      effect: 'mark',
      claims: challenge,
    })
  })

  test('an invalid_grant without a suberror keeps its number', async () => {
    const { entra, rejected } = await connect()
    entra.token = {
      status: 400,
      body: { error: 'invalid_grant', error_codes: [50173], error_description: 'AADSTS50173' },
    }
    expect(await rejected()).toMatchObject({
      guidance: 'sign_in_again',
      code: 50173,
      effect: 'subject',
    })
  })

  test.each([
    ['503', { status: 503, body: { error: 'temporarily_unavailable', error_codes: [50173] } }],
    ['429', { status: 429, body: { error: 'invalid_grant', error_codes: [50173] } }],
    ['a page instead of JSON', { status: 200, body: '<html>proxy</html>' }],
    ['a redirect', { status: 302, body: {}, headers: { location: 'https://evil.example/' } }],
  ])('%s is an outage and ends nothing', async (_what, answer) => {
    const { entra, rejected } = await connect()
    entra.token = answer
    expect(await rejected()).toMatchObject({ guidance: 'outage', effect: 'nothing' })
  })

  test('a Microsoft that hangs is ended by a time limit', async () => {
    const { entra, microsoft } = await connect({}, async (_url, init) => {
      expect(init.signal).toBeInstanceOf(AbortSignal)
      expect(init.redirect).toBe('manual')
      throw new DOMException('too long', 'TimeoutError')
    })
    await expect(
      microsoft.authorizeUrl({ state: 's', nonce: 'n', codeChallenge: 'c'.repeat(43) }),
    ).rejects.toMatchObject({ guidance: 'outage' })
    expect(entra.requests).toEqual([])
  })

  test('while Microsoft is down, a token is verified by the keys that were fetched before; without any it is an outage', async () => {
    const first = await connect()
    first.entra.down = true
    expect(await first.rejected()).toMatchObject({ guidance: 'outage' })
    const second = await connect()
    await second.redeem()
    second.clock.offsetSeconds = 13 * 3600
    second.entra.now = second.clock.now() - 13 * 3600
    second.entra.idToken = await second.entra.sign(
      second.entra.claims({ exp: second.clock.now() + 3600 }),
    )
    await second.redeem()
  })
})

describe('the address that a browser is sent to', () => {
  const start = { state: 'sealed-state', nonce: NONCE, codeChallenge: 'c'.repeat(43) }

  test('is the tenant’s, with code, PKCE, state, nonce, by query', async () => {
    const { entra, microsoft } = await connect()
    const url = new URL(
      await microsoft.authorizeUrl({ ...start, prompt: 'select_account', authContext: 'c1' }),
    )
    expect(url.origin + url.pathname).toBe(`${entra.origin}/${TENANT}/oauth2/v2.0/authorize`)
    expect(Object.fromEntries(url.searchParams)).toMatchObject({
      client_id: CLIENT,
      response_type: 'code',
      response_mode: 'query',
      redirect_uri: 'https://broker.example/signin/callback',
      state: 'sealed-state',
      nonce: NONCE,
      code_challenge: 'c'.repeat(43),
      code_challenge_method: 'S256',
      prompt: 'select_account',
    })
    expect(url.searchParams.get('scope')?.split(' ').sort()).toEqual([
      'email',
      'offline_access',
      'openid',
      'profile',
    ])
    expect(JSON.parse(url.searchParams.get('claims') ?? '')).toMatchObject({
      id_token: { acrs: { essential: true, value: 'c1' } },
    })
  })

  test('has max_age and the login hint, and Microsoft’s own challenge beside ours', async () => {
    const { microsoft } = await connect()
    const url = new URL(
      await microsoft.authorizeUrl({
        ...start,
        prompt: 'login',
        loginHint: 'O.hint',
        maxAgeSeconds: 0,
        authContext: 'c2',
        claims: '{"access_token":{"capolids":{"essential":true}}}',
      }),
    )
    expect(url.searchParams.get('max_age')).toBe('0')
    expect(url.searchParams.get('login_hint')).toBe('O.hint')
    expect(JSON.parse(url.searchParams.get('claims') ?? '')).toMatchObject({
      id_token: { acrs: { value: 'c2' } },
      access_token: { capolids: { essential: true } },
    })
  })

  test('is organizations’ for several tenants, one tenant’s where only that one will do, and never one that is not connected', async () => {
    const { microsoft } = await connect({ tenants: [TENANT, OTHER_TENANT] })
    const tenantOf = async (tid?: string) =>
      new URL(await microsoft.authorizeUrl({ ...start, tid })).pathname.split('/')[1]
    expect(await tenantOf()).toBe('organizations')
    expect(await tenantOf(OTHER_TENANT)).toBe(OTHER_TENANT)
    expect(await tenantOf(PERSONAL_TENANT)).toBe('organizations')
  })

  test('to sign out is Entra’s logout with our fixed return address, and works while Microsoft is down', async () => {
    const { entra, microsoft } = await connect()
    const expected = `${entra.origin}/${TENANT}/oauth2/v2.0/logout?post_logout_redirect_uri=https%3A%2F%2Fbroker.example%2Flogout%2Freturn&logout_hint=O.hint`
    entra.down = true
    expect(await microsoft.logoutUrl({ tid: TENANT, logoutHint: 'O.hint' })).toBe(expected)
    entra.down = false
    expect(await microsoft.logoutUrl({ tid: TENANT, logoutHint: 'O.hint' })).toBe(expected)
  })
})

describe('the broker’s own credential', () => {
  const file = (name: string, content: string): string => {
    const dir = mkdtempSync(join(tmpdir(), 'cmb-entra-'))
    onTestFinished(() => rmSync(dir, { recursive: true, force: true }))
    const path = join(dir, name)
    writeFileSync(path, content)
    return path
  }

  test('a federated token is read at each use', async () => {
    const path = file('token', 'first-token\n')
    const { entra, redeem } = await connect({ credential: { kind: 'federated', file: path } })
    await redeem()
    writeFileSync(path, 'second-token\n')
    await redeem()
    expect(
      entra.requests
        .filter((request) => request.method === 'POST')
        .map((request) => request.form.get('client_assertion')),
    ).toEqual(['first-token', 'second-token'])
  })

  test('a certificate signs an assertion for Entra', async () => {
    const { entra, redeem } = await connect({
      credential: { kind: 'certificate', file: file('credential.pem', CREDENTIAL_PEM) },
    })
    await redeem()
    const form = entra.requests.find((request) => request.method === 'POST')?.form
    expect(form?.get('client_assertion_type')).toBe(
      'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
    )
    expect(decodeJwt(form?.get('client_assertion') ?? '')).toMatchObject({
      iss: CLIENT,
      sub: CLIENT,
    })
    expect(form?.has('client_secret')).toBe(false)
  })

  test.each([
    ['a missing file', '/nowhere/credential.pem'],
    ['a file that holds no key', undefined],
  ])('%s is for the operator to fix, and makes no session', async (_what, path) => {
    const { rejected } = await connect({
      credential: { kind: 'certificate', file: path ?? file('bad.pem', 'no key') },
    })
    expect(await rejected()).toMatchObject({ guidance: 'credential', effect: 'nothing' })
  })

  test('not connected, it says what is missing in an operator’s words', async () => {
    const { microsoft } = await connect({ tenants: [], clientId: undefined, credential: undefined })
    const readiness = microsoft.readiness()
    expect(readiness.connected).toBe(false)
    expect(JSON.stringify(readiness)).toMatch(
      /BROKER_ENTRA_TENANT.*BROKER_ENTRA_CLIENT_ID.*BROKER_ENTRA_CLIENT_SECRET/,
    )
    expect((await connect()).microsoft.readiness()).toEqual({ connected: true })
  })

  test('examine asks Microsoft again for the metadata, the keys, the sign-in page and a token', async () => {
    const { entra, microsoft } = await connect()
    const asked = async (): Promise<string[]> => {
      entra.requests.length = 0
      expect(await microsoft.examine(TENANT)).toMatchObject({
        metadata: { ok: true },
        authorize: { ok: true },
        credential: { ok: true },
      })
      return entra.requests.map(({ path }) => path.split('/').at(-1) ?? '').toSorted()
    }
    expect(await asked()).toEqual(['authorize', 'keys', 'openid-configuration', 'token'])
    expect(await asked()).toEqual(['authorize', 'keys', 'openid-configuration', 'token'])
    entra.down = true
    expect(await microsoft.examine(TENANT)).toMatchObject({
      metadata: { ok: false, problem: expect.stringContaining('503') as string },
    })
  })
})

test('in production no endpoint but https is believed', async () => {
  const { microsoft } = await connect({ simulated: false })
  await expect(
    microsoft.authorizeUrl({ state: 's', nonce: 'n', codeChallenge: 'c'.repeat(43) }),
  ).rejects.toMatchObject({ guidance: 'outage' })
})

const b64 = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url')

function claims(changes: (entra: FakeEntra) => Claims) {
  return (entra: FakeEntra) => entra.sign(entra.claims(changes(entra)))
}

function hs256(entra: FakeEntra): string {
  const input = `${b64({ alg: 'HS256', kid: entra.kid })}.${b64(entra.claims())}`
  return `${input}.${createHmac('sha256', entra.publicBytes).update(input).digest('base64url')}`
}

describe('Retry-After (RFC 9110 §10.2.3)', () => {
  test('an endpoint that asked the broker to wait is not asked before, for 5 minutes at most; each sign-in meanwhile says when to try again', async () => {
    const { entra, clock, redeem, rejected } = await connect()
    const asked = () => entra.requests.filter(({ path }) => path.endsWith('/token')).length
    entra.token = {
      status: 429,
      body: { error: 'temporarily_unavailable' },
      headers: { 'retry-after': '30' },
    }
    expect(await rejected()).toMatchObject({
      guidance: 'outage',
      effect: 'nothing',
      retryAfterSeconds: 30,
    })
    entra.token = undefined
    clock.offsetSeconds = 10
    for (let i = 0; i < 5; i++)
      expect(await rejected()).toMatchObject({
        guidance: 'outage',
        effect: 'nothing',
        retryAfterSeconds: 20,
      })
    expect(asked()).toBe(1)
    clock.offsetSeconds = 30
    expect((await redeem()).user.oid).toBe(OID)

    entra.token = { status: 503, body: {}, headers: { 'retry-after': '86400' } }
    await rejected()
    entra.token = undefined
    clock.offsetSeconds = 329
    await rejected()
    clock.offsetSeconds = 331
    expect((await redeem()).user.oid).toBe(OID)
  })

  test('a clock that is set back holds no sign-in up', async () => {
    const { entra, clock, redeem, rejected } = await connect()
    entra.token = { status: 429, body: {}, headers: { 'retry-after': '30' } }
    await rejected()
    entra.token = undefined
    clock.offsetSeconds = -20
    expect((await redeem()).user.oid).toBe(OID)
  })
})
