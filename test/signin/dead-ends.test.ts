import { describe, expect, test } from 'vitest'
import { MicrosoftRejection } from '../../src/microsoft/interface.ts'
import type { RateSettings } from '../../src/runtime/rate-limits.ts'
import { browserAt } from '../browser.ts'
import { createRig, ISSUER, type RigOptions } from '../rig.ts'
import {
  atMicrosoft,
  authorizePath,
  createBrowser,
  delivered,
  linkOf,
  location,
  signIn,
} from './browser.ts'

/**
 * No page of a sign-in is a dead end: each says what happened, how to go on, and by which reference
 * an administrator finds it in the log.
 */

/** Rate settings without any other limit. */
const OFF: RateSettings = {
  clientFailures: undefined,
  authorize: undefined,
  pushedRequests: undefined,
  introspect: undefined,
}
const HTML = { headers: { accept: 'text/html' } }
const lineOf = (lines: readonly string[], event: string) =>
  lines
    .map((line) => JSON.parse(line) as Record<string, unknown>)
    .findLast((line) => line.event === event)
const REFERENCE = /^[A-Z2-9]{4}-[A-Z2-9]{4}$/
const referenceIn = (html: string) => /<code id="reference">([^<]+)<\/code>/.exec(html)?.[1]

/** The operator's help contact. */
const DESK = { env: { BROKER_SUPPORT_URL: 'mailto:it@contoso.example' } }

async function open(
  changes: Parameters<Awaited<ReturnType<typeof createRig>>['register']>[1] = {},
  options: RigOptions = {},
) {
  const rig = await createRig(options)
  return { rig, sydney: await rig.register('Sydney', changes), browser: createBrowser(rig) }
}

describe('an authorization request that must not redirect', () => {
  test('is a page with a way back to the app, words for users, and a reference that the log has', async () => {
    const { rig, sydney, browser } = await open()
    const { status, html, text } = await browser.get(
      authorizePath(sydney, { redirect_uri: 'https://evil.example/callback' }),
    )
    expect(status).toBe(400)
    expect(text).toContain('Your account is not the cause.')
    expect(text).toContain('For your IT administrator: The redirect_uri is not registered')
    expect(linkOf(html, 'Go back to Case Manager Sydney')).toBe(
      'https://sydney.case-manager.example/',
    )
    expect(html).not.toContain('evil.example')
    expect(lineOf(rig.lines, 'authorize_rejected')).toMatchObject({
      client_id: 'sydney',
      reference: referenceIn(html),
    })
    expect(referenceIn(html)).toMatch(REFERENCE)
  })

  test('of a client that is not registered leads to the user’s apps', async () => {
    const { browser, sydney } = await open()
    const { html } = await browser.get(authorizePath(sydney, { client_id: 'nowhere' }))
    expect(linkOf(html, 'Go to your apps')).toBe(`${ISSUER}/`)
  })

  test('too often, the page offers a retry', async () => {
    const { browser, sydney } = await open(
      {},
      { config: { rates: { ...OFF, authorize: { perSecond: 0.01, burst: 1 } } } },
    )
    await browser.get(authorizePath(sydney))
    const limited = await browser.get(authorizePath(sydney))
    expect(limited.status).toBe(429)
    expect(limited.text).toContain('Too many requests came from your network.')
    expect(linkOf(limited.html, 'Try again')).toBe(`${ISSUER}${authorizePath(sydney)}`)
  })
})

test('an error elsewhere is logged with the reference that its page shows', async () => {
  const { rig, browser } = await open()
  const { status, html } = await browser.get('/signin/start?return_to=https://evil.example')
  expect(status).toBe(400)
  expect(lineOf(rig.lines, 'page_rejected')).toMatchObject({
    path: '/signin/start',
    error: 'invalid_request',
    reference: referenceIn(html),
  })
  expect(linkOf(html, 'Go to your apps')).toBe(`${ISSUER}/`)
})

test.each([
  '//evil.example',
  '/tenant//evil.example',
  '/tenant/../ops',
  '/tenant?a=\\evil',
  '/ops',
])('a sign-in of the broker’s own pages returns to none but those: %s', async (address) => {
  const { browser } = await open()
  const query = new URLSearchParams({ return_to: address })
  expect((await browser.get(`/signin/start?${query}`)).status).toBe(400)
})

