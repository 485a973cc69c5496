import * as oauth from 'oauth4webapi'
import * as openid from 'openid-client'
import { describe, expect, test } from 'vitest'
import { createRig, ISSUER, VERIFIER, type RegisteredClient, type Rig } from '../rig.ts'

const EXCHANGE = 'urn:ietf:params:oauth:grant-type:token-exchange' as const
const ALL = {
  grants: [
    'authorization_code' as const,
    'refresh_token' as const,
    'client_credentials' as const,
    EXCHANGE,
  ],
  scopes: ['openid', 'profile', 'email', 'offline_access', 'cases:read'],
}

/** The library asks the issuer's address and reaches the test's listener. */
const rewritten = (base: string) => (url: string, init?: RequestInit) =>
  fetch(url.replace(ISSUER, base), init)
/** These libraries go by the machine's clock, so the broker does too. */
async function createRealTimeRig(): Promise<Rig> {
  const rig = await createRig()
  rig.clock.nowMs = () => Date.now()
  rig.clock.now = () => Math.floor(Date.now() / 1000)
  return rig
}

async function callbackOf(rig: Rig, client: RegisteredClient): Promise<URL> {
  const { session } = await rig.openSession()
  const { code, form } = await rig.issueCode(session.sid, client)
  return new URL(
    `${form.redirect_uri}?${new URLSearchParams({ code, state: 'state-1', iss: ISSUER })}`,
  )
}

describe('openid-client, unmodified, against a real listener', () => {
  const configure = async (rig: Rig, client: RegisteredClient, auth: openid.ClientAuth) => {
    const config = await openid.discovery(new URL(ISSUER), client.clientId, {}, auth, {
      [openid.customFetch]: rewritten(await rig.serve()) as openid.CustomFetch,
      execute: [openid.allowInsecureRequests],
    })
    return config
  }
  const CHECKS = {
    pkceCodeVerifier: VERIFIER,
    expectedNonce: 'nonce-1',
    expectedState: 'state-1',
    idTokenExpected: true,
  }

  test.each(['client_secret_basic', 'client_secret_post'] as const)(
    'by %s: code, userinfo, refresh, introspection, revocation',
    async (method) => {
      const rig = await createRealTimeRig()
      const client = await rig.register('Sydney', ALL)
      const config = await configure(
        rig,
        client,
        method === 'client_secret_basic'
          ? openid.ClientSecretBasic(client.secret)
          : openid.ClientSecretPost(client.secret),
      )
      const tokens = await openid.authorizationCodeGrant(
        config,
        await callbackOf(rig, client),
        CHECKS,
      )
      const sub = tokens.claims()?.sub ?? ''
      expect(await openid.fetchUserInfo(config, tokens.access_token, sub)).toMatchObject({
        sub,
        name: 'Alice Adams',
      })
      const next = await openid.refreshTokenGrant(config, tokens.refresh_token ?? '')
      expect(next.claims()).toBeUndefined()
      const withId = await openid.refreshTokenGrant(config, next.refresh_token ?? '', {
        scope: 'openid',
      })
      expect(withId.claims()?.sub).toBe(sub)
      expect(await openid.tokenIntrospection(config, withId.access_token)).toMatchObject({
        active: true,
        sub,
      })
      await openid.tokenRevocation(config, withId.refresh_token ?? '')
      expect(await openid.tokenIntrospection(config, withId.access_token)).toEqual({
        active: false,
      })
      await expect(
        openid.refreshTokenGrant(config, withId.refresh_token ?? ''),
      ).rejects.toMatchObject({ error: 'invalid_grant' })
    },
  )

  test('by private_key_jwt: code, refresh, client credentials, token exchange', async () => {
    const rig = await createRealTimeRig()
    const { publicKey, privateKey } = await crypto.subtle.generateKey(
      { name: 'ECDSA', namedCurve: 'P-256' },
      true,
      ['sign', 'verify'],
    )
    const jwk = { ...(await crypto.subtle.exportKey('jwk', publicKey)), kid: 'k1' }
    const client = await rig.register('Sydney', {
      ...ALL,
      authMethod: 'private_key_jwt',
      jwks: { keys: [jwk as Record<string, unknown>] },
    })
    const melbourne = await rig.register('Melbourne', { exchangeFrom: ['sydney'] })
    const config = await configure(
      rig,
      client,
      openid.PrivateKeyJwt({ key: privateKey, kid: 'k1' }),
    )
    const tokens = await openid.authorizationCodeGrant(
      config,
      await callbackOf(rig, client),
      CHECKS,
    )
    await openid.refreshTokenGrant(config, tokens.refresh_token ?? '')
    expect((await openid.clientCredentialsGrant(config, { scope: 'cases:read' })).scope).toBe(
      'cases:read',
    )
    const exchanged = await openid.genericGrantRequest(config, EXCHANGE, {
      subject_token: tokens.access_token,
      subject_token_type: 'urn:ietf:params:oauth:token-type:access_token',
      audience: melbourne.clientId,
    })
    expect(
      JSON.parse(Buffer.from(exchanged.access_token.split('.')[1] ?? '', 'base64url').toString()),
    ).toMatchObject({
      aud: melbourne.metadata.audience,
      act: { sub: 'sydney' },
    })
  })

  test('a public client with PKCE', async () => {
    const rig = await createRealTimeRig()
    const client = await rig.register('App', { authMethod: 'none' })
    const config = await configure(rig, client, openid.None())
    const tokens = await openid.authorizationCodeGrant(
      config,
      await callbackOf(rig, client),
      CHECKS,
    )
    expect((await openid.refreshTokenGrant(config, tokens.refresh_token ?? '')).token_type).toBe(
      'bearer',
    )
  })
})

