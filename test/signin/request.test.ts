import { describe, expect, test } from 'vitest'
import { ACR_MFA } from '../../src/protocol/names.ts'
import { ISSUER, type RegisteredClient, VERIFIER } from '../rig.ts'
import { authorizePath, fieldsOf, linkOf, location, signedIn, delivered } from './browser.ts'

describe('a request whose answer may go nowhere (RFC 6749 §4.1.2.1) is a page and never a redirect', () => {
  const wrong: [what: string, parameters: Record<string, string | undefined>][] = [
    ['no client_id', { client_id: undefined }],
    ['an unknown client_id', { client_id: 'nobody' }],
    ['no redirect_uri', { redirect_uri: undefined }],
    ['another host', { redirect_uri: 'https://evil.example/oidc/callback' }],
    ['another path', { redirect_uri: 'https://sydney.case-manager.example/oidc/callback/x' }],
    ['a query added', { redirect_uri: 'https://sydney.case-manager.example/oidc/callback?x=1' }],
    ['another case', { redirect_uri: 'https://SYDNEY.case-manager.example/oidc/callback' }],
    ['a fragment added', { redirect_uri: 'https://sydney.case-manager.example/oidc/callback#x' }],
    [
      'another client’s address',
      { redirect_uri: 'https://melbourne.case-manager.example/oidc/callback' },
    ],
  ]

  test('whatever is wrong with client_id or redirect_uri', async () => {
    const { ask } = await signedIn()
    for (const [what, parameters] of wrong) {
      const response = await ask(parameters)
      expect(response.status, what).toBe(400)
      expect(response.headers.get('location'), what).toBeNull()
      expect(response.headers.get('content-type'), what).toContain('text/html')
    }
  })

  test.each(['client_id', 'redirect_uri'])('%s twice', async (name) => {
    const { client, browser } = await signedIn()
    const path = authorizePath(client)
    const response = await browser.get(
      `${path}&${name}=${encodeURIComponent(new URL(path, ISSUER).searchParams.get(name) ?? '')}`,
    )
    expect(response.status).toBe(400)
    expect(response.headers.get('location')).toBeNull()
  })
})

describe('a native application (RFC 8252 §7.3)', () => {
  const AT = {
    redirectUris: [
      'http://127.0.0.1/callback',
      'http://[::1]/callback',
      'http://localhost/callback',
    ],
  }

  test('gets its code on any loopback port, and redeems it', async () => {
    const { rig, ask } = await signedIn({ ...AT, authMethod: 'none' })
    for (const uri of [
      'http://127.0.0.1:51823/callback',
      'http://[::1]:1/callback',
      'http://127.0.0.1/callback',
    ]) {
      const answer = await ask({ redirect_uri: uri })
      expect(location(answer).href).toMatch(new URL(uri).href)
      const form = {
        grant_type: 'authorization_code',
        client_id: 'sydney',
        code: delivered(answer).code ?? '',
        code_verifier: VERIFIER,
      }
      expect((await rig.post('/token', { ...form, redirect_uri: uri })).status).toBe(200)
    }
  })

  test.each([
    ['another path', 'http://127.0.0.1:5000/callback/x', 'none'],
    ['another host', 'http://127.0.0.2:5000/callback', 'none'],
    ['a host that begins alike', 'http://127.0.0.1:5000@evil.example/callback', 'none'],
    ['a name that DNS may answer', 'http://localhost:5000/callback', 'none'],
    ['a port that is none', 'http://127.0.0.1:99999/callback', 'none'],
    ['a client with a secret', 'http://127.0.0.1:5000/callback', 'client_secret_basic'],
  ] as const)('%s: a page', async (_what, uri, authMethod) => {
    const { ask } = await signedIn({ ...AT, authMethod })
    const answer = await ask({ redirect_uri: uri })
    expect([answer.status, answer.headers.get('location')]).toEqual([400, null])
  })
})

