import { createRemoteJWKSet, decodeJwt, jwtVerify } from 'jose'
import { describe, expect, test } from 'vitest'
import { APP_CLIENT_ID, CONTOSO, FABRIKAM, PERSONAL } from '../../demo/entra/users.ts'
import { application, attempt, Browser, entra, REDIRECT } from './relying-party.ts'

describe('sign-in with msal-node 7', () => {
  test('in auto mode an authorization completes without a page, with Entra v2.0 claims', async () => {
    const at = await entra()
    at.world.auto = 'alice@contoso.example'
    const app = await application(at)
    const { url, redeem } = await attempt(app)
    const page = await new Browser().get(url)
    expect(page.left?.href.startsWith(REDIRECT)).toBe(true)
    expect(page.left?.searchParams.get('state')).toBe('state-1')
    const result = await redeem(page.left)
    const { payload, protectedHeader } = await jwtVerify(
      result.idToken,
      createRemoteJWKSet(new URL(`${at.origin}/${CONTOSO.tid}/discovery/v2.0/keys`)),
      {
        issuer: `${at.origin}/${CONTOSO.tid}/v2.0`,
        audience: APP_CLIENT_ID,
      },
    )
    expect(protectedHeader.alg).toBe('RS256')
    expect(payload).toMatchObject({
      tid: CONTOSO.tid,
      oid: '00000000-0000-4000-8000-00000000a11c',
      ver: '2.0',
      nonce: 'nonce-1',
      preferred_username: 'alice@contoso.example',
      acrs: ['c1'],
      roles: ['CaseManager.User'],
      auth_time: expect.any(Number),
      sid: expect.any(String),
      login_hint: expect.any(String),
      uti: expect.any(String),
    })
    expect(payload.sub).not.toBe(payload['oid'])
    expect(payload).not.toHaveProperty('amr')
    expect(payload).not.toHaveProperty('signin_state')
    expect(result.account?.homeAccountId).toBe(`${String(payload['oid'])}.${CONTOSO.tid}`)
  })

  test('every page clicked: email, password, number matching, "Stay signed in?" yes sets account.kmsi', async () => {
    const at = await entra()
    const app = await application(at, 'organizations')
    const { url, redeem } = await attempt(app, { prompt: 'select_account' })
    const browser = new Browser()
    const email = await browser.get(url)
    expect(email.title).toBe('Sign in')
    expect(email.html).toContain('Simulated')
    const password = await browser.submit(email, { loginfmt: 'alice@contoso.example' })
    expect(password.title).toBe('Enter password')
    const wrong = await browser.submit(password, { passwd: 'guess' })
    expect(wrong.html).toContain('incorrect')
    const approve = await browser.submit(wrong, { passwd: 'alice-demo' })
    expect(approve.title).toBe('Approve sign in request')
    const offered = [...approve.html.matchAll(/name="number" value="(\d+)"/g)].map(
      (match) => match[1],
    )
    const shown = /id="number">(\d+)</.exec(approve.html)![1]!
    expect(offered).toHaveLength(3)
    expect(offered).toContain(shown)
    const again = await browser.submit(approve, {
      number: offered.find((number) => number !== shown)!,
    })
    expect(again.html).toContain('not the number')
    const no = await browser.submit(again, { number: 'no' })
    expect(no.html).toContain('You said that it was not you')
    const kmsi = await browser.submit(no, { number: /id="number">(\d+)</.exec(no.html)![1]! })
    expect(kmsi.title).toBe('Stay signed in?')
    const done = await browser.submit(kmsi, { kmsi: 'yes' })
    const result = await redeem(done.left)
    expect(result.account?.kmsi).toBe(true)
    expect(decodeJwt(result.idToken)['signin_state']).toEqual(['kmsi'])
  })

  test('one browser, one Microsoft session: no page the second time, same sid; prompt=login asks again; select_account offers the account', async () => {
    const at = await entra()
    const app = await application(at)
    const browser = new Browser()
    const first = await attempt(app)
    const claims = decodeJwt(
      (await first.redeem((await browser.signIn(first.url, 'alice@contoso.example')).left)).idToken,
    )
    const second = await attempt(app)
    const two = decodeJwt((await second.redeem((await browser.get(second.url)).left)).idToken)
    expect(two['sid']).toBe(claims['sid'])
    expect(two['auth_time']).toBe(claims['auth_time'])
    expect(
      (
        await browser.get(
          (await attempt(app, { prompt: 'login', login_hint: 'alice@contoso.example' })).url,
        )
      ).title,
    ).toBe('Enter password')
    const chooser = await browser.get((await attempt(app, { prompt: 'select_account' })).url)
    expect(chooser.title).toBe('Pick an account')
    expect(chooser.html).toContain('Use another account')
    expect(
      (await browser.submit(chooser, { account: 'alice@contoso.example' })).left?.searchParams.has(
        'code',
      ),
    ).toBe(true)
    const other = await browser.get((await attempt(app, { prompt: 'select_account' })).url)
    expect((await browser.submit(other, { account: 'other' })).title).toBe('Sign in')
  })
})

