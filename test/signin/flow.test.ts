import { describe, expect, test } from 'vitest'
import { MicrosoftRejection } from '../../src/microsoft/interface.ts'
import { ACR_MFA } from '../../src/protocol/names.ts'
import { sha256 } from '../../src/runtime/compare.ts'
import { SESSION_COOKIE } from '../../src/session/cookie.ts'
import { openFromSession } from '../../src/session/sealed.ts'
import { createRig, ISSUER, OTHER_TENANT, TENANT } from '../rig.ts'
import {
  atMicrosoft,
  authorizePath,
  createBrowser,
  linkOf,
  location,
  signIn,
  delivered,
} from './browser.ts'

describe('signing in', () => {
  test('leads over the sign-in page to Microsoft and back to the instance, with code, state and iss (RFC 9207)', async () => {
    const rig = await createRig()
    const sydney = await rig.register('Sydney')
    const browser = createBrowser(rig)

    const page = await browser.get(authorizePath(sydney))
    expect(page.status).toBe(200)
    const html = page.html
    expect(html).toContain('Case Manager Sydney')
    expect(html).toContain('Sign in with Microsoft')
    expect(html).not.toContain('simulated')

    const response = await browser.get(await atMicrosoft(rig, browser, page))
    const url = location(response)
    expect(url.origin + url.pathname).toBe(sydney.metadata.redirectUris[0])
    expect(delivered(response)).toEqual({
      code: expect.stringMatching(/^[\w-]{43}$/) as string,
      state: 'state-1',
      iss: ISSUER,
    })
    const redeemed = await rig.store.redeemAuthorizationCode({
      codeHash: sha256(delivered(response).code ?? ''),
      clientId: 'sydney',
      redirectUri: url.origin + url.pathname,
      verifier: 'a-verifier-that-is-long-enough-for-rfc-7636-section-4-1',
      familyId: 'f',
      now: rig.clock.now(),
    })
    expect(redeemed).toMatchObject({
      outcome: 'redeemed',
      session: {
        user: { tid: TENANT, username: 'alice@contoso.example' },
        acr: ACR_MFA,
        authTime: rig.clock.now(),
        idleSeconds: 28_800,
        absoluteAt: rig.clock.now() + 43_200,
        device: 'Firefox on Linux',
        roles: ['CaseManager.User'],
      },
      grant: {
        scope: 'openid profile offline_access',
        audience: sydney.metadata.audience,
        nonce: 'nonce-1',
      },
    })
  })

  test('stores nothing before Microsoft’s callback', async () => {
    const rig = await createRig()
    const sydney = await rig.register('Sydney')
    const browser = createBrowser(rig)
    await atMicrosoft(rig, browser, await browser.get(authorizePath(sydney)))
    expect(await rig.store.liveSessionCount(rig.clock.now())).toBe(0)
    expect(browser.cookies.has(SESSION_COOKIE)).toBe(false)
  })

  test('Microsoft’s tokens are sealed, and nothing of them is logged', async () => {
    const rig = await createRig()
    const sydney = await rig.register('Sydney')
    const browser = createBrowser(rig)
    const response = await signIn(rig, browser, authorizePath(sydney))
    const status = await rig.store.statusByCookie(
      sha256(browser.cookies.get(SESSION_COOKIE) ?? ''),
      rig.clock.now(),
    )
    if (status.state !== 'live') expect.unreachable()
    const { user, loginHintSealed } = status.session
    expect(loginHintSealed).not.toContain('O.hint')
    expect(openFromSession(rig.deps.sealer, 'login_hint', user, loginHintSealed)).toBe('O.hint')
    const log = rig.lines.join('\n')
    for (const secret of [
      delivered(response).code,
      browser.cookies.get(SESSION_COOKIE),
      'microsoft-code',
      'O.hint',
      'RefreshToken',
    ])
      expect(log).not.toContain(secret)
    expect(log).toContain('"signed_in"')
  })

  test('asks for the account chooser, an authentication context, PKCE and a nonce of its own each time', async () => {
    const rig = await createRig()
    const sydney = await rig.register('Sydney')
    const browser = createBrowser(rig)
    await atMicrosoft(rig, browser, await browser.get(authorizePath(sydney)))
    await atMicrosoft(rig, browser, await browser.get(authorizePath(sydney)))
    const [first, second] = rig.microsoft.started
    expect(first).toMatchObject({ prompt: 'select_account', authContext: 'c1' })
    expect(first?.loginHint).toBeUndefined()
    expect(
      new Set([
        first?.nonce,
        second?.nonce,
        first?.codeChallenge,
        second?.codeChallenge,
        first?.state,
        second?.state,
      ]).size,
    ).toBe(6)
  })

  test('says that Microsoft is simulated where it is', async () => {
    const rig = await createRig({
      config: {
        entra: {
          tenants: [TENANT],
          clientId: 'x',
          credential: { kind: 'secret', secret: 's' },
          authority: 'http://localhost:1',
          simulated: true,
        },
      },
    })
    const sydney = await rig.register('Sydney')
    expect(await (await rig.app.request(authorizePath(sydney))).text()).toContain(
      'Microsoft is simulated here',
    )
  })

  test('not connected to Microsoft, the broker says what is missing', async () => {
    const rig = await createRig()
    rig.microsoft.connected = false
    const response = await rig.app.request('/authorize')
    expect(response.status).toBe(503)
    expect(await response.text()).toContain('BROKER_ENTRA_TENANT')
  })
})