describe('the instance gets the error of an invalid request, with state and iss', () => {
  const wrong: [what: string, parameters: Record<string, string | undefined>, error: string][] = [
    ['no response_type', { response_type: undefined }, 'invalid_request'],
    ['another response_type', { response_type: 'token' }, 'unsupported_response_type'],
    ['a hybrid response_type', { response_type: 'code id_token' }, 'unsupported_response_type'],
    ['response_mode fragment', { response_mode: 'fragment' }, 'invalid_request'],
    ['no scope (RFC 6749 §3.3)', { scope: undefined }, 'invalid_scope'],
    ['no scope that is registered', { scope: 'payroll' }, 'invalid_scope'],
    ['the operators’ scopes', { scope: 'broker:operate' }, 'invalid_scope'],
    [
      'no code_challenge (RFC 9700 §2.1.1)',
      { code_challenge: undefined, code_challenge_method: undefined },
      'invalid_request',
    ],
    ['plain (RFC 7636 §4.2)', { code_challenge_method: 'plain' }, 'invalid_request'],
    [
      'no method, which means plain (RFC 7636 §4.3)',
      { code_challenge_method: undefined },
      'invalid_request',
    ],
    ['a code_challenge that is no SHA-256', { code_challenge: 'short' }, 'invalid_request'],
    [
      'a request object (OIDC Core §6)',
      { request: 'eyJhbGciOiJub25lIn0.e30.' },
      'request_not_supported',
    ],
    [
      'a request_uri of the client’s own',
      { request_uri: 'https://sydney.case-manager.example/request.jwt' },
      'request_uri_not_supported',
    ],
    ['registration', { registration: '{}' }, 'registration_not_supported'],
    ['prompt none with another', { prompt: 'none login' }, 'invalid_request'],
    ['an unknown prompt', { prompt: 'create' }, 'invalid_request'],
    ['a max_age that is no number', { max_age: 'soon' }, 'invalid_request'],
    ['a negative max_age', { max_age: '-1' }, 'invalid_request'],
    [
      'an id_token_hint of nobody’s',
      { id_token_hint: 'eyJhbGciOiJub25lIn0.e30.' },
      'invalid_request',
    ],
    ['claims that are no JSON', { claims: '{' }, 'invalid_request'],
    [
      'an essential acr that nobody has',
      { claims: '{"id_token":{"acr":{"essential":true,"value":"urn:other"}}}' },
      'unmet_authentication_requirements',
    ],
    [
      'a resource of others (RFC 8707 §2)',
      { resource: 'https://melbourne.case-manager.example' },
      'invalid_target',
    ],
    ['a request that is too long to travel', { nonce: 'n'.repeat(5000) }, 'invalid_request'],
  ]

  test('each by its own code', async () => {
    const { ask, client } = await signedIn()
    for (const [what, parameters, error] of wrong) {
      const response = await ask(parameters)
      expect(location(response).href.startsWith(`${client.metadata.redirectUris[0]}?`), what).toBe(
        true,
      )
      const description: unknown = expect.stringMatching(/^[\x20-\x21\x23-\x5b\x5d-\x7e]+$/)
      expect(delivered(response), what).toEqual({
        error,
        error_description: description,
        state: 'state-1',
        iss: ISSUER,
      })
    }
  })

  test('a parameter sent twice (RFC 6749 §3.1); its state, if that is the one, is not repeated', async () => {
    const { client, browser } = await signedIn()
    expect(delivered(await browser.get(`${authorizePath(client)}&nonce=another`))).toMatchObject({
      error: 'invalid_request',
      state: 'state-1',
    })
    expect(delivered(await browser.get(`${authorizePath(client)}&state=another`))).toEqual({
      error: 'invalid_request',
      error_description: expect.any(String) as string,
      iss: ISSUER,
    })
  })

  test('a client that is not registered for the grant', async () => {
    const { ask } = await signedIn({ grants: ['client_credentials'] })
    expect(delivered(await ask())).toMatchObject({ error: 'unauthorized_client' })
  })
})

