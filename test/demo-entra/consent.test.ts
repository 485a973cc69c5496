import { describe, expect, test } from 'vitest'
import { APP_CLIENT_ID, CONTOSO } from '../../demo/entra/users.ts'
import { application, attempt, Browser, entra, REDIRECT } from './relying-party.ts'

const adminConsent = (origin: string, tenant = 'organizations'): string =>
  `${origin}/${tenant}/v2.0/adminconsent?${new URLSearchParams({ client_id: APP_CLIENT_ID, scope: 'openid profile', redirect_uri: REDIRECT, state: 'setup-1' })}`

describe('consent', () => {
  test('where users may consent: asked once; declining is access_denied with AADSTS65004', async () => {
    const at = await entra()
    at.world.switches.consent = { [CONTOSO.tid]: 'user' }
    const app = await application(at)
    const browser = new Browser()
    const page = await browser.signIn((await attempt(app)).url, 'alice@contoso.example')
    expect(page.title).toBe('Permissions requested')
    const declined = await browser.submit(page, { consent: 'no' })
    expect(declined.left?.searchParams.get('error')).toBe('access_denied')
    expect(declined.left?.searchParams.get('error_description')).toContain('AADSTS65004')
    const asked = await browser.get((await attempt(app)).url)
    const kmsi = await browser.submit(asked, { consent: 'yes' })
    expect((await browser.submit(kmsi, { kmsi: 'no' })).left?.searchParams.has('code')).toBe(true)
    expect((await browser.get((await attempt(app)).url)).left?.searchParams.has('code')).toBe(true)
  })

  test('where an administrator has to: "Need admin approval", until one has consented', async () => {
    const at = await entra()
    at.world.switches.consent = { [CONTOSO.tid]: 'admin' }
    const app = await application(at)
    const browser = new Browser()
    const page = await browser.signIn((await attempt(app)).url, 'alice@contoso.example')
    expect(page.title).toBe('Need admin approval')
    expect(page.left).toBeUndefined()
    expect((await browser.submit(page, { consent: 'no' })).left?.searchParams.get('error')).toBe(
      'access_denied',
    )
    const consent = await new Browser().signIn(adminConsent(at.origin), 'adam@contoso.example')
    expect(consent.title).toBe('Permissions requested')
    expect(
      (await new Browser().signIn((await attempt(app)).url, 'alice@contoso.example')).html,
    ).toContain('AADSTS90094')
  })

  test('an administrator’s consent returns admin_consent, tenant, scope and state, and then holds', async () => {
    const at = await entra()
    at.world.switches.consent = { [CONTOSO.tid]: 'admin' }
    const browser = new Browser()
    const page = await browser.signIn(adminConsent(at.origin), 'adam@contoso.example')
    const done = await browser.submit(page, { consent: 'yes' })
    expect(Object.fromEntries(done.left!.searchParams)).toEqual({
      admin_consent: 'True',
      tenant: CONTOSO.tid,
      scope: 'openid profile',
      state: 'setup-1',
    })
    const signedIn = await new Browser().signIn(
      (await attempt(await application(at))).url,
      'alice@contoso.example',
    )
    expect(signedIn.left?.searchParams.has('code')).toBe(true)
  })
})
