import { createLocalJWKSet, jwtVerify } from 'jose'
import { describe, expect, test } from 'vitest'
import { createRig, ISSUER } from '../rig.ts'

type Metadata = Record<string, unknown>
const json = async (response: Response | Promise<Response>) =>
  (await (await response).json()) as Metadata

describe('provider metadata (OpenID Connect Discovery 1.0 §3, RFC 8414 §2)', () => {
  test('is the same at both addresses, for any origin, and may be kept', async () => {
    const rig = await createRig()
    const bodies = []
    for (const path of [
      '/.well-known/openid-configuration',
      '/.well-known/oauth-authorization-server',
    ]) {
      const answer = await rig.app.request(path)
      expect(answer.status).toBe(200)
      expect(answer.headers.get('content-type')).toBe('application/json')
      expect(answer.headers.get('access-control-allow-origin')).toBe('*')
      expect(answer.headers.get('cache-control')).toMatch(/^public, max-age=\d+$/)
      bodies.push(await answer.text())
    }
    expect(bodies[0]).toBe(bodies[1])
  })

  test('/jwks may be cached, but not for 10 minutes after an emergency rotation: a cached copy lacks the key that signs', async () => {
    const rig = await createRig()
    const cacheControl = async () => (await rig.app.request('/jwks')).headers.get('cache-control')
    expect(await cacheControl()).toBe('public, max-age=300')
    rig.clock.advance(86_400)
    await rig.keys.rotate('RS256', 'emergency', rig.clock.now())
    expect(await cacheControl()).toBe('no-cache')
    rig.clock.advance(599)
    expect(await cacheControl()).toBe('no-cache')
    rig.clock.advance(1)
    expect(await cacheControl()).toBe('public, max-age=300')
    await rig.keys.rotate('ES256', 'next', rig.clock.now())
    rig.clock.advance(86_400)
    await rig.keys.tick(rig.clock.now())
    expect(await cacheControl()).toBe('public, max-age=300')
  })

  test('states what is supported, and has all that the specifications require', async () => {
    const rig = await createRig()
    const metadata = await json(rig.app.request('/.well-known/openid-configuration'))
    expect(metadata).toMatchObject({
      issuer: ISSUER,
      authorization_endpoint: `${ISSUER}/authorize`,
      token_endpoint: `${ISSUER}/token`,
      userinfo_endpoint: `${ISSUER}/userinfo`,
      jwks_uri: `${ISSUER}/jwks`,
      introspection_endpoint: `${ISSUER}/introspect`,
      revocation_endpoint: `${ISSUER}/revoke`,
      end_session_endpoint: `${ISSUER}/logout`,
      pushed_authorization_request_endpoint: `${ISSUER}/par`,
      response_types_supported: ['code'],
      response_modes_supported: ['query', 'form_post'],
      subject_types_supported: ['public'],
      code_challenge_methods_supported: ['S256'],
      prompt_values_supported: ['none', 'login', 'select_account', 'consent'],
      request_parameter_supported: false,
      request_uri_parameter_supported: false,
      claims_parameter_supported: true,
      authorization_response_iss_parameter_supported: true,
      backchannel_logout_supported: true,
      backchannel_logout_session_supported: true,
      frontchannel_logout_supported: false,
    })
    expect(metadata.id_token_signing_alg_values_supported).toContain('RS256')
    expect(metadata.scopes_supported).toContain('openid')
    expect(metadata.token_endpoint_auth_methods_supported).toEqual([
      'client_secret_basic',
      'client_secret_post',
      'private_key_jwt',
      'none',
    ])
    expect(metadata.introspection_endpoint_auth_methods_supported).not.toContain('none')
    expect(metadata.token_endpoint_auth_signing_alg_values_supported).not.toContain('none')
  })

  test('every grant that it names is one that the token endpoint knows', async () => {
    const rig = await createRig()
    const client = await rig.register('Sydney', { grants: [] })
    const { grant_types_supported: grants } = await json(
      rig.app.request('/.well-known/openid-configuration'),
    )
    for (const grant_type of grants as string[])
      expect(
        await json(rig.post('/token', { grant_type }, { authorization: client.basic })),
      ).toMatchObject({ error: 'unauthorized_client' })
  })
})

describe('the JWKS (RFC 7517)', () => {
  test('has the public keys, and they verify what the broker signs', async () => {
    const rig = await createRig()
    const jwks = await json(rig.app.request('/jwks'))
    const token = rig.keys.sign('ES256', 'at+jwt', { sub: 'u', exp: rig.clock.now() + 60 })
    await jwtVerify(
      token,
      createLocalJWKSet(jwks as unknown as Parameters<typeof createLocalJWKSet>[0]),
      {
        issuer: ISSUER,
        currentDate: new Date(rig.clock.nowMs()),
      },
    )
    expect(JSON.stringify(jwks)).not.toMatch(/"(d|p|q|dp|dq|qi|k)":/)
  })

  test('is not sent again to who has it (RFC 9110 §13.1.2), and is when a key was added', async () => {
    const rig = await createRig()
    const first = await rig.app.request('/jwks')
    const etag = first.headers.get('etag') ?? ''
    for (const header of [etag, `W/${etag}`, `"other", ${etag}`, '*']) {
      const again = await rig.app.request('/jwks', { headers: { 'if-none-match': header } })
      expect([again.status, await again.text(), again.headers.get('etag')]).toEqual([304, '', etag])
    }
    const next = await rig.keys.rotate('ES256', 'next', rig.clock.now())
    const changed = await rig.app.request('/jwks', { headers: { 'if-none-match': etag } })
    expect(changed.status).toBe(200)
    expect(
      ((await changed.json()) as { keys: { kid: string }[] }).keys.map((key) => key.kid),
    ).toContain(next.kid)
  })

  test('by GET and HEAD only, and a browser may ask first', async () => {
    const rig = await createRig()
    for (const path of ['/jwks', '/.well-known/openid-configuration']) {
      const post = await rig.app.request(path, { method: 'POST' })
      expect([post.status, post.headers.get('allow')]).toEqual([405, 'GET, HEAD, OPTIONS'])
      expect((await rig.app.request(path, { method: 'HEAD' })).status).toBe(200)
      expect(
        (
          await rig.app.request(path, {
            method: 'OPTIONS',
            headers: { origin: 'https://a.example' },
          })
        ).headers.get('access-control-allow-origin'),
      ).toBe('*')
    }
  })
})