describe('single sign-on', () => {
  test('another instance gets its code without a page', async () => {
    const rig = await createRig()
    const [sydney, melbourne] = [await rig.register('Sydney'), await rig.register('Melbourne')]
    const browser = createBrowser(rig)
    await signIn(rig, browser, authorizePath(sydney))
    const response = await browser.get(authorizePath(melbourne, { state: 'x'.repeat(128) }))
    expect(location(response).host).toBe('melbourne.case-manager.example')
    expect(delivered(response)).toMatchObject({
      code: expect.any(String) as string,
      state: 'x'.repeat(128),
      iss: ISSUER,
    })
    expect(rig.microsoft.started).toHaveLength(1)
  })

  test('a session that was marked goes to Microsoft again, and is renewed under its own sid', async () => {
    const rig = await createRig()
    const sydney = await rig.register('Sydney')
    const browser = createBrowser(rig)
    await signIn(rig, browser, authorizePath(sydney))
    const sidOf = async () => {
      const status = await rig.store.statusByCookie(
        sha256(browser.cookies.get(SESSION_COOKIE) ?? ''),
        rig.clock.now(),
      )
      return status.state === 'unknown' ? undefined : status.session.sid
    }
    const [before, cookie] = [await sidOf(), browser.cookies.get(SESSION_COOKIE)]
    await signIn(rig, browser, authorizePath(sydney, { prompt: 'login' }))
    expect(await sidOf()).toBe(before)
    expect(browser.cookies.get(SESSION_COOKIE)).not.toBe(cookie)
  })

  test('another user on the same browser ends the former session there, and every instance gets a logout token', async () => {
    const rig = await createRig()
    const sydney = await rig.register('Sydney')
    const browser = createBrowser(rig)
    const first = await signIn(rig, browser, authorizePath(sydney))
    await rig.post(
      '/token',
      {
        grant_type: 'authorization_code',
        code: delivered(first).code ?? '',
        redirect_uri: sydney.metadata.redirectUris[0] ?? '',
        code_verifier: 'a-verifier-that-is-long-enough-for-rfc-7636-section-4-1',
      },
      { authorization: sydney.basic },
    )
    rig.microsoft.user = {
      ...rig.microsoft.user,
      oid: '00000000-0000-4000-8000-000000000b0b',
      username: 'bob@contoso.example',
    }
    await signIn(rig, browser, authorizePath(sydney, { prompt: 'select_account' }))
    expect(
      (await rig.store.listRevocations({ limit: 5 })).map((revocation) => revocation.reason),
    ).toEqual(['replaced'])
    expect(rig.queue.added).toHaveLength(1)
  })

  test('ends with the session', async () => {
    const rig = await createRig()
    const sydney = await rig.register('Sydney')
    const browser = createBrowser(rig)
    await signIn(rig, browser, authorizePath(sydney))
    rig.clock.advance(8 * 3600 + 1)
    expect((await browser.get(authorizePath(sydney))).status).toBe(200)
    expect(delivered(await browser.get(authorizePath(sydney, { prompt: 'none' })))).toEqual({
      error: 'login_required',
      error_description: expect.any(String) as string,
      state: 'state-1',
      iss: ISSUER,
    })
  })
})