describe('a request that is valid', () => {
  const grantOf = async (
    made: Awaited<ReturnType<typeof signedIn>>,
    parameters: Record<string, string | undefined>,
  ) => {
    const code = delivered(await made.ask(parameters)).code
    const response = await made.rig.post(
      '/token',
      {
        grant_type: 'authorization_code',
        code: code ?? '',
        redirect_uri: made.client.metadata.redirectUris[0] ?? '',
        ...(parameters.code_challenge !== undefined || !('code_challenge' in parameters)
          ? { code_verifier: 'a-verifier-that-is-long-enough-for-rfc-7636-section-4-1' }
          : {}),
      },
      { authorization: made.client.basic },
    )
    expect(response.status).toBe(200)
    return (await response.json()) as {
      scope: string
      access_token: string
      refresh_token?: string
      id_token?: string
    }
  }

  test('ignores unknown parameters, and empty ones (RFC 6749 §3.1)', async () => {
    const { ask } = await signedIn()
    expect(
      delivered(
        await ask({ ui_locales: 'en', display: 'popup', utm: 'x', max_age: '', prompt: '' }),
      ),
    ).toHaveProperty('code')
    expect(delivered(await ask({ state: undefined }))).not.toHaveProperty('state')
  })

  test('leaves out what is not registered, and offline_access where the client may not refresh', async () => {
    expect(
      (await grantOf(await signedIn(), { scope: 'openid payroll profile offline_access' })).scope,
    ).toBe('openid profile offline_access')
    const without = await grantOf(await signedIn({ grants: ['authorization_code'] }), {
      scope: 'openid offline_access',
    })
    expect(without.scope).toBe('openid')
    expect(without.refresh_token).toBeUndefined()
  })

  test('without openid is plain OAuth: no ID token', async () => {
    const answer = await grantOf(await signedIn(), { scope: 'profile' })
    expect(answer.id_token).toBeUndefined()
    expect(answer.access_token).toBeTruthy()
  })

  test('needs no PKCE where a confidential client is registered so; with PKCE it is held to it', async () => {
    const made = await signedIn({ requirePkce: false })
    await grantOf(made, { code_challenge: undefined, code_challenge_method: undefined })
    expect(delivered(await made.ask({ code_challenge: undefined }))).toMatchObject({
      error: 'invalid_request',
    })
  })

  test('a public client has PKCE whatever its registration says', async () => {
    const { ask } = await signedIn({ authMethod: 'none', requirePkce: false })
    expect(
      delivered(await ask({ code_challenge: undefined, code_challenge_method: undefined })),
    ).toMatchObject({ error: 'invalid_request' })
  })

  test('may name its own audience or one it is registered for by resource (RFC 8707), and one only', async () => {
    const { ask, client, browser } = await signedIn({ resources: ['https://reports.example'] })
    expect(delivered(await ask({ resource: 'https://reports.example' }))).toHaveProperty('code')
    expect(delivered(await ask({ resource: client.metadata.audience }))).toHaveProperty('code')
    expect(
      delivered(
        await browser.get(
          `${authorizePath(client, { resource: 'https://reports.example' })}&resource=${encodeURIComponent(client.metadata.audience)}`,
        ),
      ),
    ).toMatchObject({ error: 'invalid_target' })
  })

  test('unknown acr_values demand nothing (OIDC Core §3.1.2.1)', async () => {
    const { ask } = await signedIn()
    expect(delivered(await ask({ acr_values: '1 2' }))).toHaveProperty('code')
    expect(delivered(await ask({ acr_values: ACR_MFA }))).toHaveProperty('code')
  })

  test.each([
    ['https://例え.example/cb', 'https://xn--r8jz45g.example/cb'],
    ['https://bücher.example/säle?é=1', 'https://xn--bcher-kva.example/s%C3%A4le?%C3%A9=1'],
  ])(
    'goes back in ASCII to a registered address that has other characters, and iss stays whole: %s',
    async (uri, sent) => {
      const { ask } = await signedIn({ redirectUris: [uri] })
      const answered = await ask()
      expect(answered.headers.get('location')).toMatch(/^[!-~]+$/)
      const { origin, pathname, search } = location(answered)
      expect(`${origin}${pathname}${search}`.startsWith(sent)).toBe(true)
      expect(delivered(answered)).toMatchObject({ iss: ISSUER, state: 'state-1' })
    },
  )

  test('keeps a query that the registered address has', async () => {
    const { ask } = await signedIn({
      redirectUris: ['https://sydney.case-manager.example/cb?dummy1=lorem&dummy2=ipsum'],
    })
    expect(delivered(await ask())).toMatchObject({
      dummy1: 'lorem',
      dummy2: 'ipsum',
      code: expect.any(String) as string,
      iss: ISSUER,
    })
  })
})

