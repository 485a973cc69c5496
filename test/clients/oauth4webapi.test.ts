import * as oauth from 'oauth4webapi'
import { describe, expect, test } from 'vitest'
import { claimsOf } from '../token/tokens.ts'
import {
  ACCESS_TOKEN,
  type ClientWorld,
  EXCHANGE,
  type Method,
  METHODS,
  openClientWorld,
} from './world.ts'

/**
 * oauth4webapi as it comes: it checks each answer of the broker against the specification it is by.
 */

const insecure = { [oauth.allowInsecureRequests]: true }

const authOf = ({ client, key }: ClientWorld, method: Method): oauth.ClientAuth => {
  if (method === 'client_secret_basic') return oauth.ClientSecretBasic(client.secret)
  if (method === 'client_secret_post') return oauth.ClientSecretPost(client.secret)
  return method === 'none' ? oauth.None() : oauth.PrivateKeyJwt({ key, kid: 'k1' })
}

async function configured(method: Method) {
  const world = await openClientWorld(method, { idTokenAlg: 'ES256' })
  const issuer = new URL(world.issuer)
  const as = await oauth.processDiscoveryResponse(
    issuer,
    await oauth.discoveryRequest(issuer, insecure),
  )
  const client: oauth.Client = {
    client_id: world.client.clientId,
    id_token_signed_response_alg: 'ES256',
  }
  const auth = authOf(world, method)

  /**
   * Returns the address of the authorization request. A client with a credential pushes the request
   * first.
   */
  const addressOf = async (all: Record<string, string>): Promise<URL> => {
    const address = new URL(as.authorization_endpoint ?? '')
    address.search = new URLSearchParams({
      client_id: client.client_id,
      response_type: 'code',
      ...all,
    }).toString()
    if (method === 'none') return address
    const response = await oauth.pushedAuthorizationRequest(
      as,
      client,
      auth,
      address.searchParams,
      insecure,
    )
    const { request_uri } = await oauth.processPushedAuthorizationResponse(as, client, response)
    address.search = new URLSearchParams({ client_id: client.client_id, request_uri }).toString()
    return address
  }
  const signIn = async (parameters: Record<string, string> = {}) => {
    const verifier = oauth.generateRandomCodeVerifier()
    const [state, nonce] = [oauth.generateRandomState(), oauth.generateRandomNonce()]
    const answer = await world.answerTo(
      await addressOf({
        redirect_uri: world.redirectUri,
        scope: 'openid profile offline_access',
        code_challenge: await oauth.calculatePKCECodeChallenge(verifier),
        code_challenge_method: 'S256',
        state,
        nonce,
        ...parameters,
      }),
    )
    const heard =
      answer.method === 'POST' ? new URLSearchParams(await answer.text()) : new URL(answer.url)
    const callback = oauth.validateAuthResponse(as, client, heard, state)
    const response = await oauth.authorizationCodeGrantRequest(
      as,
      client,
      auth,
      callback,
      world.redirectUri,
      verifier,
      insecure,
    )
    const tokens = await oauth.processAuthorizationCodeResponse(as, client, response, {
      expectedNonce: nonce,
      requireIdToken: true,
    })
    await oauth.validateApplicationLevelSignature(as, response, insecure)
    return tokens
  }
  return { ...world, as, client, auth, signIn }
}

describe.each(METHODS)('oauth4webapi, by %s', (method) => {
  test('sign-in, ID token by the JWKS, access token as a resource server has it (RFC 9068 §4), userinfo, refresh, revocation', async () => {
    const { as, client, auth, signIn, rig } = await configured(method)
    const tokens = await signIn(
      method === 'client_secret_post' ? { response_mode: 'form_post' } : {},
    )
    const request = new Request('https://sydney.case-manager.example/api', {
      headers: { authorization: `Bearer ${tokens.access_token}` },
    })
    const audience = rig.clients.find(client.client_id)?.metadata.audience ?? ''
    expect(await oauth.validateJwtAccessToken(as, request, audience, insecure)).toMatchObject({
      client_id: client.client_id,
      sid: expect.any(String),
    })
    const sub = oauth.getValidatedIdTokenClaims(tokens)?.sub ?? ''
    const info = await oauth.userInfoRequest(as, client, tokens.access_token, insecure)
    expect(await oauth.processUserInfoResponse(as, client, sub, info)).toMatchObject({
      name: 'Alice Adams',
    })
    const refreshed = await oauth.refreshTokenGrantRequest(
      as,
      client,
      auth,
      tokens.refresh_token ?? '',
      insecure,
    )
    const next = await oauth.processRefreshTokenResponse(as, client, refreshed)
    expect(next.refresh_token).not.toBe(tokens.refresh_token)
    const revoked = await oauth.revocationRequest(
      as,
      client,
      auth,
      next.refresh_token ?? '',
      insecure,
    )
    await oauth.processRevocationResponse(revoked)
    const rejected = await oauth.refreshTokenGrantRequest(
      as,
      client,
      auth,
      next.refresh_token ?? '',
      insecure,
    )
    await expect(oauth.processRefreshTokenResponse(as, client, rejected)).rejects.toMatchObject({
      error: 'invalid_grant',
    })
  })
})

describe.each(METHODS.filter((method) => method !== 'none'))(
  'oauth4webapi, by %s, without a user in between',
  (method) => {
    test('token exchange, and introspection', async () => {
      const { as, client, auth, signIn, target } = await configured(method)
      const { access_token: subject } = await signIn()
      const parameters = {
        subject_token: subject,
        subject_token_type: ACCESS_TOKEN,
        audience: target.clientId,
      }
      const response = await oauth.genericTokenEndpointRequest(
        as,
        client,
        auth,
        EXCHANGE,
        parameters,
        insecure,
      )
      const exchanged = await oauth.processGenericTokenEndpointResponse(as, client, response)
      expect(claimsOf(exchanged.access_token)).toMatchObject({
        aud: target.metadata.audience,
        act: { sub: client.client_id },
      })
      const asked = await oauth.introspectionRequest(
        as,
        client,
        auth,
        exchanged.access_token,
        insecure,
      )
      expect(await oauth.processIntrospectionResponse(as, client, asked)).toMatchObject({
        active: true,
        aud: target.metadata.audience,
      })
    })

    test('client credentials', async () => {
      const { as, client, auth } = await configured(method)
      const response = await oauth.clientCredentialsGrantRequest(
        as,
        client,
        auth,
        { scope: 'cases:read' },
        insecure,
      )
      expect(await oauth.processClientCredentialsResponse(as, client, response)).toMatchObject({
        scope: 'cases:read',
        token_type: 'bearer',
      })
    })
  },
)