describe('"Stay signed in?"', () => {
  test('where the user chose it at Microsoft, a session lasts 24 hours, and its cookie outlives the window until then', async () => {
    const rig = await createRig()
    const sydney = await rig.register('Sydney')
    const browser = createBrowser(rig)
    rig.microsoft.next = { staySignedIn: true }
    const response = await signIn(rig, browser, authorizePath(sydney))
    const until = rig.clock.now() + 86_400
    expect(
      response.headers.getSetCookie().find((line) => line.startsWith(SESSION_COOKIE)),
    ).toContain(`Expires=${new Date(until * 1000).toUTCString()}`)
    rig.clock.advance(86_339)
    expect((await browser.get(authorizePath(sydney))).status).toBe(303)
    rig.clock.advance(2)
    expect((await browser.get(authorizePath(sydney))).status).toBe(200)
  })

  test('without an answer from Microsoft, no session is longer', async () => {
    const rig = await createRig()
    const sydney = await rig.register('Sydney')
    const browser = createBrowser(rig)
    const response = await signIn(rig, browser, authorizePath(sydney))
    expect(
      response.headers.getSetCookie().find((line) => line.startsWith(SESSION_COOKIE)),
    ).not.toContain('Expires')
  })
})

/** A client without a home page: its sign-ins start again by a new request. */
const NO_HOME = { uri: undefined } as never

describe('the state that comes back', () => {
  test('is valid once; the second time a page leads on, without a visit to Microsoft', async () => {
    const rig = await createRig()
    const sydney = await rig.register('Sydney', NO_HOME)
    const browser = createBrowser(rig)
    const callback = await atMicrosoft(rig, browser, await browser.get(authorizePath(sydney)))
    await browser.get(callback)
    const again = await browser.get(callback)
    expect(again.status).toBe(409)
    const on = await browser.get(linkOf(again.html, 'Continue'))
    expect(delivered(on)).toMatchObject({ code: expect.any(String) as string, state: 'state-1' })
  })

  test('of two concurrent callbacks, one signs in', async () => {
    const rig = await createRig()
    const sydney = await rig.register('Sydney')
    const browser = createBrowser(rig)
    const callback = await atMicrosoft(rig, browser, await browser.get(authorizePath(sydney)))
    const answers = await Promise.all([
      browser.get(callback),
      browser.get(callback),
      browser.get(callback),
    ])
    expect(answers.map((answer) => answer.status).sort()).toEqual([303, 409, 409])
    expect(await rig.store.liveSessionCount(rig.clock.now())).toBe(1)
  })

  test('is rejected in another browser, which may start again', async () => {
    const rig = await createRig()
    const sydney = await rig.register('Sydney', NO_HOME)
    const [victim, attacker] = [createBrowser(rig), createBrowser(rig)]
    const callback = await atMicrosoft(rig, attacker, await attacker.get(authorizePath(sydney)))
    const response = await victim.get(callback)
    expect(response.status).toBe(400)
    expect(victim.cookies.has(SESSION_COOKIE)).toBe(false)
    expect(await rig.store.liveSessionCount(rig.clock.now())).toBe(0)
    expect((await victim.get(linkOf(response.html, 'Continue'))).status).toBe(200)
    // The browser is rejected with a cookie of its own too, which was made for another sign-in.
    await victim.get(authorizePath(sydney))
    expect((await victim.get(callback)).status).toBe(400)
    // The rejected attempt has used nothing up.
    expect((await attacker.get(callback)).status).toBe(303)
  })

  test('is rejected after ten minutes', async () => {
    const rig = await createRig()
    const sydney = await rig.register('Sydney')
    const browser = createBrowser(rig)
    const callback = await atMicrosoft(rig, browser, await browser.get(authorizePath(sydney)))
    rig.clock.advance(601)
    const response = await browser.get(callback)
    expect(response.status).toBe(400)
    expect(response.html).toContain('Start it again')
  })

  test('a forged state is rejected', async () => {
    const rig = await createRig()
    for (const query of [
      '',
      '?state=forged&code=x',
      '?code=x',
      '?error=access_denied',
      '?state=a&state=b&code=x',
    ]) {
      const response = await rig.app.request(`/signin/callback${query}`)
      expect(response.status, query).toBe(400)
      expect(await response.text(), query).toContain('cannot be continued')
    }
  })

  test('two tabs sign in beside each other', async () => {
    const rig = await createRig()
    const [sydney, melbourne] = [await rig.register('Sydney'), await rig.register('Melbourne')]
    const browser = createBrowser(rig)
    const first = await atMicrosoft(rig, browser, await browser.get(authorizePath(sydney)))
    const second = await atMicrosoft(rig, browser, await browser.get(authorizePath(melbourne)))
    expect((await browser.get(first)).status).toBe(303)
    expect((await browser.get(second)).status).toBe(303)
    expect(await rig.store.liveSessionCount(rig.clock.now())).toBe(1)
  })

  test('two tabs that return at once, neither with a session cookie, leave the browser one session, which its cookie names', async () => {
    const rig = await createRig()
    const sydney = await rig.register('Sydney')
    const browser = createBrowser(rig)
    const tab = async () => atMicrosoft(rig, browser, await browser.get(authorizePath(sydney)))
    const callbacks = [await tab(), await tab()]
    for (const answer of await Promise.all(callbacks.map((address) => browser.send(address))))
      expect(delivered(answer)).toHaveProperty('code')
    expect(await rig.store.liveSessionCount(rig.clock.now())).toBe(1)
    expect(await browser.get('/account')).toMatchObject({ title: 'Where you are signed in' })
  })

  test('the link to Microsoft is valid in the browser it was made for alone', async () => {
    const rig = await createRig()
    const sydney = await rig.register('Sydney')
    const link = linkOf(
      (await createBrowser(rig).get(authorizePath(sydney))).html,
      'Sign in with Microsoft',
    )
    const other = createBrowser(rig)
    await other.get(authorizePath(sydney))
    expect((await other.get(link)).status).toBe(400)
    expect(rig.microsoft.started).toEqual([])
  })
})

