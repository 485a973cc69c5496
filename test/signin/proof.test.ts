import { describe, expect, test, vi } from 'vitest'
import { StoreUnavailable } from '../../db/types.ts'
import type { MfaProof } from '../../src/protocol/mfa-proof.ts'
import { ACR_MFA } from '../../src/protocol/names.ts'
import { sha256 } from '../../src/runtime/compare.ts'
import { SESSION_COOKIE } from '../../src/session/cookie.ts'
import { evaluateMfa, mfaPolicy } from '../../src/provider/authorize/mfa.ts'
import type { Browser } from '../browser.ts'
import { createRig, ISSUER, OTHER_TENANT, type RegisteredClient, type Rig, TENANT } from '../rig.ts'
import {
  atMicrosoft,
  authorizePath,
  createBrowser,
  fieldsOf,
  linkOf,
  location,
  signIn,
  delivered,
} from './browser.ts'

const sessionOf = async (rig: Rig, browser: Browser) => {
  const status = await rig.store.statusByCookie(
    sha256(browser.cookies.get(SESSION_COOKIE) ?? ''),
    rig.clock.now(),
  )
  return status.state === 'live' ? status.session : undefined
}

async function arrive(
  options: Parameters<typeof createRig>[0] = {},
  changes: Parameters<Rig['register']>[1] = {},
) {
  const rig = await createRig(options)
  const client = await rig.register('Sydney', changes)
  return { rig, client, browser: createBrowser(rig) }
}

