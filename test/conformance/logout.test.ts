import { createLocalJWKSet, generateKeyPair, jwtVerify, SignJWT } from 'jose'
import { describe, expect, test } from 'vitest'
import { deliverLogout } from '../workers/attempt.ts'
import { CHALLENGE, ISSUER } from '../rig.ts'
import { fieldsOf } from '../signin/browser.ts'
import { claimsOf } from '../token/tokens.ts'
import { startReceiver } from '../workers/receiver.ts'
import { createSuite, openProvider } from './suite.ts'

/**
 * The modules of the RP-Initiated Logout OP and Back-Channel Logout OP plans, each under its own
 * name.
 */

const { provider } = openProvider()
const RETURN = 'https://sydney.case-manager.example/signed-out'

/**
 * A signed-in user, and what they get when they follow the client's link to the end session
 * endpoint and confirm.
 */
async function signedIn() {
  const suite = createSuite(provider())
  const { tokens, claims } = await suite.flow({ scope: 'openid profile' })
  const endSession = async (parameters: Record<string, string>) => {
    const asked = await suite.browser.get(`/logout?${new URLSearchParams(parameters)}`)
    const askedLocation = asked.headers.get('location')
    const html = asked.html
    const done = await suite.browser.post('/logout/confirm', { ...fieldsOf(html), scope: 'device' })
    return {
      asked: { status: asked.status, location: askedLocation, html },
      location: done.headers.get('location'),
    }
  }
  const stillSignedIn = async () => 'code' in (await suite.authorize({ prompt: 'none' })).parameters
  return { ...suite, idToken: tokens.id_token ?? '', claims, endSession, stillSignedIn }
}

/**
 * Checks that the user is never sent to another address, may still sign out, and stays at the
 * broker.
 */
async function staysWithUs(
  parameters: (idToken: string) => Record<string, string> | Promise<Record<string, string>>,
  status: number,
) {
  const { idToken, endSession, stillSignedIn } = await signedIn()
  const { asked, location } = await endSession(await parameters(idToken))
  expect([asked.status, asked.location]).toEqual([status, null])
  expect(location).toMatch(/^\/logout\/done\?/)
  expect(await stillSignedIn()).toBe(false)
}

describe('RP-Initiated Logout OP', () => {
  test('oidcc-rp-initiated-logout-discovery-endpoint-verification', async () => {
    const { rig } = provider()
    const metadata = (await (
      await rig.app.request(`${ISSUER}/.well-known/openid-configuration`)
    ).json()) as Record<string, unknown>
    expect(metadata.end_session_endpoint).toBe(`${ISSUER}/logout`)
  })

  test('oidcc-rp-initiated-logout', async () => {
    const { idToken, endSession, stillSignedIn } = await signedIn()
    const state = CHALLENGE.repeat(3).slice(0, 128)
    expect(state).toHaveLength(128)
    const { location } = await endSession({
      id_token_hint: idToken,
      post_logout_redirect_uri: RETURN,
      state,
    })
    expect(location).toBe(`${RETURN}?state=${state}`)
    expect(await stillSignedIn()).toBe(false)
  })

  test('oidcc-rp-initiated-logout-no-state', async () => {
    const { idToken, endSession, stillSignedIn } = await signedIn()
    expect(
      (await endSession({ id_token_hint: idToken, post_logout_redirect_uri: RETURN })).location,
    ).toBe(RETURN)
    expect(await stillSignedIn()).toBe(false)
  })

  test('oidcc-rp-initiated-logout-bad-post-logout-redirect-uri', () =>
    staysWithUs(
      (id_token_hint) => ({ id_token_hint, post_logout_redirect_uri: `${RETURN}/bad`, state: 's' }),
      400,
    ))

  test('oidcc-rp-initiated-logout-query-added-to-post-logout-redirect-uri', () =>
    staysWithUs(
      (id_token_hint) => ({
        id_token_hint,
        post_logout_redirect_uri: `${RETURN}?foo=bar`,
        state: 's',
      }),
      400,
    ))

  test('oidcc-rp-initiated-logout-modified-id-token-hint', () =>
    staysWithUs((idToken) => {
      const none = Buffer.from('{"alg":"none"}').toString('base64url')
      return {
        id_token_hint: `${none}.${idToken.split('.')[1]}.`,
        post_logout_redirect_uri: RETURN,
        state: 's',
      }
    }, 400))

  test('oidcc-rp-initiated-logout-bad-id-token-hint', () =>
    staysWithUs(async (idToken) => {
      const { privateKey } = await generateKeyPair('RS256')
      const forged = await new SignJWT(claimsOf(idToken))
        .setProtectedHeader({ alg: 'RS256' })
        .sign(privateKey)
      return { id_token_hint: forged, post_logout_redirect_uri: RETURN, state: 's' }
    }, 400))

  test('oidcc-rp-initiated-logout-no-id-token-hint', () =>
    staysWithUs(() => ({ post_logout_redirect_uri: RETURN, state: 's' }), 400))

  test('oidcc-rp-initiated-logout-no-params', () => staysWithUs(() => ({}), 200))

  test('oidcc-rp-initiated-logout-no-post-logout-redirect-uri', () =>
    staysWithUs((id_token_hint) => ({ id_token_hint, state: 's' }), 200))

  test('oidcc-rp-initiated-logout-only-state', () => staysWithUs(() => ({ state: 's' }), 200))
})