describe('what Microsoft rejects', () => {
  test('is a page that explains, with another try and a way back that gives the instance the error', async () => {
    const rig = await createRig()
    const sydney = await rig.register('Sydney')
    const browser = createBrowser(rig)
    const callback = await atMicrosoft(rig, browser, await browser.get(authorizePath(sydney)))
    const rejected = await browser.get(
      callback.replace(
        'code=microsoft-code',
        'error=access_denied&error_description=AADSTS65004%3A+declined',
      ),
    )
    expect(rejected.status).toBe(403)
    const html = rejected.html
    const back = new URL(linkOf(html, 'Go back to Case Manager Sydney'))
    expect(back.origin + back.pathname).toBe(sydney.metadata.redirectUris[0])
    expect(Object.fromEntries(back.searchParams)).toMatchObject({
      error: 'access_denied',
      state: 'state-1',
      iss: ISSUER,
    })
    const again = location(await browser.get(linkOf(html, 'Try again')))
    expect(again.host).toBe('login.microsoftonline.com')
  })

  test('an error that a browser brings is not an answer of Microsoft: the sign-ins that alerts go by do not count it', async () => {
    const rig = await createRig()
    const sydney = await rig.register('Sydney')
    const browser = createBrowser(rig)
    const callback = await atMicrosoft(rig, browser, await browser.get(authorizePath(sydney)))
    await browser.get(
      callback.replace(
        'code=microsoft-code',
        'error=invalid_client&error_description=AADSTS7000222%3A+expired',
      ),
    )
    const metrics = await rig.metrics.registry.metrics()
    expect(metrics).toContain('broker_sign_ins_total{outcome="credential"} 0\n')
    expect(metrics).toContain('broker_sign_in_callback_errors_total{outcome="credential"} 1\n')
  })

  test('a callback without a code stores nothing: the user may go back to Microsoft’s page and sign in', async () => {
    const rig = await createRig()
    const sydney = await rig.register('Sydney', NO_HOME)
    const browser = createBrowser(rig)
    const callback = await atMicrosoft(rig, browser, await browser.get(authorizePath(sydney)))
    const withQuery = async (query: string) =>
      (await browser.get(callback.replace('code=microsoft-code', query))).status
    expect([
      await withQuery('error=access_denied'),
      await withQuery('error=access_denied'),
      await withQuery(''),
    ]).toEqual([403, 403, 403])
    expect(await withQuery('code=a&code=b')).toBe(400)
    expect(delivered(await browser.get(callback))).toHaveProperty('code')
    expect(await withQuery('error=access_denied')).toBe(409)
  })

  test('90094 leads to Granting consent', async () => {
    const rig = await createRig()
    const sydney = await rig.register('Sydney')
    const browser = createBrowser(rig)
    rig.microsoft.next = new MicrosoftRejection('admin_consent', { code: 90094 })
    const html = (await signIn(rig, browser, authorizePath(sydney))).html
    expect(html).toContain(
      'You need to contact your IT administrator. An extra setup action remains to be done.',
    )
    const consent = await browser.get(linkOf(html, 'Granting consent (for IT administrators)'))
    expect(consent.status).toBe(200)
    expect(consent.html).toContain(rig.config.entra.clientId)
    expect(rig.lines.join('')).toContain('"level":"error"')
  })

  test('an outage is said to be one, and leaves who is signed in signed in', async () => {
    const rig = await createRig()
    const sydney = await rig.register('Sydney')
    const browser = createBrowser(rig)
    await signIn(rig, browser, authorizePath(sydney))
    rig.microsoft.next = new MicrosoftRejection('outage', { retryAfterSeconds: 30 })
    const response = await signIn(rig, browser, authorizePath(sydney, { prompt: 'select_account' }))
    expect([response.status, response.headers.get('retry-after')]).toEqual([503, '30'])
    expect(delivered(await browser.get(authorizePath(sydney, { prompt: 'none' })))).toHaveProperty(
      'code',
    )
  })

  test('a claims challenge is replayed, once', async () => {
    const rig = await createRig()
    const sydney = await rig.register('Sydney')
    const browser = createBrowser(rig)
    rig.microsoft.next = new MicrosoftRejection('step_up', {
      code: 50076,
      effect: 'mark',
      claims: '{"access_token":{}}',
    })
    const second = location(await signIn(rig, browser, authorizePath(sydney)))
    expect(second.host).toBe('login.microsoftonline.com')
    expect(rig.microsoft.started.at(-1)).toMatchObject({
      claims: '{"access_token":{}}',
      authContext: 'c1',
    })
    const third = await browser.get(
      `/signin/callback?${new URLSearchParams({ code: 'c', state: second.searchParams.get('state') ?? '' })}`,
    )
    expect(third.status).toBe(403)
    expect(rig.microsoft.started).toHaveLength(2)
  })
})

