import { generateKeyPair, SignJWT, UnsecuredJWT } from 'jose'
import { beforeEach, describe, expect, test } from 'vitest'
import { type Browser, browserAt } from '../browser.ts'
import { createRig, ISSUER, type RegisteredClient, type Rig } from '../rig.ts'

/**
 * The end session endpoint (OpenID Connect RP-Initiated Logout 1.0), and what the certification
 * suite asks of it.
 */

let rig: Rig
let sydney: RegisteredClient
let signedIn: Awaited<ReturnType<Rig['openSession']>>
let browser: Browser
const RETURN = 'https://sydney.case-manager.example/signed-out'

beforeEach(async () => {
  rig = await createRig()
  sydney = await rig.register('Sydney')
  signedIn = await rig.openSession()
  browser = browserAt(rig, { cookies: signedIn.cookieHeader })
})

const idToken = (changes: Record<string, unknown> = {}, typ = 'JWT') => {
  const now = rig.clock.now()
  return rig.keys.sign('RS256', typ, {
    iss: ISSUER,
    sub: signedIn.session.sub,
    aud: sydney.clientId,
    sid: signedIn.session.sid,
    iat: now,
    exp: now + 300,
    nonce: 'n',
    ...changes,
  })
}
const query = (params: Record<string, string>) => `/logout?${new URLSearchParams(params)}`
const status = async () =>
  (await rig.store.statusBySid(signedIn.session.sid, rig.clock.now())).state