describe('Back-Channel Logout OP', () => {
  test('oidcc-backchannel-logout-discovery-endpoint-verification', async () => {
    const { rig } = provider()
    const metadata = (await (
      await rig.app.request(`${ISSUER}/.well-known/openid-configuration`)
    ).json()) as Record<string, unknown>
    expect(metadata).toMatchObject({
      backchannel_logout_supported: true,
      backchannel_logout_session_supported: true,
      end_session_endpoint: `${ISSUER}/logout`,
    })
  })

  test('oidcc-backchannel-rp-initiated-logout', async () => {
    const receiver = await startReceiver()
    const { rig, client } = provider()
    const metadata = { ...client.metadata, logoutUris: [receiver.url] }
    await rig.store.putClient({
      clientId: client.clientId,
      source: 'command',
      metadata,
      secrets: undefined,
      now: rig.clock.now(),
    })
    await rig.clients.reload()
    const { idToken, claims, endSession, stillSignedIn } = await signedIn()
    const before = rig.queue.added.length
    const { location } = await endSession({
      id_token_hint: idToken,
      post_logout_redirect_uri: RETURN,
      state: 'x'.repeat(128),
    })
    expect(location).toBe(`${RETURN}?state=${'x'.repeat(128)}`)
    for (const ref of rig.queue.added.slice(before)) await deliverLogout(rig.deps, ref)
    expect(receiver.requests).toHaveLength(1)
    const { headers, body } = receiver.requests[0] ?? expect.fail('nothing was delivered')
    expect(headers['content-type']).toBe('application/x-www-form-urlencoded')
    const form = new URLSearchParams(body)
    expect([...form.keys()]).toEqual(['logout_token'])
    const jwks = createLocalJWKSet(rig.keys.jwks())
    const { payload, protectedHeader } = await jwtVerify(form.get('logout_token') ?? '', jwks, {
      issuer: ISSUER,
      audience: 'sydney',
      algorithms: ['RS256'],
      typ: 'logout+jwt',
      currentDate: new Date(rig.clock.nowMs()),
      requiredClaims: ['iat', 'exp', 'jti', 'events', 'sid'],
    })
    expect(protectedHeader.alg).toBe('RS256')
    expect(payload.events).toEqual({ 'http://schemas.openid.net/event/backchannel-logout': {} })
    expect(payload).not.toHaveProperty('nonce')
    expect(payload.sid).toBe(claims.sid)
    expect(payload.iat).toBe(rig.clock.now())
    expect(await stillSignedIn()).toBe(false)
  })
})