describe('for a page of our own', () => {
  test('there is no client and no code: sign in and go there', async () => {
    const rig = await createRig()
    const browser = createBrowser(rig)
    const response = await signIn(rig, browser, '/signin/start?return_to=/account')
    expect(response.headers.get('location')).toBe('/account')
    expect(
      (await browser.get('/signin/start?return_to=/account/ready')).headers.get('location'),
    ).toBe('/account/ready')
  })

  const elsewhere = [
    '',
    '//evil.example',
    '/\\evil.example',
    'https://evil.example/account',
    '/accounts',
    '/account/../logout',
    '/account//evil.example',
    '/account?next=x',
    '/logout',
    'javascript:alert(1)',
  ]

  test('no other address is accepted', async () => {
    const rig = await createRig()
    const browser = createBrowser(rig)
    await signIn(rig, browser, '/signin/start?return_to=/account')
    for (const query of [
      ...elsewhere.map((address) => encodeURIComponent(address)),
      '/account&return_to=/account',
    ]) {
      const response = await browser.get(`/signin/start?return_to=${query}`)
      expect(response.status, query).toBe(400)
      expect(response.headers.get('location'), query).toBeNull()
    }
  })
})

describe('who may use an instance', () => {
  test('a user of another tenant, or without its app role, sees why, and the instance learns it only when they go back', async () => {
    const rig = await createRig()
    const sydney = await rig.register('Sydney', { tenants: [OTHER_TENANT] })
    const perth = await rig.register('Perth', { appRole: 'CaseManager.Perth' })
    for (const client of [sydney, perth]) {
      const browser = createBrowser(rig)
      const response = await signIn(rig, browser, authorizePath(client))
      expect(response.status).toBe(403)
      const html = response.html
      expect(html).toContain('You have no access here')
      expect(
        new URL(linkOf(html, `Go back to ${client.metadata.name}`)).searchParams.get('error'),
      ).toBe('access_denied')
      expect(location(await browser.get(linkOf(html, 'Use another account'))).host).toBe(
        'login.microsoftonline.com',
      )
      expect(rig.microsoft.started.at(-1)?.prompt).toBe('select_account')
    }
    expect(await rig.store.liveSessionCount(rig.clock.now())).toBe(0)
    // If only one tenant is allowed, its own sign-in page is shown.
    expect(rig.microsoft.started[0]?.tid).toBe(OTHER_TENANT)
  })

  test('single sign-on admits no user either: no code, no loop; prompt=none is access_denied', async () => {
    const rig = await createRig()
    const [sydney, perth] = [
      await rig.register('Sydney'),
      await rig.register('Perth', { appRole: 'CaseManager.Perth' }),
    ]
    const browser = createBrowser(rig)
    await signIn(rig, browser, authorizePath(sydney))
    expect((await browser.get(authorizePath(perth))).status).toBe(403)
    expect(delivered(await browser.get(authorizePath(perth, { prompt: 'none' })))).toMatchObject({
      error: 'access_denied',
    })
  })
})

