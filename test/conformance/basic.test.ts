import { describe, expect, test } from 'vitest'
import { parseClientMetadata } from '../../src/clients/metadata.ts'
import { ACR_MFA } from '../../src/protocol/names.ts'
import { CHALLENGE, ISSUER, VERIFIER } from '../rig.ts'
import { fieldsOf } from '../signin/browser.ts'
import { outcome, refreshForm, tokensOf } from '../token/tokens.ts'
import { createSuite, type Mode, openProvider, type Parameters } from './suite.ts'

/**
 * The modules of the certification suite's Basic OP plan, each under its own name, and the same by
 * form_post, which is the Form Post OP plan. docs/conformance.md is the table.
 */

const unsigned = (claims: Record<string, unknown>): string =>
  `${[{ alg: 'none' }, claims].map((part) => Buffer.from(JSON.stringify(part)).toString('base64url')).join('.')}.`

/** The claims that userinfo returns whatever the scope is. */
const OF_EACH_USER = {
  sub: expect.any(String) as string,
  session_expires_at: expect.any(Number) as number,
}

describe.each<[string, Mode]>([
  ['Basic OP', 'query'],
  ['Form Post OP', 'form_post'],
])('%s', (_, mode) => {
  const { provider } = openProvider()
  const suite = () => createSuite(provider(), mode)
  /** A request with these parameters is as good as one without. */
  const succeeds = async (parameters: Parameters) => {
    const module = suite()
    const { tokens, claims } = await module.flow(parameters)
    expect(await module.userinfo(tokens.access_token)).toMatchObject({ sub: claims.sub })
    return { ...module, tokens, claims }
  }
  const scoped = async (scope: string) => {
    const { tokens, userinfo } = await succeeds({ scope })
    return { claims: await userinfo(tokens.access_token), tokens }
  }

  test('oidcc-server', async () => {
    const { tokens, rig } = await succeeds({ scope: 'openid profile email' })
    expect(tokens.scope).toBe('openid profile email')
    expect(rig.lines.some((line) => line.includes('"level":"error"'))).toBe(false)
  })

  test('oidcc-response-type-missing', async () => {
    const { authorize } = suite()
    expect((await authorize({ response_type: undefined })).parameters).toMatchObject({
      error: 'invalid_request',
      state: 'state-of-the-suite',
    })
  })

  // Dynamic registration only: no client can be registered for an unsigned ID token.
  test('oidcc-idtoken-unsigned', () => {
    const parsed = parseClientMetadata(
      {
        client_name: 'Suite',
        redirect_uris: ['https://suite.example/callback'],
        id_token_signed_response_alg: 'none',
      },
      { clientId: 'suite', allowLoopback: false },
    )
    expect(parsed).toMatchObject({
      ok: false,
      problems: [expect.stringContaining('id_token_signed_response_alg')],
    })
  })

  test('oidcc-idtoken-signature', async () => {
    const { rig, tokens } = await succeeds({})
    const { keys } = (await (await rig.app.request(`${ISSUER}/jwks`)).json()) as {
      keys: { kid: string; kty: string; use: string }[]
    }
    const kid = (
      JSON.parse(Buffer.from(tokens.id_token?.split('.')[0] ?? '', 'base64url').toString()) as {
        kid: string
      }
    ).kid
    expect(keys.filter((key) => key.kid === kid)).toMatchObject([{ kty: 'RSA', use: 'sig' }])
  })

  test('oidcc-userinfo-get', async () => {
    const { tokens, claims, userinfo } = await succeeds({})
    expect(await userinfo(tokens.access_token, { method: 'GET' })).toEqual({
      sub: claims.sub,
      session_expires_at: expect.any(Number),
    })
  })

  test('oidcc-userinfo-post-header', async () => {
    const { tokens, claims, userinfo } = await succeeds({})
    expect(await userinfo(tokens.access_token, { method: 'POST' })).toEqual({
      sub: claims.sub,
      session_expires_at: expect.any(Number),
    })
  })

  test('oidcc-userinfo-post-body', async () => {
    const { tokens, claims, userinfo } = await succeeds({})
    const body = new URLSearchParams({ access_token: tokens.access_token }).toString()
    const headers = { 'content-type': 'application/x-www-form-urlencoded' }
    expect(await userinfo('', { method: 'POST', headers, body })).toEqual({
      sub: claims.sub,
      session_expires_at: expect.any(Number),
    })
  })

  test('oidcc-ensure-request-without-nonce-succeeds-for-code-flow', async () => {
    expect((await succeeds({ nonce: undefined })).claims).not.toHaveProperty('nonce')
  })

  test('oidcc-scope-profile', async () => {
    const { claims } = await scoped('openid profile')
    expect(claims).toEqual({
      ...OF_EACH_USER,
      name: 'Alice Adams',
      preferred_username: 'alice@contoso.example',
    })
  })

  test('oidcc-scope-email', async () => {
    const { claims } = await scoped('openid email')
    expect(claims).toEqual({
      ...OF_EACH_USER,
      email: 'alice@contoso.example',
      email_verified: false,
    })
  })

  // These scopes are not in scopes_supported, so the suite skips them. The answer to a client that
  // requests them says what was granted (RFC 6749 §3.3).
  const isLeftOut = async (scope: string) => {
    const { claims, tokens } = await scoped(`openid ${scope}`)
    expect([claims, tokens.scope]).toEqual([OF_EACH_USER, 'openid'])
  }
  test('oidcc-scope-address', () => isLeftOut('address'))
  test('oidcc-scope-phone', () => isLeftOut('phone'))

  test('oidcc-scope-all', async () => {
    const { claims, tokens } = await scoped('openid profile email address phone')
    expect(Object.keys(claims).sort()).toEqual([
      'email',
      'email_verified',
      'name',
      'preferred_username',
      'session_expires_at',
      'sub',
    ])
    expect(tokens.scope).toBe('openid profile email')
  })

  // RFC 6749 §3.3: neither the order of the scopes nor that of the parameters matters.
  test('oidcc-alternate-happy-flow', async () => {
    const { browser, query, follow, exchange, userinfo } = suite()
    const reversed = new URLSearchParams(
      [...new URLSearchParams(query({ scope: 'email openid' }))].reverse(),
    )
    const { parameters } = await follow(await browser.get(`/authorize?${reversed.toString()}`))
    const tokens = await tokensOf(exchange(parameters.code))
    expect(await userinfo(tokens.access_token)).toHaveProperty('email')
  })

  test('oidcc-display-page', async () => void (await succeeds({ display: 'page' })))
  test('oidcc-display-popup', async () => void (await succeeds({ display: 'popup' })))

  test('oidcc-prompt-login', async () => {
    const { rig, flow } = suite()
    const first = await flow()
    rig.clock.advance(2)
    const second = await flow({ prompt: 'login' })
    expect([first.signedIn, second.signedIn]).toEqual([true, true])
    expect(second.claims.sub).toBe(first.claims.sub)
    expect(Number(second.claims.auth_time)).toBeGreaterThan(Number(first.claims.auth_time))
    expect(rig.microsoft.started.at(-1)).toMatchObject({ prompt: 'login' })
  })

  test('oidcc-prompt-none-not-logged-in', async () => {
    const { authorize } = suite()
    const { parameters } = await authorize({ prompt: 'none' })
    expect(parameters).toMatchObject({
      error: 'login_required',
      state: 'state-of-the-suite',
      iss: ISSUER,
    })
    expect(parameters).not.toHaveProperty('code')
  })

  test('oidcc-prompt-none-logged-in', async () => {
    const { flow } = suite()
    const first = await flow()
    const second = await flow({ prompt: 'none' })
    expect(second.signedIn).toBe(false)
    expect([second.claims.sub, second.claims.auth_time]).toEqual([
      first.claims.sub,
      first.claims.auth_time,
    ])
  })

  test('oidcc-max-age-1', async () => {
    const { rig, flow } = suite()
    const first = await flow()
    rig.clock.advance(2)
    const second = await flow({ max_age: '1' })
    expect(second.signedIn).toBe(true)
    expect(Number(second.claims.auth_time)).toBeGreaterThan(Number(first.claims.auth_time))
  })

  test('oidcc-max-age-10000', async () => {
    const { rig, flow } = suite()
    const first = await flow({ max_age: '15000' })
    rig.clock.advance(1)
    const second = await flow({ max_age: '10000', prompt: 'none' })
    expect(second.claims.auth_time).toBe(first.claims.auth_time)
    expect(Number(second.claims.auth_time)).toBeGreaterThan(0)
  })

  test('oidcc-ensure-request-with-unknown-parameter-succeeds', async () => {
    await succeeds({ extra: 'foobar' })
  })

  test('oidcc-id-token-hint', async () => {
    const { flow } = suite()
    const first = await flow()
    const second = await flow({ prompt: 'none', id_token_hint: first.tokens.id_token })
    expect(second.claims.sub).toBe(first.claims.sub)
  })

  test('oidcc-login-hint', async () => {
    const { rig } = await succeeds({ login_hint: 'buffy@contoso.example' })
    expect(rig.microsoft.started.at(-1)?.loginHint).toBe('buffy@contoso.example')
  })

  test('oidcc-ui-locales', async () => void (await succeeds({ ui_locales: 'se en' })))
  test('oidcc-claims-locales', async () => void (await succeeds({ claims_locales: 'se en' })))

  test('oidcc-ensure-request-with-acr-values-succeeds', async () => {
    expect((await succeeds({ acr_values: `${ACR_MFA} urn:nobody:knows` })).claims.acr).toBe(ACR_MFA)
  })

  test('oidcc-codereuse', async () => {
    const { authorize, exchange } = suite()
    const { parameters } = await authorize()
    await tokensOf(exchange(parameters.code))
    expect(await outcome(exchange(parameters.code))).toEqual([400, 'invalid_grant'])
  })

  test('oidcc-codereuse-30seconds', async () => {
    const { rig, authorize, exchange } = suite()
    const { parameters } = await authorize()
    const tokens = await tokensOf(exchange(parameters.code))
    rig.clock.advance(30)
    expect(await outcome(exchange(parameters.code))).toEqual([400, 'invalid_grant'])
    // The access token of the first use is revoked too (RFC 6749 §4.1.2).
    expect(
      (
        await rig.app.request(`${ISSUER}/userinfo`, {
          headers: { authorization: `Bearer ${tokens.access_token}` },
        })
      ).status,
    ).toBe(401)
  })

  test('oidcc-ensure-registered-redirect-uri', async () => {
    const { browser, pathOf } = suite()
    const shown = await browser.get(
      pathOf({ redirect_uri: 'https://sydney.case-manager.example/oidc/callback/other' }),
    )
    expect([shown.status, shown.headers.get('location')]).toEqual([400, null])
    expect(shown.html).toContain('redirect_uri')
  })

  test('oidcc-ensure-post-request-succeeds', async () => {
    const { browser, query, follow, exchange } = suite()
    const { parameters } = await follow(
      await browser.post('/authorize', new URLSearchParams(query({})), {
        from: 'https://suite.example',
      }),
    )
    expect(await tokensOf(exchange(parameters.code))).toHaveProperty('id_token')
  })

  test('oidcc-server-client-secret-post', async () => {
    const { rig, client, authorize } = suite()
    const { parameters } = await authorize()
    const form = {
      grant_type: 'authorization_code',
      code: parameters.code ?? '',
      redirect_uri: client.metadata.redirectUris[0] ?? '',
    }
    expect(
      await tokensOf(
        rig.post('/token', { ...form, client_id: client.clientId, client_secret: client.secret }),
      ),
    ).toHaveProperty('id_token')
  })

  test('oidcc-request-uri-unsigned-supported-correctly-or-rejected-as-unsupported', async () => {
    const { authorize } = suite()
    const { parameters } = await authorize({ request_uri: 'https://suite.example/request.jwt' })
    expect(parameters).toMatchObject({
      error: 'request_uri_not_supported',
      state: 'state-of-the-suite',
    })
  })

  test('oidcc-unsigned-request-object-supported-correctly-or-rejected-as-unsupported', async () => {
    const { authorize, browser, pathOf } = suite()
    const { parameters } = await authorize({ request: unsigned({ state: 'other' }) })
    expect(parameters).toMatchObject({
      error: 'request_not_supported',
      state: 'state-of-the-suite',
    })
    // Form Post OP: only the request object names the mode, and the error must be sent by that
    // mode.
    const byForm = await browser.get(
      pathOf({ response_mode: undefined, request: unsigned({ response_mode: 'form_post' }) }),
    )
    expect(fieldsOf(byForm.html)).toMatchObject({ error: 'request_not_supported' })
  })

  test('oidcc-ensure-request-object-with-redirect-uri', async () => {
    const { authorize, browser, client, pathOf } = suite()
    const unregistered = 'https://evil.example/'
    const { parameters } = await authorize({ request: unsigned({ redirect_uri: unregistered }) })
    expect(parameters).toMatchObject({ error: 'request_not_supported' })
    const request = unsigned({ redirect_uri: client.metadata.redirectUris[0] })
    const shown = await browser.get(pathOf({ redirect_uri: unregistered, request }))
    expect([shown.status, shown.headers.get('location')]).toEqual([400, null])
  })

  test('oidcc-claims-essential', async () => {
    const { tokens, userinfo } = await succeeds({
      claims: '{"userinfo":{"name":{"essential":true}}}',
    })
    expect(await userinfo(tokens.access_token)).toMatchObject({ name: 'Alice Adams' })
    expect(tokens.scope).toBe('openid profile')
  })

  test('oidcc-refresh-token', async () => {
    const { rig, client, client2, flow, userinfo } = suite()
    const { tokens, claims } = await flow({ scope: 'openid offline_access', prompt: 'consent' })
    const refreshed = await tokensOf(
      rig.post('/token', refreshForm(tokens.refresh_token, { scope: 'openid' }), {
        authorization: client.basic,
      }),
    )
    expect(await userinfo(refreshed.access_token)).toMatchObject({ sub: claims.sub })
    expect(refreshed.access_token).not.toBe(tokens.access_token)
    expect(
      await outcome(
        rig.post('/token', refreshForm(refreshed.refresh_token), { authorization: client2.basic }),
      ),
    ).toEqual([400, 'invalid_grant'])
  })

  test('oidcc-ensure-request-with-valid-pkce-succeeds', async () => {
    const { flow } = suite()
    await flow(
      { code_challenge: CHALLENGE, code_challenge_method: 'S256' },
      { code_verifier: VERIFIER },
    )
  })
})