describe('what the certification suite checks', () => {
  test('a signed-in user is asked, then taken to the registered address with the 128-character state intact', async () => {
    const state = 'Aa0-._~'.repeat(20).slice(0, 128)
    const asked = await browser.get(
      query({ id_token_hint: idToken(), post_logout_redirect_uri: RETURN, state }),
    )
    expect(asked.status).toBe(200)
    expect(await status()).toBe('live')
    const gone = await browser.submit(asked)
    expect(gone.location).toBe(`${RETURN}?state=${state}`)
    expect(await status()).toBe('ended')
  })

  test('no state comes back where none was sent', async () => {
    const asked = await browser.get(
      query({ id_token_hint: idToken(), post_logout_redirect_uri: RETURN }),
    )
    expect((await browser.submit(asked)).location).toBe(RETURN)
  })

  test('a state with every kind of character comes back as it was', async () => {
    const state = `a b+c&d=e%20f#"<>'\\/?`
    const asked = await browser.get(
      query({ id_token_hint: idToken(), post_logout_redirect_uri: RETURN, state }),
    )
    const location = (await browser.submit(asked)).location ?? ''
    expect(new URL(location).searchParams.get('state')).toBe(state)
  })

  test.each([
    ['no parameters', () => ({})],
    ['only a state', () => ({ state: 'only' })],
    ['no post_logout_redirect_uri', () => ({ id_token_hint: idToken(), state: 'unread' })],
  ])('with %s the user is signed out and stays on our page', async (_, params) => {
    const asked = await browser.get(query(params()))
    expect(asked.status).toBe(200)
    const done = await browser.submit(asked)
    expect(done.location).toBeNull()
    expect(done.title).toBe('You are signed out on this device')
    expect(await status()).toBe('ended')
  })

  const bad: [string, () => Promise<Record<string, string>> | Record<string, string>][] = [
    [
      'an unregistered post_logout_redirect_uri',
      () => ({ id_token_hint: idToken(), post_logout_redirect_uri: 'https://evil.example/' }),
    ],
    [
      'a post_logout_redirect_uri with a query added',
      () => ({ id_token_hint: idToken(), post_logout_redirect_uri: `${RETURN}?foo=bar` }),
    ],
    [
      'a post_logout_redirect_uri in another case',
      () => ({
        id_token_hint: idToken(),
        post_logout_redirect_uri: RETURN.replace('sydney', 'Sydney'),
      }),
    ],
    [
      'a post_logout_redirect_uri that is no address',
      () => ({ id_token_hint: idToken(), post_logout_redirect_uri: 'javascript:alert(1)' }),
    ],
    [
      'an id_token_hint whose alg was made none',
      () => {
        const claims = {
          sub: signedIn.session.sub,
          aud: sydney.clientId,
          sid: signedIn.session.sid,
          iss: ISSUER,
          iat: rig.clock.now(),
          exp: rig.clock.now() + 300,
        }
        return {
          id_token_hint: new UnsecuredJWT(claims).encode(),
          post_logout_redirect_uri: RETURN,
        }
      },
    ],
    [
      'an id_token_hint with a claim changed',
      () => {
        const [head, , signature] = idToken().split('.')
        const body = Buffer.from(
          JSON.stringify({
            iss: ISSUER,
            sub: 'u_other',
            aud: sydney.clientId,
            exp: rig.clock.now() + 300,
          }),
        ).toString('base64url')
        return { id_token_hint: `${head}.${body}.${signature}`, post_logout_redirect_uri: RETURN }
      },
    ],
    [
      'an id_token_hint signed with a foreign key',
      async () => {
        const { privateKey } = await generateKeyPair('RS256')
        const kid = String(
          (rig.keys.jwks().keys.find((key) => key.alg === 'RS256' || key.kty === 'RSA') ?? {}).kid,
        )
        const jwt = await new SignJWT({ sid: signedIn.session.sid })
          .setProtectedHeader({ alg: 'RS256', kid, typ: 'JWT' })
          .setIssuer(ISSUER)
          .setSubject(signedIn.session.sub)
          .setAudience(sydney.clientId)
          .setExpirationTime(rig.clock.now() + 300)
          .sign(privateKey)
        return { id_token_hint: jwt, post_logout_redirect_uri: RETURN }
      },
    ],
    ['no id_token_hint and no client_id', () => ({ post_logout_redirect_uri: RETURN })],
    [
      'an access token for an id_token_hint',
      () => ({ id_token_hint: idToken({}, 'at+jwt'), post_logout_redirect_uri: RETURN }),
    ],
    [
      'a logout token for an id_token_hint',
      () => ({ id_token_hint: idToken({}, 'logout+jwt'), post_logout_redirect_uri: RETURN }),
    ],
    [
      'what is no token for an id_token_hint',
      () => ({ id_token_hint: 'nonsense', post_logout_redirect_uri: RETURN }),
    ],
    [
      'a client_id that is not the one of the id_token_hint',
      async () => {
        await rig.register('Melbourne')
        return {
          id_token_hint: idToken(),
          client_id: 'melbourne',
          post_logout_redirect_uri: 'https://melbourne.case-manager.example/signed-out',
        }
      },
    ],
    [
      'a client_id that is nobody',
      () => ({ client_id: 'nobody', post_logout_redirect_uri: RETURN }),
    ],
  ]
  test.each(bad)('%s: never a redirect, but the user may still sign out', async (_, params) => {
    const asked = await browser.get(query({ ...(await params()), state: 'lost' }))
    expect(asked.status).toBe(400)
    expect(asked.location).toBeNull()
    expect(await status()).toBe('live')
    const done = await browser.submit(asked)
    expect(done.location).toBeNull()
    expect(done.title).toBe('You are signed out on this device')
    expect(await status()).toBe('ended')
  })

  test.each(bad)('%s, and no user signed in: never a redirect either', async (_, params) => {
    const shown = await browserAt(rig).get(query({ ...(await params()), state: 'lost' }))
    expect(shown.status).toBe(400)
    expect(shown.location).toBeNull()
    expect(shown.html).not.toContain('evil.example')
  })

  test('a parameter sent twice is rejected (OAuth 2.0 §3.1)', async () => {
    const shown = await browser.get(
      `${query({ id_token_hint: idToken(), post_logout_redirect_uri: RETURN })}&state=1&state=2`,
    )
    expect(shown.status).toBe(400)
  })
})