describe('proof of MFA', () => {
  const policies: [
    MfaProof,
    Parameters<typeof evaluateMfa>[1],
    asserted: boolean,
    proved: boolean,
    acr: string | undefined,
  ][] = [
    [{ kind: 'auth_context', id: 'c1' }, { acrs: ['c1'], amr: undefined }, true, true, ACR_MFA],
    [{ kind: 'auth_context', id: 'c1' }, { acrs: ['c1'], amr: ['pwd'] }, true, true, ACR_MFA],
    [{ kind: 'auth_context', id: 'c1' }, { acrs: ['c1'], amr: undefined }, false, true, undefined],
    [{ kind: 'auth_context', id: 'c1' }, { acrs: ['c1'], amr: ['pwd'] }, false, true, undefined],
    [
      { kind: 'auth_context', id: 'c1' },
      { acrs: ['c1'], amr: ['pwd', 'mfa'] },
      false,
      true,
      ACR_MFA,
    ],
    [
      { kind: 'auth_context', id: 'c1' },
      { acrs: ['c2', 'c11'], amr: ['mfa'] },
      true,
      false,
      undefined,
    ],
    [{ kind: 'auth_context', id: 'c1' }, { acrs: [], amr: undefined }, true, false, undefined],
    [{ kind: 'amr' }, { acrs: [], amr: ['pwd', 'mfa'] }, false, true, ACR_MFA],
    [{ kind: 'amr' }, { acrs: ['c1'], amr: ['pwd', 'ngcmfa'] }, true, false, undefined],
    [{ kind: 'amr' }, { acrs: ['c1'], amr: undefined }, true, false, undefined],
    [{ kind: 'conditional_access' }, { acrs: [], amr: undefined }, true, true, undefined],
    [{ kind: 'conditional_access' }, { acrs: ['c1'], amr: ['mfa'] }, true, true, undefined],
  ]

  test.each(policies)(
    '%j with %j, asserted %s: admitted %s, acr %s, and amr mfa only beside acr',
    async (policy, identity, asserted, proved, acr) => {
      const amr = acr === undefined ? undefined : ['mfa']
      expect(evaluateMfa(policy, identity, asserted)).toEqual(
        proved ? { proved, acr, amr } : { proved },
      )
      const { rig, client, browser } = await arrive({
        config: { mfaProof: policy, mfaProofAsserted: asserted },
      })
      rig.microsoft.next = identity
      const response = await signIn(rig, browser, authorizePath(client))
      const session = await sessionOf(rig, browser)
      expect(session === undefined).toBe(!proved)
      expect(session?.acr).toBe(acr)
      expect(session?.amr).toEqual(amr)
      expect(response.status).toBe(proved ? 303 : 403)
    },
  )

  test('where the proof was not asserted, a client that demands acr gets unmet_authentication_requirements', async () => {
    const { rig, client, browser } = await arrive({ config: { mfaProofAsserted: false } })
    expect(
      delivered(await signIn(rig, browser, authorizePath(client, { acr_values: ACR_MFA }))),
    ).toMatchObject({
      error: 'unmet_authentication_requirements',
    })
  })

  test('a tenant’s own policy decides for its users, and one that cannot be read admits no user', async () => {
    const { rig, client, browser } = await arrive()
    await rig.store.putTenant({ tid: TENANT, mfaProof: 'amr', connectedAt: rig.clock.now() })
    const response = await signIn(rig, browser, authorizePath(client))
    expect(response.status).toBe(403)
    expect(response.html).toContain('Two-step verification is needed')
    const tenant = { tid: TENANT, mfaProof: 'trust_me', connectedAt: 0 }
    expect(
      evaluateMfa(mfaPolicy(rig.config, tenant), { acrs: ['c1'], amr: ['mfa'] }, true),
    ).toEqual({
      proved: false,
    })
  })

  test('a tenant that was disconnected admits no user', async () => {
    const { rig, client, browser } = await arrive()
    await rig.store.putTenant({
      tid: TENANT,
      mfaProof: 'auth_context:c1',
      connectedAt: rig.clock.now(),
      removedAt: rig.clock.now(),
    })
    expect((await signIn(rig, browser, authorizePath(client))).status).toBe(403)
    expect(await rig.store.liveSessionCount(rig.clock.now())).toBe(0)
  })

  test('where the tenant has another authentication context than was asked for, Microsoft is asked again, once', async () => {
    const { rig, client, browser } = await arrive()
    await rig.store.putTenant({
      tid: TENANT,
      mfaProof: 'auth_context:c7',
      connectedAt: rig.clock.now(),
    })
    const again = location(await signIn(rig, browser, authorizePath(client)))
    expect(again.host).toBe('login.microsoftonline.com')
    expect(rig.microsoft.started.at(-1)).toMatchObject({
      authContext: 'c7',
      tid: TENANT,
      loginHint: 'O.hint',
    })
    expect(await rig.store.liveSessionCount(rig.clock.now())).toBe(0)
    const callback = `/signin/callback?${new URLSearchParams({ code: 'c', state: again.searchParams.get('state') ?? '' })}`
    rig.microsoft.next = { acrs: ['c7'] }
    expect(delivered(await browser.get(callback))).toHaveProperty('code')
  })

  test('if the second visit lacks it too, a page says so, and there is no third visit', async () => {
    const { rig, client, browser } = await arrive()
    await rig.store.putTenant({
      tid: TENANT,
      mfaProof: 'auth_context:c7',
      connectedAt: rig.clock.now(),
    })
    const again = location(await signIn(rig, browser, authorizePath(client)))
    const last = await browser.get(
      `/signin/callback?${new URLSearchParams({ code: 'c', state: again.searchParams.get('state') ?? '' })}`,
    )
    expect(last.status).toBe(403)
    expect(rig.microsoft.started).toHaveLength(2)
  })
})

