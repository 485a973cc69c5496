import * as openid from 'openid-client'
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
 * openid-client as it comes, by its documented calls, against a broker on a listener of its own:
 * the whole way of a user and every grant.
 */

const authOf = ({ client, key }: ClientWorld, method: Method): openid.ClientAuth => {
  if (method === 'client_secret_basic') return openid.ClientSecretBasic(client.secret)
  if (method === 'client_secret_post') return openid.ClientSecretPost(client.secret)
  return method === 'none' ? openid.None() : openid.PrivateKeyJwt({ key, kid: 'k1' })
}

async function configured(method: Method, changes: Parameters<typeof openClientWorld>[1] = {}) {
  const world = await openClientWorld(method, changes)
  const options = { execute: [openid.allowInsecureRequests] }
  const config = await openid.discovery(
    new URL(world.issuer),
    world.client.clientId,
    {},
    authOf(world, method),
    options,
  )
  const signIn = async (parameters: Record<string, string> = {}, pushed = method !== 'none') => {
    const pkceCodeVerifier = openid.randomPKCECodeVerifier()
    const [expectedState, expectedNonce] = [openid.randomState(), openid.randomNonce()]
    const all = {
      redirect_uri: world.redirectUri,
      scope: 'openid profile email offline_access',
      code_challenge: await openid.calculatePKCECodeChallenge(pkceCodeVerifier),
      code_challenge_method: 'S256',
      state: expectedState,
      nonce: expectedNonce,
      ...parameters,
    }
    const address = pushed
      ? await openid.buildAuthorizationUrlWithPAR(config, all)
      : openid.buildAuthorizationUrl(config, all)
    expect(address.searchParams.has('request_uri')).toBe(pushed)
    const answer = await world.answerTo(address)
    return openid.authorizationCodeGrant(config, answer, {
      pkceCodeVerifier,
      expectedState,
      expectedNonce,
      idTokenExpected: true,
    })
  }
  return { ...world, config, signIn }
}

describe.each(METHODS)('openid-client, by %s', (method) => {
  test('a user signs in, by PAR where the client has a credential; userinfo, refresh, introspection, and out by the end session address', async () => {
    const { config, signIn, signOutBy, postLogoutRedirectUri, client } = await configured(method)
    const tokens = await signIn()
    const claims = tokens.claims()
    expect(claims).toMatchObject({
      name: 'Alice Adams',
      sid: expect.any(String),
      aud: client.clientId,
    })
    const sub = claims?.sub ?? ''
    expect(await openid.fetchUserInfo(config, tokens.access_token, sub)).toMatchObject({
      sub,
      preferred_username: 'alice@contoso.example',
    })
    const next = await openid.refreshTokenGrant(config, tokens.refresh_token ?? '')
    expect(next.access_token).not.toBe(tokens.access_token)
    const asked = openid.tokenIntrospection(config, next.access_token)
    if (method === 'none') await expect(asked).rejects.toMatchObject({ error: 'invalid_client' })
    else expect(await asked).toMatchObject({ active: true, sub, client_id: client.clientId })
    const address = openid.buildEndSessionUrl(config, {
      id_token_hint: tokens.id_token ?? '',
      post_logout_redirect_uri: postLogoutRedirectUri,
      state: 'out',
    })
    expect(await signOutBy(address)).toBe(`${postLogoutRedirectUri}?state=out`)
    await expect(openid.refreshTokenGrant(config, next.refresh_token ?? '')).rejects.toMatchObject({
      error: 'invalid_grant',
    })
  })

  test('the answer by form_post, and a token revoked', async () => {
    const { config, signIn } = await configured(method)
    const tokens = await signIn({ response_mode: 'form_post' })
    await openid.tokenRevocation(config, tokens.refresh_token ?? '')
    await expect(
      openid.refreshTokenGrant(config, tokens.refresh_token ?? ''),
    ).rejects.toMatchObject({ error: 'invalid_grant' })
    await expect(
      openid.fetchUserInfo(config, tokens.access_token, openid.skipSubjectCheck),
    ).rejects.toMatchObject({ status: 401 })
  })
})

describe.each(METHODS.filter((method) => method !== 'none'))(
  'openid-client, by %s, without a user in between',
  (method) => {
    test('token exchange', async () => {
      const { config, signIn, target } = await configured(method)
      const { access_token: subject } = await signIn()
      const exchanged = await openid.genericGrantRequest(config, EXCHANGE, {
        subject_token: subject,
        subject_token_type: ACCESS_TOKEN,
        resource: target.metadata.audience,
      })
      expect(exchanged).toMatchObject({ issued_token_type: ACCESS_TOKEN, token_type: 'bearer' })
      expect(claimsOf(exchanged.access_token)).toMatchObject({
        aud: target.metadata.audience,
        act: { sub: 'sydney' },
        sid: claimsOf(subject).sid,
      })
    })

    test('client credentials', async () => {
      const { config, client } = await configured(method)
      const tokens = await openid.clientCredentialsGrant(config, { scope: 'cases:read' })
      expect(claimsOf(tokens.access_token)).toMatchObject({
        sub: client.clientId,
        scope: 'cases:read',
        aud: client.metadata.audience,
      })
      expect(tokens.refresh_token).toBeUndefined()
    })
  },
)

test('openid-client gets the rejection, with the issuer checked (RFC 9207)', async () => {
  const { signIn } = await configured('client_secret_basic')
  await expect(signIn({ prompt: 'none' }, false)).rejects.toMatchObject({ error: 'login_required' })
})