describe('the request', () => {
  test('may bring an ID token that has expired (§4)', async () => {
    const jwt = idToken()
    rig.clock.advance(3600)
    const asked = await browser.get(query({ id_token_hint: jwt, post_logout_redirect_uri: RETURN }))
    expect((await browser.submit(asked)).location).toBe(RETURN)
  })

  test('may come by POST from another site, whose requests carry no cookie of ours (§2)', async () => {
    const asked = await browser.post(
      '/logout',
      { id_token_hint: idToken(), post_logout_redirect_uri: RETURN, state: 's' },
      { from: 'https://sydney.case-manager.example' },
    )
    expect(asked.title).toBe('Sign out?')
    expect(await status()).toBe('live')
    expect((await browser.submit(asked)).location).toBe(`${RETURN}?state=s`)
    expect(await status()).toBe('ended')
  })

  test('by POST is rejected like by GET', async () => {
    const asked = await browser.post(
      '/logout',
      { id_token_hint: 'nonsense', post_logout_redirect_uri: RETURN },
      { from: 'https://sydney.case-manager.example' },
    )
    expect(asked.status).toBe(400)
    expect(asked.location).toBeNull()
  })

  test('that is longer than any that is needed is rejected', async () => {
    expect((await browser.post('/logout', { state: 'x'.repeat(40_000) })).status).toBe(413)
    expect(
      (
        await browser.get(
          query({
            client_id: 'sydney',
            post_logout_redirect_uri: RETURN,
            state: 'x'.repeat(2_000),
          }),
        )
      ).status,
    ).toBe(400)
  })

  test('with client_id alone goes back once the user has confirmed', async () => {
    const asked = await browser.get(
      query({
        client_id: 'sydney',
        post_logout_redirect_uri: RETURN,
        state: 's',
        logout_hint: 'alice',
        ui_locales: 'de',
      }),
    )
    expect((await browser.submit(asked)).location).toBe(`${RETURN}?state=s`)
  })

  test('of a client that was removed leads nowhere', async () => {
    const jwt = idToken()
    await rig.store.removeClient({
      clientId: 'sydney',
      source: 'any',
      actor: { kind: 'operator', id: 'test' },
      now: rig.clock.now(),
    })
    await rig.clients.reload()
    const shown = await browserAt(rig).get(
      query({ id_token_hint: jwt, post_logout_redirect_uri: RETURN }),
    )
    expect(shown.status).toBe(400)
  })
})

describe('no user is signed in in this browser', () => {
  test('there is no question: on to the address', async () => {
    const shown = await browserAt(rig).get(
      query({ id_token_hint: idToken(), post_logout_redirect_uri: RETURN, state: 's' }),
    )
    expect(shown.location).toBe(`${RETURN}?state=s`)
    expect(await status()).toBe('live')
  })

  test('without an ID token the address stays a link, because the user confirmed nothing (§3)', async () => {
    const shown = await browserAt(rig).get(
      query({ client_id: 'sydney', post_logout_redirect_uri: RETURN, state: 's' }),
    )
    expect(shown.location).toBeNull()
    expect(shown.title).toBe('You are not signed in here')
    expect(shown.html).toContain(`href="${RETURN}?state=s"`)
  })

  test('without anything, a page says so', async () => {
    const shown = await browserAt(rig).get('/logout')
    expect(shown.title).toBe('You are not signed in here')
  })
})

describe('an ID token of another user', () => {
  test('does not end this browser’s session silently: the page says who is signed in', async () => {
    const asked = await browser.get(
      query({
        id_token_hint: idToken({ sub: 'u_bob', sid: 's_bob' }),
        post_logout_redirect_uri: RETURN,
      }),
    )
    expect(asked.text).toContain('Another user is signed in here')
    expect(asked.text).toContain('Alice Adams (alice@contoso.example)')
    expect(await status()).toBe('live')
  })

  test('of an earlier session of the same user is recognized', async () => {
    const asked = await browser.get(query({ id_token_hint: idToken({ sid: 's_earlier' }) }))
    expect(asked.text).toContain('You have signed in again since')
  })
})