describe('a fresh sign-in', () => {
  test('prompt=login asks Microsoft for one, and auth_time has to show it', async () => {
    const { rig, client, browser } = await arrive()
    await signIn(rig, browser, authorizePath(client))
    rig.clock.advance(600)
    const callback = await atMicrosoft(
      rig,
      browser,
      await browser.get(authorizePath(client, { prompt: 'login' })),
    )
    expect(rig.microsoft.started.at(-1)).toMatchObject({ prompt: 'login', loginHint: 'O.hint' })
    rig.microsoft.next = { authTime: rig.clock.now() - 600 }
    const stale = await browser.get(callback)
    expect(stale.status).toBe(403)
    expect(stale.html).toContain('Please sign in again')
    rig.microsoft.next = {}
    expect(
      delivered(await signIn(rig, browser, authorizePath(client, { prompt: 'login' }))),
    ).toHaveProperty('code')
  })

  test('without auth_time nothing proves it: not the token’s own age, however young', async () => {
    const { rig, client, browser } = await arrive()
    rig.microsoft.next = { authTime: undefined }
    expect(delivered(await signIn(rig, browser, authorizePath(client)))).toHaveProperty('code')
    expect((await sessionOf(rig, browser))?.authTime).toBe(0)
    for (const demand of [{ prompt: 'login' }, { max_age: '100000' }])
      expect((await signIn(rig, browser, authorizePath(client, demand))).status).toBe(403)
    expect(
      delivered(await browser.get(authorizePath(client, { prompt: 'none', max_age: '100000' }))),
    ).toMatchObject({ error: 'login_required' })
  })

  test('max_age: a younger sign-in serves, an older one goes to Microsoft (OIDC Core §3.1.2.1)', async () => {
    const { rig, client, browser } = await arrive()
    await signIn(rig, browser, authorizePath(client))
    rig.clock.advance(300)
    expect(delivered(await browser.get(authorizePath(client, { max_age: '300' })))).toHaveProperty(
      'code',
    )
    rig.clock.advance(1)
    expect(
      delivered(await browser.get(authorizePath(client, { max_age: '300', prompt: 'none' }))),
    ).toMatchObject({ error: 'login_required' })
    expect(
      delivered(await signIn(rig, browser, authorizePath(client, { max_age: '300' }))),
    ).toHaveProperty('code')
    expect(rig.microsoft.started.at(-1)).toMatchObject({ prompt: 'login', maxAgeSeconds: 300 })
    expect(
      delivered(await signIn(rig, browser, authorizePath(client, { max_age: '0' }))),
    ).toHaveProperty('code')
  })

  test('a client’s own demand holds without being asked', async () => {
    const { rig, client, browser } = await arrive({}, { maxAuthAgeSeconds: 60 })
    await signIn(rig, browser, authorizePath(client))
    rig.clock.advance(61)
    expect(delivered(await browser.get(authorizePath(client, { prompt: 'none' })))).toMatchObject({
      error: 'login_required',
    })
    expect(
      delivered(await browser.get(authorizePath(client, { prompt: 'none', max_age: '9999' }))),
    ).toMatchObject({ error: 'login_required' })
  })

  test('max_age puts auth_time in the ID token (OIDC Core §2)', async () => {
    const { rig, client, browser } = await arrive()
    const answer = delivered(await signIn(rig, browser, authorizePath(client, { max_age: '300' })))
    const response = await rig.post(
      '/token',
      {
        grant_type: 'authorization_code',
        code: answer.code ?? '',
        redirect_uri: client.metadata.redirectUris[0] ?? '',
        code_verifier: 'a-verifier-that-is-long-enough-for-rfc-7636-section-4-1',
      },
      { authorization: client.basic },
    )
    const { id_token } = (await response.json()) as { id_token: string }
    expect(
      JSON.parse(Buffer.from(id_token.split('.')[1] ?? '', 'base64url').toString()),
    ).toMatchObject({ auth_time: rig.clock.now(), acr: ACR_MFA })
  })
})

