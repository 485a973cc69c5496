import { describe, expect, test } from 'vitest'
import {
  clientMetadataJsonSchema,
  parseClientMetadata,
  registrationToWire,
} from '../../src/clients/metadata.ts'

const SYDNEY = {
  client_id: 'sydney',
  client_name: 'Case Manager Sydney',
  redirect_uris: ['https://sydney.case-manager.example/oidc/callback'],
  audience: 'https://sydney.case-manager.example',
}
const CONTOSO = '6f0c2d0e-7a43-4a52-9b1d-2f8f6a3c9e11'
const FABRIKAM = '0b3a4f0c-52d8-4b8e-9d8f-0a6a9d1f7c22'
/** The metadata that make a client a receiver of security events. */
const RECEIVER = { grant_types: ['client_credentials'], scope: 'ssf.read', redirect_uris: [] }
const JWK = { kty: 'EC', crv: 'P-256', x: 'x', y: 'y', kid: '1' }

const problems = (changes: Record<string, unknown>, options = {}) => {
  const parsed = parseClientMetadata({ ...SYDNEY, ...changes }, options)
  return parsed.ok ? [] : parsed.problems
}

describe('reading a registration (RFC 7591 §2)', () => {
  test('a minimal registration gets safe defaults', () => {
    const parsed = parseClientMetadata(SYDNEY)
    expect(parsed).toMatchObject({
      ok: true,
      clientId: 'sydney',
      metadata: {
        authMethod: 'client_secret_basic',
        requirePkce: true,
        requirePar: false,
        idTokenAlg: 'RS256',
        accessTokenSeconds: 300,
        guardLeaseSeconds: 30,
        logoutBy: 'sid',
        grants: ['authorization_code', 'refresh_token'],
        scopes: ['openid', 'profile', 'email', 'offline_access'],
        exchangeFrom: [],
        resources: [],
        logoutUris: [],
      },
    })
  })

  test('every problem is reported at once, each with its path and what would be right', () => {
    const found = problems({
      client_name: '',
      redirect_uris: ['http://x.example/cb'],
      access_token_seconds: 5,
      colour: 'red',
      tenants: ['contoso'],
    })
    expect(found).toHaveLength(5)
    expect(found.join('\n')).toMatch(/^client_name: /m)
    expect(found.join('\n')).toMatch(
      /^redirect_uris\[0\]: "http:\/\/x\.example\/cb" must be https; e\.g\. "https:/m,
    )
    expect(found.join('\n')).toMatch(/^access_token_seconds: at least 60/m)
    expect(found.join('\n')).toMatch(/^colour: is not a field/m)
    expect(found.join('\n')).toMatch(/^tenants\[0\]: a tenant id/m)
  })

  test.each([
    'http://sydney.example/cb',
    'https://sydney.example/cb#x',
    'https://sydney.example/#',
    'https://*.example/cb',
    'https://sydney.example/*',
    'com.example.app:/cb',
    'javascript:alert(1)',
    'data:text/html,x',
    'https://user:pw@sydney.example/cb',
    '/cb',
    '',
    'sydney.example/cb',
    'https://sydney.example/c b',
    'https:\\\\sydney.example',
    'http://localhost:7411/cb',
    'https://localhost/cb',
    'http://127.0.0.1/cb',
  ])('the redirect address %j is rejected (RFC 6749 §3.1.2, RFC 9700 §2.1)', (uri) => {
    expect(problems({ redirect_uris: [uri] })).toHaveLength(1)
  })

  test('addresses of this machine are taken where the settings allow it, http included; others stay https', () => {
    for (const uri of ['http://localhost:7411/cb', 'http://127.0.0.1/cb', 'http://[::1]:1/cb'])
      expect(problems({ redirect_uris: [uri] }, { allowLoopback: true })).toEqual([])
    for (const uri of [
      'http://sydney.example/cb',
      'http://localhost.example/cb',
      'http://localhost:1/cb#f',
    ])
      expect(problems({ redirect_uris: [uri] }, { allowLoopback: true })).toHaveLength(1)
  })

  test('a public client may have a loopback address without a port, for a native application (RFC 8252 §7.3)', () => {
    const native = (uri: string) =>
      problems({ token_endpoint_auth_method: 'none', redirect_uris: [uri] })
    for (const uri of ['http://127.0.0.1/cb', 'http://[::1]/cb']) expect(native(uri)).toEqual([])
    for (const uri of [
      'http://127.0.0.1:80/cb',
      'http://127.0.0.1.example/cb',
      'http://localhost/cb',
      'https://127.0.0.1/cb',
    ])
      expect(native(uri)).toHaveLength(1)
  })

  test('an address is kept exactly', () => {
    const uri = 'https://SYDNEY.example:443/a/../cb?x=%7e'
    const parsed = parseClientMetadata({ ...SYDNEY, redirect_uris: [uri] })
    expect(parsed.ok && parsed.metadata.redirectUris).toEqual([uri])
  })

  test.each([
    [
      'private_key_jwt without keys',
      { token_endpoint_auth_method: 'private_key_jwt' },
      /exactly one of jwks and jwks_uri/,
    ],
    [
      'both kinds of keys',
      {
        token_endpoint_auth_method: 'private_key_jwt',
        jwks: { keys: [JWK] },
        jwks_uri: 'https://x.example/jwks',
      },
      /exactly one/,
    ],
    ['keys nobody uses', { jwks: { keys: [JWK] } }, /only private_key_jwt/],
    [
      'a private key',
      { token_endpoint_auth_method: 'private_key_jwt', jwks: { keys: [{ ...JWK, d: 'secret' }] } },
      /jwks\.keys\[0\]: holds a private/,
    ],
    [
      'a symmetric key',
      {
        token_endpoint_auth_method: 'private_key_jwt',
        jwks: { keys: [{ kty: 'oct', k: 'secret' }] },
      },
      /holds a private or symmetric/,
    ],
    [
      'a public client without PKCE',
      { token_endpoint_auth_method: 'none', require_pkce: false },
      /require_pkce/,
    ],
    [
      'a public client with client_credentials',
      {
        token_endpoint_auth_method: 'none',
        grant_types: ['authorization_code', 'client_credentials'],
      },
      /can authenticate/,
    ],
    [
      'a public client that exchanges tokens',
      {
        token_endpoint_auth_method: 'none',
        grant_types: ['authorization_code', 'urn:ietf:params:oauth:grant-type:token-exchange'],
      },
      /can authenticate/,
    ],
    ['refresh without code', { grant_types: ['refresh_token'] }, /without authorization_code/],
    ['code without an address to return to', { redirect_uris: [] }, /redirect_uris: is empty/],
    ['operator scopes for users', { scope: 'openid broker:operate' }, /client_credentials/],
    ['a scope with a quote', { scope: 'openid a"b' }, /RFC 6749 §3\.3/],
    ['another response type', { response_types: ['token'] }, /response_types/],
    ['an unknown grant', { grant_types: ['password'] }, /grant_types\[0\]: one of/],
    ['an audience that is no URI', { audience: 'sydney' }, /audience: an absolute URI/],
    ['an audience with a fragment', { audience: 'https://x.example/#a' }, /fragment/],
    [
      'an origin with a path',
      { allowed_origins: ['https://app.example/'] },
      /allowed_origins\[0\]/,
    ],
    ['a client id with a slash', { client_id: 'a/b' }, /client_id/],
    [
      'an email domain without a tenant',
      { ssf_email_domains: ['contoso.example'] },
      /^ssf_email_domains: a list of domains for each tenant id, e\.g\./,
    ],
    [
      'an email domain of what is no tenant id',
      { ssf_email_domains: { contoso: ['contoso.example'] } },
      /ssf_email_domains\.contoso: /,
    ],
    [
      'an email domain with a wildcard',
      { ssf_email_domains: { [CONTOSO]: ['*.contoso.example'] } },
      /\[0\]: a domain, e\.g\. "contoso/,
    ],
    [
      'a tenant without an email domain',
      { ssf_email_domains: { [CONTOSO]: [] } },
      /at least one domain/,
    ],
    [
      'an email domain of two tenants',
      { ssf_email_domains: { [CONTOSO]: ['contoso.example'], [FABRIKAM]: ['Contoso.example'] } },
      /contoso\.example is tied to 6f0c2d0e-.* too\. A domain has one tenant/,
    ],
    [
      'an email domain of a tenant whose users the client may not have',
      { tenants: [CONTOSO], ssf_email_domains: { [FABRIKAM]: ['fabrikam.example'] } },
      /not among the tenants of this client/,
    ],
    [
      'two spellings of one tenant with email domains',
      {
        ...RECEIVER,
        ssf_email_domains: {
          [CONTOSO]: ['contoso.example'],
          [CONTOSO.toUpperCase()]: ['contoso.test'],
        },
      },
      /^ssf_email_domains\.6F0C2D0E-.*: is the same tenant as 6f0c2d0e-.*; write it once, with the domains of both$/,
    ],
    [
      'an email domain of a client that receives no security events',
      { ssf_email_domains: { [CONTOSO]: ['contoso.example'] } },
      /^ssf_email_domains: has no effect without the scope ssf\.manage or ssf\.read; add one to scope, or remove ssf_email_domains$/,
    ],
    [
      'a push origin of a client that receives no security events',
      { scope: 'openid', ssf_push_origins: ['https://sydney.case-manager.example'] },
      /^ssf_push_origins: has no effect without the scope/,
    ],
  ])('%s is rejected', (_what, changes, text) => {
    expect(problems(changes).join('\n')).toMatch(text)
  })

  test('a value that is not an object is rejected without an exception', () => {
    for (const input of [undefined, null, 'x', 7, []])
      expect(parseClientMetadata(input).ok).toBe(false)
  })

  test('without an audience it is made of the client id; without either that is said', () => {
    const { audience: _a, client_id: _c, ...rest } = SYDNEY
    const parsed = parseClientMetadata(rest, { clientId: 'perth' })
    expect(parsed.ok && parsed.metadata.audience).toBe('urn:case-manager:instance:perth')
    expect(parseClientMetadata(rest)).toEqual({
      ok: false,
      problems: [expect.stringMatching(/^audience: is missing/)],
    })
  })

  test('one back-channel address (Back-Channel Logout 1.0 §2.2) and several are the same list', () => {
    const parsed = parseClientMetadata({
      ...SYDNEY,
      backchannel_logout_uri: 'https://a.example/',
      backchannel_logout_uris: ['https://b.example/', 'https://a.example/'],
    })
    expect(parsed.ok && parsed.metadata.logoutUris).toEqual([
      'https://a.example/',
      'https://b.example/',
    ])
  })

  test('tenants and domains of ssf_email_domains are kept in lower case, each domain once', () => {
    const parsed = parseClientMetadata({
      ...SYDNEY,
      ...RECEIVER,
      ssf_email_domains: { [CONTOSO.toUpperCase()]: ['Contoso.Example', 'contoso.example'] },
    })
    expect(parsed.ok && parsed.metadata.ssfEmailDomains).toEqual({ [CONTOSO]: ['contoso.example'] })
  })

  const FAPI2 = { profile: 'fapi2', jwks_uri: 'https://sydney.case-manager.example/jwks' }

  test('profile fapi2 implies everything that the profile demands, and reads back to the same', () => {
    const parsed = parseClientMetadata({ ...SYDNEY, ...FAPI2 })
    if (!parsed.ok) throw new Error(parsed.problems.join('\n'))
    const { metadata } = parsed
    expect(metadata).toMatchObject({
      profile: 'fapi2',
      authMethod: 'private_key_jwt',
      requirePkce: true,
      requirePar: true,
      dpopBound: true,
      idTokenAlg: 'ES256',
    })
    expect(metadata.assertionAudience).toBeUndefined()
    const wire = registrationToWire({ clientId: 'sydney', metadata })
    expect(parseClientMetadata(wire)).toMatchObject({ ok: true, metadata })
  })

  test.each([
    ['require_pkce', false],
    ['require_pushed_authorization_requests', false],
    ['dpop_bound_access_tokens', false],
    ['client_assertion_audience', 'endpoint'],
    ['id_token_signed_response_alg', 'RS256'],
    ['jwks', { keys: [{ kty: 'RSA', alg: 'RS256' }] }],
    ['token_endpoint_auth_method', 'client_secret_basic'],
  ])('profile fapi2 is contradicted by %s: %j', (name, value) => {
    const { jwks_uri, ...rest } = FAPI2
    const found = problems({ ...rest, ...(name !== 'jwks' && { jwks_uri }), [name]: value })
    expect(found).toContainEqual(expect.stringMatching(`^${name}: .*profile fapi2`))
  })

  test('a client of the broker’s own APIs cannot have bound tokens', () => {
    expect(
      problems({
        grant_types: ['client_credentials'],
        scope: 'broker:audit',
        dpop_bound_access_tokens: true,
      }),
    ).toEqual([expect.stringMatching(/^scope: broker:audit .*Bearer/)])
  })

  test('what toWire writes reads back to the same', () => {
    const full = {
      ...SYDNEY,
      client_uri: 'https://sydney.case-manager.example/',
      initiate_login_uri: 'https://sydney.case-manager.example/sign-in',
      logo_uri: 'https://sydney.case-manager.example/logo.png',
      policy_uri: 'https://sydney.case-manager.example/privacy',
      tos_uri: 'https://sydney.case-manager.example/terms',
      contacts: ['support@case-manager.example'],
      skip_sign_in_page: true,
      dpop_bound_access_tokens: false,
      token_endpoint_auth_method: 'private_key_jwt',
      jwks_uri: 'https://sydney.case-manager.example/jwks',
      grant_types: [
        'authorization_code',
        'refresh_token',
        'client_credentials',
        'urn:ietf:params:oauth:grant-type:token-exchange',
      ],
      scope: 'openid cases:read ssf.manage',
      resources: ['urn:x:y'],
      exchange_from: ['melbourne'],
      tenants: [CONTOSO],
      ssf_push_origins: ['https://sydney.case-manager.example'],
      ssf_email_domains: { [CONTOSO]: ['contoso.example'] },
      app_role: 'CaseManager.User',
      consent_required: true,
      default_max_age: 0,
      logout_by: 'sub',
      allowed_origins: ['https://app.case-manager.example'],
      backchannel_logout_uris: ['https://sydney.case-manager.example/out'],
      id_token_signed_response_alg: 'ES256',
    }
    const parsed = parseClientMetadata(full)
    if (!parsed.ok) throw new Error(parsed.problems.join('\n'))
    const again = parseClientMetadata(
      JSON.parse(
        JSON.stringify(registrationToWire({ clientId: 'sydney', metadata: parsed.metadata })),
      ),
    )
    expect(again).toEqual(parsed)
  })

  test('there is a JSON Schema of it for editors', () => {
    const schema = clientMetadataJsonSchema()
    expect(schema).toMatchObject({
      type: 'object',
      required: ['client_name'],
      additionalProperties: false,
    })
  })
})