describe('by POST (OIDC Core §3.1.2.1)', () => {
  const form = (client: RegisteredClient, changes: Record<string, string> = {}) => ({
    ...Object.fromEntries(new URL(authorizePath(client), ISSUER).searchParams),
    ...changes,
  })

  test('the same request is taken, and taken up by a GET, which has the browser’s cookies', async () => {
    const { rig, client, browser } = await signedIn()
    // The form of another site posts the request, so that the browser sends no SameSite=Lax cookie.
    const posted = await rig.post('/authorize', form(client))
    const next = location(posted)
    expect(next.pathname).toBe('/signin/continue')
    expect(delivered(await browser.get(next.pathname + next.search))).toMatchObject({
      code: expect.any(String) as string,
      state: 'state-1',
    })
    // The answer does not replace the browser's cookie, which a sign-in in another tab needs.
    expect(posted.headers.getSetCookie()).toEqual([])
  })

  test('the instance gets the error of an invalid one at once; another content type is a page', async () => {
    const { rig, client } = await signedIn()
    expect(
      delivered(await rig.post('/authorize', form(client, { response_type: 'token' }))),
    ).toMatchObject({ error: 'unsupported_response_type' })
    expect(
      (
        await rig.app.request('/authorize', {
          method: 'POST',
          body: '{}',
          headers: { 'content-type': 'application/json' },
        })
      ).status,
    ).toBe(415)
    expect((await rig.post('/authorize', { x: 'x'.repeat(70_000) })).status).toBe(413)
    expect((await rig.app.request('/authorize', { method: 'PUT' })).status).toBe(405)
  })
})

describe('response_mode form_post (OAuth 2.0 Form Post Response Mode §2)', () => {
  test('is a page whose form posts the answer to the registered address, by script or by its button', async () => {
    const { ask, client } = await signedIn()
    const response = await ask({ response_mode: 'form_post' })
    expect(response.status).toBe(200)
    const html = response.html
    expect(fieldsOf(html)).toEqual({
      code: expect.stringMatching(/^[\w-]{43}$/) as string,
      state: 'state-1',
      iss: ISSUER,
    })
    expect(html).toContain(`method="post" action="${client.metadata.redirectUris[0]}"`)
    const policy = response.headers.get('content-security-policy') ?? ''
    expect(policy).toContain("form-action 'self' https://sydney.case-manager.example")
    expect(policy).toMatch(/script-src 'sha256-/)
    expect(policy).not.toContain('unsafe-inline')
    expect(response.headers.get('cache-control')).toBe('no-store')
  })

  test('carries errors too', async () => {
    const { ask } = await signedIn()
    expect(
      fieldsOf((await ask({ response_mode: 'form_post', scope: 'payroll' })).html),
    ).toMatchObject({
      error: 'invalid_scope',
      state: 'state-1',
      iss: ISSUER,
    })
  })

  test('what the instance sent is text in the page and nothing else', async () => {
    const { ask } = await signedIn()
    const html = (await ask({ response_mode: 'form_post', state: '"><script>alert(1)</script>' }))
      .html
    expect(html).not.toContain('<script>alert')
    expect(fieldsOf(html.replaceAll('&lt;', '<').replaceAll('&gt;', '>')).state).toContain('script')
  })
})

test('a request is checked against the registration again when the browser returns with it', async () => {
  const { rig, client, browser } = await signedIn()
  const link = linkOf(
    (await browser.get(authorizePath(client, { prompt: 'select_account' }))).html,
    'Sign in with Microsoft',
  )
  await rig.register('Sydney', { redirectUris: ['https://sydney.case-manager.example/elsewhere'] })
  const response = await browser.get(link)
  expect(response.status).toBe(400)
  expect(response.headers.get('location')).toBeNull()
})