test('a page that could not be read can be opened again, at this origin', async () => {
  const { rig } = await open()
  rig.store.statusByCookie = () => Promise.reject(new Error('a bug'))
  const cookie = { headers: { ...HTML.headers, cookie: `__Host-cmb_session=${'a'.repeat(43)}` } }
  for (const path of ['/account?x=1', '//evil.example/..//account']) {
    const answer = await rig.app.request(`${ISSUER}${path}`, cookie)
    const link = answer.status === 500 ? linkOf(await answer.text(), 'Try again') : '/'
    expect(new URL(link, ISSUER).origin).toBe(ISSUER)
  }
  expect(
    linkOf(await (await rig.app.request(`${ISSUER}/account?x=1`, cookie)).text(), 'Try again'),
  ).toBe(`${ISSUER}/account?x=1`)
})

describe('the sign-in page says why an earlier sign-in in this browser ended, by its class alone', () => {
  const PROOF = 'Microsoft asks you to confirm that it is you.'
  test.each([
    ['microsoft_password_changed', 'You were signed out from elsewhere.', true],
    ['refresh_token_reuse', 'You were signed out from elsewhere.', true],
    ['signed_out_everywhere', 'You signed out everywhere.', true],
    [
      'signed_out_remotely',
      'You used another device to sign out. If you did not, tell your IT administrator.',
      true,
    ],
    ['session_limit', 'You signed in on another device', false],
    [
      'replaced',
      'Another person used the same browser to sign in, so you were signed out in it.',
      false,
    ],
    ['administrator', 'An administrator signed you out.', true],
    ['tenant_removed', 'An administrator signed you out.', true],
    ['locked', 'Your access to Case Manager was locked, so you were signed out.', true],
    ['microsoft_account_disabled', 'Your organization has switched off your account', false],
    ['expired', 'You were signed out automatically', false],
    ['signed_out', undefined, false],
  ] as const)('%s', async (reason, words, asksProof) => {
    const { rig, sydney } = await open()
    const { session, cookieHeader } = await rig.openSession()
    const browser = browserAt(rig, { cookies: cookieHeader, follows: () => false })
    const selector = { kind: 'session', sid: session.sid } as const
    await rig.store.revoke({
      selector,
      reason,
      actor: { kind: 'operator', id: 'olga' },
      now: rig.clock.now(),
    })
    const { text } = await browser.get(authorizePath(sydney))
    if (words === undefined) expect(text).not.toContain('You signed out')
    else expect(text).toContain(words)
    expect(text.includes(PROOF)).toBe(asksProof)
    expect(text).not.toMatch(/olga|token|risk/)
  })
})

describe('“Need admin approval” at Microsoft comes back as if the user had declined (AADSTS65004)', () => {
  test('and the page has a message for the administrator, and the page for them has Microsoft’s page of consent', async () => {
    const { rig, sydney, browser } = await open({}, DESK)
    const callback = await atMicrosoft(rig, browser, await browser.get(authorizePath(sydney)))
    const declined = await browser.get(
      callback.replace(
        'code=microsoft-code',
        'error=access_denied&error_description=AADSTS65004%3A+declined',
      ),
    )
    expect(declined.text).toContain('Did Microsoft say “Need admin approval”?')
    expect(buttonsOf(declined.html)).toEqual(['Try again', 'Go back to Case Manager Sydney'])
    const mail = linkOf(declined.html, 'Contact your IT administrator')
    expect(mail).toMatch(/^mailto:it@contoso\.example\?subject=Please%20allow%20Case%20Manager/)
    expect(decodeURIComponent(mail)).toContain(`${ISSUER}/signin/granting-consent`)
    expect(declined.html).toMatch(/<p class="quote" id="message">[^<]*granting-consent/)
    expect(declined.html).toMatch(/data-copies="message"[^>]*>Copy the message/)
    const page = await browser.get(
      linkOf(declined.html, 'Granting consent (for IT administrators)'),
    )
    const consent = new URL(linkOf(page.html, 'Grant consent at Microsoft'))
    expect(consent.pathname).toBe('/organizations/v2.0/adminconsent')
    expect(consent.searchParams.get('redirect_uri')).toBe(`${ISSUER}/signin/callback`)
    const back = await browser.get('/signin/callback?admin_consent=True&tenant=x')
    expect(back.location).toBe('/signin/granting-consent')
  })
})

/** Returns the labels of the large buttons of a page, the primary one first. */
const buttonsOf = (html: string): string[] =>
  [...html.matchAll(/class="button(?: quiet)?"[^>]*>([^<]*)/g)].map(([, label = '']) => label)

test.each(['admin_consent', 'consent', 'unknown', 'enrol_mfa', 'outage'] as const)(
  '%s: one button says what to do, one goes back, and everything else is a link',
  async (guidance) => {
    const { rig, sydney, browser } = await open({}, DESK)
    rig.microsoft.next = new MicrosoftRejection(guidance, {})
    const { html } = await signIn(rig, browser, authorizePath(sydney))
    expect(html.match(/class="button"/g)).toHaveLength(1)
    expect(buttonsOf(html).slice(1)).toEqual(['Go back to Case Manager Sydney'])
    if (guidance === 'admin_consent')
      expect(buttonsOf(html)[0]).toBe('Contact your IT administrator')
  },
)

