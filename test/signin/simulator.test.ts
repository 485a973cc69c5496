import { describe, expect, test } from 'vitest'
import { FORGERIES } from '../../demo/entra/switches.ts'
import type { MfaProof } from '../../src/protocol/mfa-proof.ts'
import { sha256 } from '../../src/runtime/compare.ts'
import { SESSION_COOKIE } from '../../src/session/cookie.ts'
import type { Page } from '../browser.ts'
import { ISSUER, OTHER_TENANT, TENANT } from '../rig.ts'
import { Browser as MicrosoftBrowser } from '../demo-entra/relying-party.ts'
import { atSimulator } from './at-simulator.ts'
import { authorizePath, createBrowser, linkOf, location, delivered } from './browser.ts'

/**
 * Sign-in on real parts: our modules, msal-node, and the simulated Microsoft with its pages, on
 * sockets.
 */
async function broker(
  options: { mfaProof?: MfaProof; tenants?: string[]; env?: Record<string, string> } = {},
) {
  const { rig, entra, clock, sydney } = await atSimulator({
    tenants: options.tenants ?? [TENANT],
    mfaProof: options.mfaProof,
    env: options.env,
  })
  const browser = createBrowser(rig)
  const signInAs = async (
    upn: string,
    changes: Record<string, string> = {},
    staySignedIn = false,
  ): Promise<Page> => {
    const page = await browser.get(authorizePath(sydney, changes))
    const toMicrosoft = location(await browser.get(linkOf(page.html, 'Sign in with Microsoft')))
    expect(toMicrosoft.origin).toBe(entra.origin)
    const left =
      (await new MicrosoftBrowser().signIn(toMicrosoft.href, upn, { staySignedIn })).left ??
      expect.unreachable()
    expect(left.origin).toBe(ISSUER)
    return browser.get(left.pathname + left.search)
  }
  const session = async () => {
    const status = await rig.store.statusByCookie(
      sha256(browser.cookies.get(SESSION_COOKIE) ?? ''),
      clock.now(),
    )
    return status.state === 'live' ? status.session : undefined
  }
  return { rig, entra, clock, sydney, browser, signInAs, session }
}

