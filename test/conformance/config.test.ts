import { importJWK } from 'jose'
import { describe, expect, test } from 'vitest'
import { createRig, ISSUER } from '../rig.ts'

/** The Config OP plan: one module, here by what it looks at. */

const read = async (path: string) => {
  const rig = await createRig()
  const response = await rig.app.request(`${ISSUER}${path}`)
  expect([response.status, response.headers.get('content-type')]).toEqual([200, 'application/json'])
  return (await response.json()) as Record<string, unknown>
}

/**
 * The members that OpenID Connect Discovery 1.0 §3, RFC 8414 §2, RFC 9126 §5, RFC 9207 §3, RFC 9449
 * §5.1 and the logout specifications name.
 */
const KNOWN = [
  'issuer',
  'authorization_endpoint',
  'token_endpoint',
  'userinfo_endpoint',
  'jwks_uri',
  'introspection_endpoint',
  'revocation_endpoint',
  'end_session_endpoint',
  'pushed_authorization_request_endpoint',
  'require_pushed_authorization_requests',
  'scopes_supported',
  'response_types_supported',
  'response_modes_supported',
  'grant_types_supported',
  'subject_types_supported',
  'id_token_signing_alg_values_supported',
  'token_endpoint_auth_methods_supported',
  'token_endpoint_auth_signing_alg_values_supported',
  'introspection_endpoint_auth_methods_supported',
  'introspection_endpoint_auth_signing_alg_values_supported',
  'revocation_endpoint_auth_methods_supported',
  'revocation_endpoint_auth_signing_alg_values_supported',
  'dpop_signing_alg_values_supported',
  'code_challenge_methods_supported',
  'ui_locales_supported',
  'prompt_values_supported',
  'acr_values_supported',
  'claim_types_supported',
  'claims_supported',
  'claims_parameter_supported',
  'request_parameter_supported',
  'request_uri_parameter_supported',
  'authorization_response_iss_parameter_supported',
  'dpop_signing_alg_values_supported',
  'backchannel_logout_supported',
  'backchannel_logout_session_supported',
  'frontchannel_logout_supported',
  'service_documentation',
]

describe('oidcc-discovery-endpoint-verification', () => {
  test('the issuer is the address it was asked at, and every endpoint is beneath it', async () => {
    const metadata = await read('/.well-known/openid-configuration')
    expect(metadata.issuer).toBe(ISSUER)
    for (const [name, value] of Object.entries(metadata))
      if (name.endsWith('_endpoint') || name === 'jwks_uri')
        expect([name, String(value).startsWith(`${ISSUER}/`)]).toEqual([name, true])
  })

  test('it has what the Basic profile needs', async () => {
    const metadata = await read('/.well-known/openid-configuration')
    expect(metadata.response_types_supported).toContain('code')
    expect(metadata.subject_types_supported).toContain('public')
    expect(metadata.id_token_signing_alg_values_supported).toContain('RS256')
    expect(metadata.id_token_signing_alg_values_supported).not.toContain('none')
    expect(metadata.scopes_supported).toContain('openid')
    expect(metadata.grant_types_supported).toContain('authorization_code')
    expect(metadata.token_endpoint_auth_methods_supported).toEqual(
      expect.arrayContaining(['client_secret_basic', 'client_secret_post']),
    )
    expect(metadata.claims_supported).toContain('sub')
  })

  test('it has nothing that no specification names, no empty list and no null', async () => {
    const metadata = await read('/.well-known/openid-configuration')
    expect(Object.keys(metadata).filter((name) => !KNOWN.includes(name))).toEqual([])
    for (const [name, value] of Object.entries(metadata))
      expect([name, value === null || (Array.isArray(value) && value.length === 0)]).toEqual([
        name,
        false,
      ])
  })

  test('the JWKS has public keys alone, each with its own kid, use and alg, and long enough', async () => {
    const { keys } = (await read('/jwks')) as { keys: Record<string, string>[] }
    expect(new Set(keys.map((key) => key.kid)).size).toBe(keys.length)
    for (const key of keys) {
      expect(key).toMatchObject({
        use: 'sig',
        kid: expect.any(String),
        alg: expect.stringMatching(/^(RS|ES)256$/),
      })
      for (const secret of ['d', 'p', 'q', 'dp', 'dq', 'qi', 'k', 'oth'])
        expect(key).not.toHaveProperty(secret)
      if (key.kty === 'RSA')
        expect(Buffer.from(key.n ?? '', 'base64url').length).toBeGreaterThanOrEqual(256)
      expect(await importJWK(key, key.alg ?? '')).toMatchObject({ type: 'public' })
    }
    expect(new Set(keys.map((key) => key.alg))).toEqual(new Set(['RS256', 'ES256']))
  })
})