test.each(['account_disabled', 'not_assigned', 'blocked_by_policy'] as const)(
  '%s: the first button is for the administrator, with the reference in the message',
  async (guidance) => {
    const { rig, sydney, browser } = await open({}, DESK)
    rig.microsoft.next = new MicrosoftRejection(guidance, {})
    const page = await browser.get(
      await atMicrosoft(rig, browser, await browser.get(authorizePath(sydney))),
    )
    const first = /<div class="row"><a class="button" href="([^"]*)">([^<]*)</.exec(page.html)
    expect(first?.[2]).toBe('Contact your IT administrator')
    const { reference } = lineOf(rig.lines, 'signin_rejected') ?? {}
    expect(reference).toMatch(REFERENCE)
    expect(decodeURIComponent(first?.[1] ?? '')).toContain(reference)
    // One code, in one place.
    expect(page.text.split(String(reference))).toHaveLength(2)
  },
)

describe('a sign-in that took too long starts again at the app, whose own state has expired too', () => {
  const late = async (changes: Parameters<typeof open>[0]) => {
    const { rig, sydney, browser } = await open(changes)
    const callback = await atMicrosoft(rig, browser, await browser.get(authorizePath(sydney)))
    rig.clock.advance(601)
    return browser.get(callback)
  }

  test('by its initiate_login_uri (OpenID Connect Core 1.0 §4)', async () => {
    const { html } = await late({
      initiateLoginUri: 'https://sydney.case-manager.example/sign-in?from=broker',
    })
    const again = new URL(linkOf(html, 'Sign in again'))
    expect(Object.fromEntries(again.searchParams)).toEqual({ from: 'broker', iss: ISSUER })
  })

  test('else at its home', async () => {
    expect(linkOf((await late({})).html, 'Go back to Case Manager Sydney')).toBe(
      'https://sydney.case-manager.example/',
    )
  })
})

describe('two tabs', () => {
  test('a callback that comes a second time says that the user is signed in, and opens the app', async () => {
    const { rig, sydney, browser } = await open()
    const callback = await atMicrosoft(rig, browser, await browser.get(authorizePath(sydney)))
    await browser.get(callback)
    const again = await browser.get(callback)
    expect(again.status).toBe(409)
    expect(again.text).toContain('You are already signed in')
    expect(linkOf(again.html, 'Open Case Manager Sydney')).toBe(
      'https://sydney.case-manager.example/',
    )
  })

  test('an old sign-in page takes the session that the other tab opened; another account still leads to Microsoft', async () => {
    const { rig, sydney, browser } = await open()
    const old = await browser.get(authorizePath(sydney))
    const own = await browser.get('/signin/start?return_to=/account')
    await signIn(rig, browser, authorizePath(sydney, { state: 'state-2' }))
    const link = linkOf(old.html, 'Sign in with Microsoft')
    expect(delivered(await browser.get(link))).toMatchObject({
      state: 'state-1',
      code: expect.any(String) as string,
    })
    expect(location(await browser.get(linkOf(own.html, 'Sign in with Microsoft'))).pathname).toBe(
      '/account',
    )
    expect(rig.microsoft.started).toHaveLength(1)
    expect(location(await browser.get(`${link}&account=another`)).host).toBe(
      'login.microsoftonline.com',
    )
  })

  test('a page that demands a fresh sign-in still leads to Microsoft', async () => {
    const { rig, sydney, browser } = await open()
    const old = await browser.get(authorizePath(sydney, { prompt: 'login' }))
    const own = await browser.get('/signin/start?return_to=/account/history&fresh=yes')
    await signIn(rig, browser, authorizePath(sydney, { state: 'state-2' }))
    rig.clock.advance(301)
    for (const page of [old, own])
      expect(location(await browser.get(linkOf(page.html, 'Sign in with Microsoft'))).host).toBe(
        'login.microsoftonline.com',
      )
  })
})

test('in a browser without cookies the page says to allow them', async () => {
  const { rig, sydney } = await open()
  const page = await (await rig.app.request(`${ISSUER}${authorizePath(sydney)}`)).text()
  const answer = await rig.app.request(linkOf(page, 'Sign in with Microsoft'))
  expect(answer.status).toBe(400)
  expect(await answer.text()).toContain(
    `Allow cookies for ${new URL(ISSUER).host}, then start again.`,
  )
  expect(rig.microsoft.started).toEqual([])
})