describe('step-up by acr (RFC 9470, OIDC Core §5.5.1.1)', () => {
  const demands = [
    { acr_values: ACR_MFA },
    { claims: `{"id_token":{"acr":{"essential":true,"values":["${ACR_MFA}"]}}}` },
  ]

  test.each(demands)(
    '%j: a session without that proof goes to Microsoft, and comes back with it',
    async (demand) => {
      const { rig, client, browser } = await arrive({
        config: { mfaProof: { kind: 'conditional_access' } },
      })
      await signIn(rig, browser, authorizePath(client))
      expect((await sessionOf(rig, browser))?.acr).toBeUndefined()
      expect(
        delivered(await browser.get(authorizePath(client, { ...demand, prompt: 'none' }))),
      ).toMatchObject({ error: 'login_required' })
      await rig.store.changeTenant({ tid: TENANT, change: { mfaProof: 'amr' } })
      rig.microsoft.next = { amr: ['pwd', 'mfa'] }
      expect(delivered(await signIn(rig, browser, authorizePath(client, demand)))).toHaveProperty(
        'code',
      )
      expect(rig.microsoft.started.at(-1)).toMatchObject({ prompt: 'login', loginHint: 'O.hint' })
      expect((await sessionOf(rig, browser))?.acr).toBe(ACR_MFA)
      expect(
        delivered(await browser.get(authorizePath(client, { ...demand, prompt: 'none' }))),
      ).toHaveProperty('code')
    },
  )

  test('where Microsoft does not prove it the instance gets unmet_authentication_requirements', async () => {
    const { rig, client, browser } = await arrive({
      config: { mfaProof: { kind: 'conditional_access' } },
    })
    expect(
      delivered(await signIn(rig, browser, authorizePath(client, { acr_values: ACR_MFA }))),
    ).toMatchObject({
      error: 'unmet_authentication_requirements',
      state: 'state-1',
      iss: ISSUER,
    })
    expect(await rig.store.liveSessionCount(rig.clock.now())).toBe(0)
  })
})