describe('proof of MFA', () => {
  test('no policy on the application, none asked: a user without MFA gets in, and nothing in the token says so', async () => {
    const at = await entra()
    const app = await application(at)
    const { url, redeem } = await attempt(app, {}, null)
    const claims = decodeJwt(
      (await redeem((await new Browser().signIn(url, 'mia@contoso.example')).left)).idToken,
    )
    expect(claims).not.toHaveProperty('acrs')
    expect(claims).not.toHaveProperty('amr')
  })

  test('the trap: an authentication context that no policy is bound to is issued all the same', async () => {
    const at = await entra()
    at.world.switches.boundContexts = []
    const { url, redeem } = await attempt(await application(at))
    const claims = decodeJwt(
      (await redeem((await new Browser().signIn(url, 'mia@contoso.example')).left)).idToken,
    )
    expect(claims['acrs']).toEqual(['c1'])
  })

  test('bound to a phishing-resistant strength in the user’s tenant, a context asks for the passkey, which proves MFA too', async () => {
    const at = await entra()
    at.world.switches.strongContexts = { [CONTOSO.tid]: ['c5'] }
    const app = await application(at, 'organizations')
    const asked = async (upn: string) => {
      const claims = '{"id_token":{"acrs":{"essential":true,"value":"c5"}}}'
      const { url, redeem } = await attempt(app, {}, claims)
      const browser = new Browser()
      const { left } = await browser.signIn(url, upn)
      const account = at.site.browsers.find(browser.cookies.get('simulated_microsoft'))?.accounts[0]
      return [decodeJwt((await redeem(left)).idToken)['acrs'], account?.passkeyAt !== undefined]
    }
    expect(await asked('alice@contoso.example')).toEqual([['c5'], true])
    // In a tenant without the policy Entra issues the context all the same.
    expect(await asked('faye@fabrikam.example')).toEqual([['c5'], false])
  })

  test('bound, a user without MFA has to set it up on Microsoft’s page; without pages it is AADSTS50079', async () => {
    const at = await entra()
    const app = await application(at)
    const browser = new Browser()
    const page = await browser.signIn((await attempt(app)).url, 'mia@contoso.example')
    expect(page.title).toBe('More information required')
    const cancelled = await browser.submit(page, { enrol: 'no' })
    expect(cancelled.left?.searchParams.get('error_description')).toContain('AADSTS50079')
    at.world.auto = 'mia@contoso.example'
    const silent = await new Browser().get((await attempt(app)).url)
    expect(silent.left?.searchParams.get('error')).toBe('interaction_required')
    at.world.auto = null
    const second = await browser.signIn((await attempt(app)).url, 'mia@contoso.example')
    expect((await browser.submit(second, { enrol: 'yes' })).title).toBe('Approve sign in request')
  })
})