describe('a request that was checked before its client was narrowed', () => {
  /** Makes a link that the instance has kept, and a user who is signed in. */
  async function kept() {
    const rig = await createRig()
    const melbourne = await rig.register('Melbourne')
    const sydney = await rig.register('Sydney', { resources: [melbourne.metadata.audience] })
    const browser = createBrowser(rig)
    await signIn(rig, browser, authorizePath(sydney))
    const link = async (changes: Record<string, string>) => {
      const [path = '', query = ''] = authorizePath(sydney, changes).split('?')
      return location(await browser.post(path, Object.fromEntries(new URLSearchParams(query))))
    }
    const narrow = async (changes: Partial<typeof sydney.metadata>) => {
      await rig.store.putClient({
        clientId: 'sydney',
        source: 'command',
        metadata: { ...sydney.metadata, ...changes },
        now: rig.clock.now(),
      })
      await rig.clients.reload()
    }
    const follow = async (url: URL) => browser.get(url.pathname + url.search)
    return { rig, sydney, melbourne, link, narrow, follow }
  }

  test('leads nowhere for a resource that the client has lost', async () => {
    const { melbourne, link, narrow, follow } = await kept()
    const url = await link({ resource: melbourne.metadata.audience })
    expect(delivered(await follow(url))).toHaveProperty('code')
    await narrow({ resources: [] })
    expect((await follow(url)).status).toBe(400)
  })

  test('asks for no scope that the client has lost, and for none at all leads nowhere', async () => {
    const { rig, sydney, link, narrow, follow } = await kept()
    const url = await link({ scope: 'openid profile' })
    await narrow({ scopes: ['openid'] })
    const redeemed = await rig.store.redeemAuthorizationCode({
      codeHash: sha256(delivered(await follow(url)).code ?? ''),
      clientId: 'sydney',
      redirectUri: sydney.metadata.redirectUris[0],
      verifier: 'a-verifier-that-is-long-enough-for-rfc-7636-section-4-1',
      familyId: 'f',
      now: rig.clock.now(),
    })
    expect(redeemed).toMatchObject({ outcome: 'redeemed', grant: { scope: 'openid' } })
    await narrow({ scopes: ['email'] })
    expect((await follow(url)).status).toBe(400)
  })

  test('goes to Microsoft where the client demands a younger sign-in by now', async () => {
    const { rig, link, narrow, follow } = await kept()
    const url = await link({})
    rig.clock.advance(600)
    expect(delivered(await follow(url))).toHaveProperty('code')
    await narrow({ maxAuthAgeSeconds: 300 })
    const page = await follow(url)
    expect(page.status).toBe(200)
    expect(page.html).toContain('Sign in with Microsoft')
  })
})