describe('which account', () => {
  test('a login_hint goes to Microsoft instead of the chooser; never both', async () => {
    const { rig, client, browser } = await arrive()
    await atMicrosoft(
      rig,
      browser,
      await browser.get(authorizePath(client, { login_hint: 'alice@contoso.example' })),
    )
    expect(rig.microsoft.started[0]).toMatchObject({ loginHint: 'alice@contoso.example' })
    expect(rig.microsoft.started[0]?.prompt).toBeUndefined()
    await atMicrosoft(
      rig,
      browser,
      await browser.get(
        authorizePath(client, { login_hint: 'alice@contoso.example', prompt: 'select_account' }),
      ),
    )
    expect(rig.microsoft.started[1]).toMatchObject({ prompt: 'select_account' })
    expect(rig.microsoft.started[1]?.loginHint).toBeUndefined()
  })

  test('after an explicit sign-out it is the chooser, whatever the instance hints at, until a user has signed in', async () => {
    const { rig, client, browser } = await arrive()
    browser.addCookies('__Host-cmb_choose=1')
    await signIn(rig, browser, authorizePath(client, { login_hint: 'alice@contoso.example' }))
    expect(rig.microsoft.started[0]).toMatchObject({ prompt: 'select_account' })
    expect(browser.cookies.has('__Host-cmb_choose')).toBe(false)
    await atMicrosoft(
      rig,
      browser,
      await browser.get(
        authorizePath(client, { login_hint: 'alice@contoso.example', prompt: 'login' }),
      ),
    )
    expect(rig.microsoft.started[1]).toMatchObject({
      prompt: 'login',
      loginHint: 'alice@contoso.example',
    })
  })

  test('prompt=select_account shows the way to Microsoft although there is a session', async () => {
    const { rig, client, browser } = await arrive()
    await signIn(rig, browser, authorizePath(client))
    expect((await browser.get(authorizePath(client, { prompt: 'select_account' }))).status).toBe(
      200,
    )
  })

  test('an id_token_hint of another user: login_required, silently or after they signed in', async () => {
    const { rig, client, browser } = await arrive()
    const bob = await rig.openSession({
      user: { oid: '00000000-0000-4000-8000-000000000b0b', username: 'bob@contoso.example' },
    })
    const { id_token = '' } = await rig.signInAt(bob.session.sid, client)
    await signIn(rig, browser, authorizePath(client))
    expect(
      delivered(
        await browser.get(authorizePath(client, { prompt: 'none', id_token_hint: id_token })),
      ),
    ).toMatchObject({
      error: 'login_required',
    })
    const rejected = await signIn(rig, browser, authorizePath(client, { id_token_hint: id_token }))
    expect(rejected.status).toBe(403)
    expect(
      new URL(linkOf(rejected.html, 'Go back to Case Manager Sydney')).searchParams.get('error'),
    ).toBe('login_required')
  })

  test('the name of the user whom a request names goes to Microsoft only by a browser in which they have signed in', async () => {
    const { rig, client, browser } = await arrive()
    await signIn(rig, browser, authorizePath(client))
    const session = await sessionOf(rig, browser)
    const { id_token: hint = '' } = await rig.signInAt(session?.sid ?? '', client)
    const claims = JSON.stringify({ id_token: { sub: { value: session?.sub } } })
    const others = createBrowser(rig)
    for (const named of [{ id_token_hint: hint }, { claims }, { claims, prompt: 'login' }]) {
      await atMicrosoft(rig, others, await others.get(authorizePath(client, named)))
      expect(rig.microsoft.started.at(-1)?.loginHint).toBeUndefined()
    }
    await rig.store.revoke({
      selector: { kind: 'session', sid: session?.sid ?? '' },
      reason: 'signed_out',
      actor: { kind: 'user', id: session?.sub ?? '' },
      now: rig.clock.now(),
    })
    for (const named of [{ id_token_hint: hint }, { claims }]) {
      await atMicrosoft(rig, browser, await browser.get(authorizePath(client, named)))
      expect(rig.microsoft.started.at(-1)?.loginHint).toBe('alice@contoso.example')
    }
  })

  test('an id_token_hint of the user who is signed in is served, expired too', async () => {
    const { rig, client, browser } = await arrive()
    await signIn(rig, browser, authorizePath(client))
    const session = await sessionOf(rig, browser)
    const { id_token = '' } = await rig.signInAt(session?.sid ?? '', client)
    rig.clock.advance(2 * 3600)
    expect(
      delivered(
        await browser.get(authorizePath(client, { prompt: 'none', id_token_hint: id_token })),
      ),
    ).toHaveProperty('code')
    expect(
      delivered(
        await browser.get(
          authorizePath(client, {
            prompt: 'none',
            claims: JSON.stringify({ id_token: { sub: { value: session?.sub } } }),
          }),
        ),
      ),
    ).toHaveProperty('code')
    expect(
      delivered(
        await browser.get(
          authorizePath(client, {
            prompt: 'none',
            claims: '{"id_token":{"sub":{"value":"u_other"}}}',
          }),
        ),
      ),
    ).toMatchObject({
      error: 'login_required',
    })
    const other = await rig.register('Melbourne')
    expect(
      delivered(await browser.get(authorizePath(other, { id_token_hint: id_token }))),
    ).toMatchObject({ error: 'invalid_request' })
  })

  test('of several tenants the user’s own is stored, and a tenant that only one instance admits is asked for', async () => {
    const { rig, client, browser } = await arrive({}, { tenants: [OTHER_TENANT] })
    rig.microsoft.user = { ...rig.microsoft.user, tid: OTHER_TENANT }
    expect(delivered(await signIn(rig, browser, authorizePath(client)))).toHaveProperty('code')
    expect(rig.microsoft.started[0]?.tid).toBe(OTHER_TENANT)
    expect((await sessionOf(rig, browser))?.user.tid).toBe(OTHER_TENANT)
  })
})