describe('who is not let in', () => {
  test.each([
    ['dan@contoso.example', 'AADSTS50057'],
    ['una@contoso.example', 'AADSTS50105'],
    ['faye@fabrikam.example', 'AADSTS50020'],
  ])('%s ends on a page of Microsoft’s with %s', async (upn, code) => {
    const at = await entra()
    const page = await new Browser().signIn((await attempt(await application(at))).url, upn)
    expect(page.left).toBeUndefined()
    expect(page.html).toContain(code)
    at.world.auto = upn
    const silent = await new Browser().get((await attempt(await application(at))).url)
    expect(silent.left?.searchParams.get('error_description')).toContain(code)
  })

  test('an unknown or deleted user, or one with a personal account, reads so at the email', async () => {
    const at = await entra()
    at.world.userOf('bob@contoso.example')!.deleted = true
    const browser = new Browser()
    const page = await browser.get((await attempt(await application(at, 'organizations'))).url)
    expect((await browser.submit(page, { loginfmt: 'nobody@contoso.example' })).html).toContain(
      'find an account',
    )
    expect((await browser.submit(page, { loginfmt: 'bob@contoso.example' })).html).toContain(
      'find an account',
    )
    expect((await browser.submit(page, { loginfmt: 'pat@outlook.example' })).html).toContain(
      'personal account',
    )
  })

  test('organizations takes users of every tenant; personal accounts only when switched on', async () => {
    const at = await entra()
    at.world.auto = 'faye@fabrikam.example'
    const faye = await attempt(await application(at, 'organizations'))
    expect(
      decodeJwt((await faye.redeem((await new Browser().get(faye.url)).left)).idToken),
    ).toMatchObject({
      tid: FABRIKAM.tid,
      iss: `${at.origin}/${FABRIKAM.tid}/v2.0`,
    })
    at.world.auto = 'pat@outlook.example'
    at.world.switches.personalAccounts = true
    const pat = await attempt(await application(at, 'organizations'), {}, null)
    expect(
      decodeJwt((await pat.redeem((await new Browser().get(pat.url)).left)).idToken)['tid'],
    ).toBe(PERSONAL.tid)
  })

  test('what the application did wrong stays with Microsoft: 50011, 700016, 90002; what can go back goes back: 700054, 901002', async () => {
    const at = await entra()
    const { url } = await attempt(await application(at))
    const browser = new Browser()
    const pageOf = async (change: (url: URL) => void): Promise<string> => {
      const changed = new URL(url)
      change(changed)
      const page = await browser.get(changed.href)
      return page.left?.searchParams.get('error_description') ?? page.html
    }
    expect(
      await pageOf((u) => u.searchParams.set('redirect_uri', 'http://localhost:7400/signin/other')),
    ).toContain('<p id="problem" role="alert">AADSTS50011')
    expect(await pageOf((u) => u.searchParams.set('client_id', 'unknown'))).toContain(
      'AADSTS700016',
    )
    expect(
      await pageOf((u) => {
        u.pathname = u.pathname.replace(CONTOSO.tid, 'nowhere.example')
      }),
    ).toContain('AADSTS90002')
    expect(await pageOf((u) => u.searchParams.set('response_type', 'token'))).toMatch(
      /^AADSTS700054/,
    )
    expect(await pageOf((u) => u.searchParams.set('amr_values', 'mfa'))).toMatch(/^AADSTS901002/)
  })

  test('a form from another origin, or another browser, is not taken', async () => {
    const at = await entra()
    const browser = new Browser()
    const page = await browser.get((await attempt(await application(at))).url)
    expect(
      (
        await browser.post(
          page.url,
          { loginfmt: 'alice@contoso.example' },
          { from: 'http://localhost:7411' },
        )
      ).status,
    ).toBe(403)
    expect(
      (await new Browser().submit(page, { loginfmt: 'alice@contoso.example' })).html,
    ).toContain('expired')
  })
})
