import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import * as openid from 'openid-client'
import { expect, onTestFinished, test, vi } from 'vitest'
import { createGuard, type GuardOptions } from '@case-manager/guard'
import { requireToken } from '@case-manager/guard/node'
import { parseClientMetadata } from '../../src/clients/metadata.ts'
import type { ClientMetadata } from '../../src/protocol/client-metadata.ts'
import { claimsOf } from '../token/tokens.ts'
import { ACCESS_TOKEN, EXCHANGE, openClientWorld } from './world.ts'

/**
 * openid-client as it comes, as a client with profile fapi2: every token is bound to its DPoP key,
 * and APIs behind the guard for Node accept it with a proof alone.
 */

/** Returns what the profile implies for a registration. */
function impliedByProfile(): Partial<ClientMetadata> {
  const parsed = parseClientMetadata({
    client_id: 'sydney',
    client_name: 'Case Manager Sydney',
    redirect_uris: ['https://sydney.case-manager.example/oidc/callback'],
    profile: 'fapi2',
    jwks_uri: 'https://sydney.case-manager.example/jwks',
  })
  if (!parsed.ok) throw new Error(parsed.problems.join('\n'))
  const { profile, requirePar, requirePkce, dpopBound, idTokenAlg } = parsed.metadata
  return { profile, requirePar, requirePkce, dpopBound, idTokenAlg }
}

/** Starts an API behind a guard that knows its address, and returns an address of it. */
async function startApi(options: GuardOptions): Promise<URL> {
  let answer = async (_: IncomingMessage, response: ServerResponse) => void response.end()
  const server = createServer((request, response) => void answer(request, response))
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const guard = createGuard({ ...options, publicAddress: origin, hooks: { problem: () => {} } })
  onTestFinished(async () => {
    await guard.stop()
    server.closeAllConnections()
    server.close()
  })
  await guard.start()
  const authorize = requireToken(guard)
  answer = async (request, response) => {
    const claims = await authorize(request, response)
    if (claims !== undefined) response.end(claims.sub)
  }
  return new URL('/api/cases?page=1', origin)
}

async function configured() {
  const world = await openClientWorld('private_key_jwt', impliedByProfile())
  const { issuer, client, target, key } = world
  const config = await openid.discovery(
    new URL(issuer),
    client.clientId,
    { id_token_signed_response_alg: 'ES256' },
    openid.PrivateKeyJwt({ key, kid: 'k1' }),
    { execute: [openid.allowInsecureRequests] },
  )
  const DPoP = openid.getDPoPHandle(config, await openid.randomDPoPKeyPair())
  const signIn = async () => {
    const pkceCodeVerifier = openid.randomPKCECodeVerifier()
    const [expectedState, expectedNonce] = [openid.randomState(), openid.randomNonce()]
    const address = await openid.buildAuthorizationUrlWithPAR(
      config,
      {
        redirect_uri: world.redirectUri,
        scope: 'openid profile offline_access',
        code_challenge: await openid.calculatePKCECodeChallenge(pkceCodeVerifier),
        code_challenge_method: 'S256',
        state: expectedState,
        nonce: expectedNonce,
      },
      { DPoP },
    )
    const checks = { pkceCodeVerifier, expectedState, expectedNonce, idTokenExpected: true }
    const answer = await world.answerTo(address)
    return openid.authorizationCodeGrant(config, answer, checks, undefined, { DPoP })
  }
  const jwk = (await crypto.subtle.exportKey('jwk', key)) as Record<string, unknown>
  const [sydney, melbourne] = await Promise.all([
    startApi({
      issuer,
      clientId: client.clientId,
      clientKey: { ...jwk, kid: 'k1', alg: 'ES256' },
      audience: client.metadata.audience,
    }),
    startApi({
      issuer,
      clientId: target.clientId,
      clientSecret: target.secret,
      audience: target.metadata.audience,
    }),
  ])
  /** Calls an API by the library, and returns the status and the body of its answer. */
  const call = async (api: URL, token: string) => {
    const answer = openid.fetchProtectedResource(
      config,
      token,
      api,
      'POST',
      undefined,
      new Headers(),
      { DPoP },
    )
    return answer.then(
      async (response) => [response.status, await response.text()],
      (error: openid.WWWAuthenticateChallengeError) => [
        error.status,
        error.cause[0]?.parameters.error_description,
      ],
    )
  }
  return { world, config, DPoP, signIn, sydney, melbourne, call }
}

test('openid-client signs in by PAR, refreshes, exchanges and calls guarded APIs with DPoP; once the user is signed out, the APIs reject its tokens', async () => {
  const { world, config, DPoP, signIn, sydney, melbourne, call } = await configured()
  const tokens = await signIn()
  const sub = tokens.claims()?.sub ?? ''
  expect(tokens).toMatchObject({ token_type: 'dpop' })
  expect(await openid.fetchUserInfo(config, tokens.access_token, sub, { DPoP })).toMatchObject({
    sub,
  })
  expect(await call(sydney, tokens.access_token)).toEqual([200, sub])

  const next = await openid.refreshTokenGrant(config, tokens.refresh_token ?? '', undefined, {
    DPoP,
  })
  expect(next.refresh_token).toBe(tokens.refresh_token)
  expect(await call(sydney, next.access_token)).toEqual([200, sub])

  const exchanged = await openid.genericGrantRequest(
    config,
    EXCHANGE,
    {
      subject_token: next.access_token,
      subject_token_type: ACCESS_TOKEN,
      resource: world.target.metadata.audience,
    },
    { DPoP },
  )
  expect(claimsOf(exchanged.access_token).cnf).toEqual(claimsOf(tokens.access_token).cnf)
  expect(await call(melbourne, exchanged.access_token)).toEqual([200, sub])
  expect(await call(sydney, exchanged.access_token)).toEqual([
    401,
    expect.stringContaining('audience'),
  ])

  const address = openid.buildEndSessionUrl(config, {
    id_token_hint: tokens.id_token ?? '',
    post_logout_redirect_uri: world.postLogoutRedirectUri,
  })
  await world.signOutBy(address)
  for (const [api, token] of [
    [sydney, tokens.access_token],
    [sydney, next.access_token],
    [melbourne, exchanged.access_token],
  ] as const)
    await vi.waitFor(
      async () => expect(await call(api, token)).toEqual([401, 'It has been revoked.']),
      10_000,
    )
  await expect(
    openid.refreshTokenGrant(config, tokens.refresh_token ?? '', undefined, { DPoP }),
  ).rejects.toMatchObject({ error: 'invalid_grant' })
  await expect(
    openid.fetchUserInfo(config, next.access_token, sub, { DPoP }),
  ).rejects.toMatchObject({ status: 401 })
})

test('its tokens are worth nothing without its key: as Bearer, with another key, or at the token endpoint', async () => {
  const { config, signIn, sydney, call } = await configured()
  const { access_token: token, refresh_token } = await signIn()
  const bearer = await fetch(sydney, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}` },
  })
  expect(bearer.status).toBe(401)
  const other = openid.getDPoPHandle(config, await openid.randomDPoPKeyPair())
  const byAnother = openid.fetchProtectedResource(config, token, sydney, 'POST', null, undefined, {
    DPoP: other,
  })
  await expect(byAnother).rejects.toMatchObject({ status: 401 })
  await expect(openid.refreshTokenGrant(config, refresh_token ?? '')).rejects.toMatchObject({
    error: 'invalid_dpop_proof',
  })
  expect((await call(sydney, token))[0]).toBe(200)
})