describe('oauth4webapi, unmodified, against a real listener', () => {
  test('validates the code answer, the ID token’s signature by the JWKS, and the access token as a resource server (RFC 9068 §4)', async () => {
    const rig = await createRealTimeRig()
    const registered = await rig.register('Sydney', { idTokenAlg: 'ES256' })
    const insecure = {
      [oauth.allowInsecureRequests]: true,
      [oauth.customFetch]: rewritten(await rig.serve()),
    } as Record<symbol, unknown>
    const as = await oauth.processDiscoveryResponse(
      new URL(ISSUER),
      await oauth.discoveryRequest(new URL(ISSUER), insecure),
    )
    const client: oauth.Client = { client_id: 'sydney', id_token_signed_response_alg: 'ES256' }
    const callback = oauth.validateAuthResponse(
      as,
      client,
      await callbackOf(rig, registered),
      'state-1',
    )
    const response = await oauth.authorizationCodeGrantRequest(
      as,
      client,
      oauth.ClientSecretBasic(registered.secret),
      callback,
      registered.metadata.redirectUris[0] ?? '',
      VERIFIER,
      insecure,
    )
    const tokens = await oauth.processAuthorizationCodeResponse(as, client, response, {
      expectedNonce: 'nonce-1',
      requireIdToken: true,
    })
    await oauth.validateApplicationLevelSignature(as, response, insecure)
    const request = new Request('https://sydney.case-manager.example/api', {
      headers: { authorization: `Bearer ${tokens.access_token}` },
    })
    const claims = await oauth.validateJwtAccessToken(
      as,
      request,
      registered.metadata.audience,
      insecure,
    )
    expect(claims).toMatchObject({ client_id: 'sydney', sid: expect.any(String) })
    const oauthMetadata = await oauth.processDiscoveryResponse(
      new URL(ISSUER),
      await oauth.discoveryRequest(new URL(ISSUER), { ...insecure, algorithm: 'oauth2' }),
    )
    expect(oauthMetadata.token_endpoint).toBe(as.token_endpoint)
  })
})