describe('with the simulated Microsoft', () => {
  test('alice signs in with password, authenticator and "Stay signed in?", and an instance gets her code', async () => {
    const { rig, sydney, browser, signInAs, session } = await broker()
    const response = await signInAs('alice@contoso.example', {}, true)
    expect(location(response).href.startsWith(sydney.metadata.redirectUris[0] ?? '')).toBe(true)
    expect(delivered(response)).toMatchObject({
      code: expect.any(String) as string,
      state: 'state-1',
      iss: ISSUER,
    })
    expect(await session()).toMatchObject({
      user: { tid: TENANT, username: 'alice@contoso.example' },
      authTime: expect.any(Number) as number,
      staySignedIn: true,
      acr: 'urn:case-manager:acr:mfa',
      amr: ['mfa'],
    })
    const melbourne = await rig.register('Melbourne')
    expect(delivered(await browser.get(authorizePath(melbourne)))).toHaveProperty('code')
  })

  test('of several tenants, by organizations', async () => {
    const { signInAs, session } = await broker({ tenants: [TENANT, OTHER_TENANT] })
    expect(delivered(await signInAs('alice@contoso.example'))).toHaveProperty('code')
    expect((await session())?.user.tid).toBe(TENANT)
  })

  test('a demand for a phishing-resistant sign-in asks for the passkey, and its session serves within five minutes', async () => {
    const { rig, entra, sydney, browser, signInAs, session } = await broker({
      mfaProof: { kind: 'auth_context', id: 'c1', phishingResistant: 'c5' },
    })
    entra.set({ strongContexts: { [TENANT]: ['c5'] } })
    await signInAs('alice@contoso.example')
    expect(await session()).toMatchObject({ acr: 'urn:case-manager:acr:mfa' })
    const demand = { acr_values: 'phr', max_age: '300' }
    expect(delivered(await signInAs('alice@contoso.example', demand))).toHaveProperty('code')
    expect(await session()).toMatchObject({ acr: 'phr', amr: ['mfa'] })
    for (const client of [sydney, await rig.register('Melbourne')])
      expect(delivered(await browser.get(authorizePath(client, demand)))).toHaveProperty('code')
  })

  test('a fresh sign-in shows itself by auth_time', async () => {
    const { signInAs } = await broker()
    expect(
      delivered(await signInAs('alice@contoso.example', { prompt: 'login', max_age: '0' })),
    ).toHaveProperty('code')
  })

  test.each(FORGERIES)('a forged ID token admits no user: %s', async (forge) => {
    const { rig, entra, clock, signInAs } = await broker({ tenants: [TENANT, OTHER_TENANT] })
    entra.set({ forge })
    expect((await signInAs('alice@contoso.example')).status).toBe(403)
    expect(await rig.store.liveSessionCount(clock.now())).toBe(0)
  })

  test.each([
    ['faye@fabrikam.example', 'of a tenant that is not on the list', 'not connected'],
    ['pat@outlook.example', 'with a personal account', 'Personal Microsoft accounts'],
    ['dan@contoso.example', 'whose account is disabled', 'switched this account off'],
    ['una@contoso.example', 'who is not assigned', 'has no access to Case Manager yet'],
  ])('%s, %s, reads what to do and gets no session', async (upn, _who, words) => {
    const { rig, entra, clock, signInAs } = await broker({
      tenants: [TENANT, '55555555-5555-4555-8555-555555555555'],
    })
    entra.set({ personalAccounts: true, errorsToApp: true, requireMfa: 'registered' })
    const response = await signInAs(upn)
    expect(response.status).toBe(403)
    expect(response.html).toContain(words)
    expect(await rig.store.liveSessionCount(clock.now())).toBe(0)
  })

  test('where no administrator has consented, the page leads to one prefilled message, whether Microsoft shows a page of its own or not', async () => {
    const { entra, browser, sydney, signInAs } = await broker({
      env: { BROKER_SUPPORT_URL: 'mailto:it@contoso.example' },
    })
    const flip = (code: string) =>
      fetch(`${entra.origin}/_admin`, {
        method: 'POST',
        headers: { origin: entra.origin },
        body: new URLSearchParams({ switch: code }),
      })
    const messageOf = (page: Page) => {
      const { protocol, searchParams } = new URL(linkOf(page.html, 'Contact your IT administrator'))
      expect(page.text).toContain(searchParams.get('body')?.replaceAll('\n', ' '))
      return [protocol, searchParams.get('subject'), searchParams.get('body')]
    }
    const message = [
      'mailto:',
      expect.stringContaining('Please allow Case Manager'),
      expect.stringContaining(`${ISSUER}/signin/granting-consent`),
    ]
    await flip('consent_contoso')
    const microsoft = new MicrosoftBrowser()
    const toMicrosoft = location(
      await browser.get(
        linkOf((await browser.get(authorizePath(sydney))).html, 'Sign in with Microsoft'),
      ),
    )
    const asked = await microsoft.signIn(toMicrosoft.href, 'alice@contoso.example')
    expect([asked.title, asked.text.includes('AADSTS90094')]).toEqual(['Need admin approval', true])
    const left = (await microsoft.submit(asked, { consent: 'no' })).left ?? expect.unreachable()
    const declined = await browser.get(left.pathname + left.search)
    expect(declined.text).toContain('Did Microsoft say “Need admin approval”?')
    expect(messageOf(declined)).toEqual(message)
    await flip('errors')
    const rejected = await signInAs('alice@contoso.example')
    expect(rejected.text).toContain(
      'You need to contact your IT administrator. An extra setup action remains to be done.',
    )
    expect(messageOf(rejected)).toEqual(message)
    await flip('consent_contoso')
    expect(delivered(await signInAs('alice@contoso.example'))).toHaveProperty('code')
  })

  test('by the policy amr no user is admitted whose token has none, as v2 tokens do, or none with mfa', async () => {
    const { rig, entra, clock, signInAs } = await broker({ mfaProof: { kind: 'amr' } })
    expect((await signInAs('alice@contoso.example')).status).toBe(403)
    entra.set({ amr: true, requireMfa: 'registered' })
    const response = await signInAs('mia@contoso.example')
    expect(response.status).toBe(403)
    expect(response.html).toContain('Two-step verification')
    expect(await rig.store.liveSessionCount(clock.now())).toBe(0)
    expect(delivered(await signInAs('alice@contoso.example'))).toHaveProperty('code')
  })
})
