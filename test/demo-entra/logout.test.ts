import { decodeJwt } from 'jose'
import { describe, expect, test } from 'vitest'
import { CONTOSO } from '../../demo/entra/users.ts'
import { application, attempt, Browser, entra, LOGOUT_RETURN, LOGOUT_URL } from './relying-party.ts'

const logoutUrl = (origin: string, parameters: Record<string, string> = {}): string =>
  `${origin}/${CONTOSO.tid}/oauth2/v2.0/logout?${new URLSearchParams(parameters)}`

async function signedIn(upns: string[]) {
  const at = await entra()
  const app = await application(at)
  const browser = new Browser()
  const claims = []
  for (const upn of upns) {
    const { url, redeem } = await attempt(app, { prompt: 'select_account' })
    claims.push(decodeJwt((await redeem((await browser.signIn(url, upn)).left)).idToken))
  }
  return { at, app, browser, claims }
}

describe('sign-out of Microsoft', () => {
  test('by logout_hint without a page of choice: the session ends, and an iframe informs the application, with sid alone', async () => {
    const { at, app, browser, claims } = await signedIn(['alice@contoso.example'])
    const page = await browser.get(
      logoutUrl(at.origin, {
        logout_hint: String(claims[0]!['login_hint']),
        post_logout_redirect_uri: LOGOUT_RETURN,
      }),
    )
    expect(page.html).toContain(`<iframe src="${LOGOUT_URL}?sid=${String(claims[0]!['sid'])}"`)
    expect(page.html).toContain(`href="${LOGOUT_RETURN}"`)
    expect(page.headers.get('content-security-policy')).toContain('frame-src http://localhost:7400')
    expect((await browser.get((await attempt(app)).url)).title).toBe('Pick an account')
    expect(
      (await browser.get(logoutUrl(at.origin, { post_logout_redirect_uri: LOGOUT_RETURN }))).left
        ?.href,
    ).toBe(LOGOUT_RETURN)
  })

  test('two accounts and no hint: which one? The other stays signed in', async () => {
    const { at, app, browser, claims } = await signedIn([
      'alice@contoso.example',
      'bob@contoso.example',
    ])
    const chooser = await browser.get(
      logoutUrl(at.origin, { post_logout_redirect_uri: LOGOUT_RETURN }),
    )
    expect(chooser.html).toContain('<title>Pick an account to sign out ·')
    const action = /action="([^"]+)"/.exec(chooser.html)![1]!.replaceAll('&amp;', '&')
    const page = await browser.post(`${at.origin}${action}`, { account: 'alice@contoso.example' })
    expect(page.html).toContain(String(claims[0]!['sid']))
    expect(page.html).not.toContain(String(claims[1]!['sid']))
    expect(
      (
        await browser.get(
          (await attempt(app, { prompt: 'none', login_hint: 'bob@contoso.example' })).url,
        )
      ).left?.searchParams.has('code'),
    ).toBe(true)
  })

  test('Microsoft’s own session does not outlive a revocation', async () => {
    const { at, app, browser } = await signedIn(['alice@contoso.example'])
    await fetch(`${at.origin}/_control/users/alice@contoso.example`, {
      method: 'POST',
      body: '{"revokeSessions":true}',
    })
    expect(
      (await browser.get((await attempt(app, { prompt: 'none' })).url)).left?.searchParams.get(
        'error',
      ),
    ).toBe('login_required')
  })
})