describe('consent', () => {
  const consentPage = async (
    rig: Rig,
    browser: Browser,
    client: RegisteredClient,
    changes: Record<string, string> = {},
  ) => {
    const url = location(await signIn(rig, browser, authorizePath(client, changes)))
    expect(url.pathname).toBe('/signin/consent')
    return url.pathname + url.search
  }

  test('is asked once, where the client is registered so; then the code is issued', async () => {
    const { rig, client, browser } = await arrive({}, { consentRequired: true })
    const path = await consentPage(rig, browser, client)
    const page = await browser.get(path)
    const html = page.html
    expect(html).toContain('alice@contoso.example')
    expect(html).toContain('Case Manager Sydney')
    expect(page.headers.get('content-security-policy')).toContain(
      "form-action 'self' https://sydney.case-manager.example",
    )
    expect(
      delivered(await browser.post('/signin/consent', { ...fieldsOf(html), decision: 'allow' })),
    ).toMatchObject({
      code: expect.any(String) as string,
      state: 'state-1',
    })
    expect(delivered(await browser.get(authorizePath(client, { prompt: 'none' })))).toHaveProperty(
      'code',
    )
  })

  test('is asked again by a client that was removed and registered again', async () => {
    const { rig, client, browser } = await arrive({}, { consentRequired: true })
    await browser.post('/signin/consent', {
      ...fieldsOf((await browser.get(await consentPage(rig, browser, client))).html),
      decision: 'allow',
    })
    const silent = async () =>
      delivered(await browser.get(authorizePath(client, { prompt: 'none' })))
    expect(await silent()).toHaveProperty('code')
    const { clientId } = client
    await rig.store.removeClient({
      clientId,
      source: 'any',
      actor: { kind: 'operator', id: 'o' },
      now: rig.clock.now(),
    })
    await rig.register('Sydney', { consentRequired: true })
    expect(await silent()).toMatchObject({ error: 'consent_required' })
  })

  test('a user is signed in also where the store fails before it says whether they agreed, and goes on without Microsoft', async () => {
    const { rig, client, browser } = await arrive({}, { consentRequired: true })
    vi.spyOn(rig.store, 'hasConsent').mockRejectedValueOnce(new StoreUnavailable('disk full'))
    expect((await signIn(rig, browser, authorizePath(client))).status).toBe(503)
    expect(location(await browser.get(authorizePath(client))).pathname).toBe('/signin/consent')
    expect(rig.microsoft.started).toHaveLength(1)
  })

  test('the instance gets access_denied where the user denies consent, and consent_required for prompt=none before that', async () => {
    const { rig, client, browser } = await arrive({}, { consentRequired: true })
    const html = (await browser.get(await consentPage(rig, browser, client))).html
    expect(delivered(await browser.get(authorizePath(client, { prompt: 'none' })))).toMatchObject({
      error: 'consent_required',
    })
    expect(
      delivered(await browser.post('/signin/consent', { ...fieldsOf(html), decision: 'deny' })),
    ).toMatchObject({
      error: 'access_denied',
      state: 'state-1',
    })
  })

  test('prompt=consent asks again', async () => {
    const { rig, client, browser } = await arrive()
    await consentPage(rig, browser, client, { prompt: 'consent' })
    expect(location(await browser.get(authorizePath(client, { prompt: 'consent' }))).pathname).toBe(
      '/signin/consent',
    )
  })

  test('a forged form, one of another browser, or one for another session agrees to nothing', async () => {
    const { rig, client, browser } = await arrive({}, { consentRequired: true })
    const fields = fieldsOf((await browser.get(await consentPage(rig, browser, client))).html)
    const other = createBrowser(rig)
    await consentPage(rig, other, client)
    for (const response of [
      await browser.post('/signin/consent', { ...fields, csrf: 'forged', decision: 'allow' }),
      await other.post('/signin/consent', { ...fields, decision: 'allow' }),
    ]) {
      expect(response.status).toBe(400)
      expect(response.headers.get('location')).toBeNull()
    }
    rig.microsoft.user = { ...rig.microsoft.user, oid: '00000000-0000-4000-8000-000000000b0b' }
    await signIn(rig, browser, authorizePath(client, { prompt: 'select_account' }))
    expect(
      location(await browser.post('/signin/consent', { ...fields, decision: 'allow' })).pathname,
    ).toBe('/signin/continue')
    expect(delivered(await other.get(authorizePath(client, { prompt: 'none' })))).toMatchObject({
      error: 'consent_required',
    })
  })

  test('is not a way around a fresh sign-in: a link made for another step is not taken', async () => {
    const { rig, client, browser } = await arrive()
    await signIn(rig, browser, authorizePath(client))
    const link = linkOf(
      (await browser.get(authorizePath(client, { prompt: 'login' }))).html,
      'Sign in with Microsoft',
    )
    expect((await browser.get(link.replace('/signin/microsoft', '/signin/consent'))).status).toBe(
      400,
    )
  })
})
