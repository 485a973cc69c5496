import { Hono } from 'hono'
import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { setSessionCookie } from '../../src/session/cookie.ts'
import { sha256 } from '../../src/runtime/compare.ts'
import type { User } from '../../db/types.ts'
import { PSEUDO } from '../page/pseudo.ts'
import { cityMetadata, createRig, LANGUAGES, type RegisteredClient, type Rig } from '../rig.ts'
import { authorizePath } from '../signin/browser.ts'
import {
  launchChromium,
  type Looks,
  objections,
  openWindow,
  picture,
  pressAt,
  tabTo,
} from './window.ts'

/**
 * The pages in real Chromium, their Content Security Policy in force: readable at 320 px, by
 * keyboard alone, in light and dark, and nothing that axe objects to. `BROKER_SCREENSHOTS=<dir>`
 * keeps pictures for the docs.
 */

let browser: Browser
beforeAll(async () => {
  browser = await launchChromium()
})
afterAll(() => browser.close())

let rig: Rig
let base: string
let session: Awaited<ReturnType<Rig['openSession']>>
let phone: typeof session
beforeEach(async () => {
  rig = await createRig({ env: LANGUAGES })
  const clients = [
    await rig.register('Sydney'),
    await rig.register('Melbourne', { appRole: 'CaseManager.Melbourne' }),
  ]
  session = await rig.openSession({ device: 'Firefox on Windows' })
  phone = await rig.openSession({ device: 'Safari on iPhone' })
  for (const client of clients) await takePart(client)
  await haveHistory()
  await rig.register('Perth', { consentRequired: true })
  await fillSessions()
  const door = new Hono().get('/test-session', (c) => {
    setSessionCookie(c, session.cookie)
    return c.text('signed in')
  })
  base = (await rig.serve(door.all('*', (c) => rig.app.fetch(c.req.raw)))).replace(
    '127.0.0.1',
    'localhost',
  )
  rig.config.issuer = base
})

async function takePart(client: RegisteredClient): Promise<void> {
  const { form } = await rig.issueCode(session.session.sid, client)
  await rig.store.redeemAuthorizationCode({
    codeHash: sha256(form.code),
    clientId: client.clientId,
    redirectUri: form.redirect_uri,
    verifier: form.code_verifier,
    familyId: rig.deps.random(16).toString('base64url'),
    now: rig.clock.now(),
  })
}

async function signOutEverywhere(): Promise<void> {
  const { sub } = session.session
  await rig.store.revoke({
    selector: { kind: 'subject', sub },
    reason: 'signed_out_everywhere',
    actor: { kind: 'user', id: sub },
    now: rig.clock.now(),
  })
}

/** Makes one entry of every kind. */
async function haveHistory(): Promise<void> {
  const { user, sub } = session.session
  const now = rig.clock.now()
  const from = { address: '2001:db8:85a3:1234:5678:8a2e:370:7334', clientId: 'sydney' }
  await rig.store.recordRejectedSignIn({
    user,
    why: 'mfa_not_proved',
    reference: 'BCDF-GHJK',
    device: 'Opera on Windows',
    from,
    now,
  })
  const [tablet, desktop] = [
    await rig.openSession({ device: 'Safari on iPad' }),
    await rig.openSession({ device: 'Edge on Windows' }),
  ]
  const selector = { kind: 'session', sid: tablet.session.sid } as const
  await rig.store.revoke({
    selector,
    reason: 'administrator',
    actor: { kind: 'operator', id: 'olga' },
    now,
  })
  const report = {
    sub,
    acting: session.session.sid,
    what: { sid: desktop.session.sid },
    everywhere: false,
    atMicrosoft: false,
  }
  await rig.store.reportByUser({ ...report, freshSince: now - 300, now })
}

/**
 * Bob, who signs in at Microsoft, has as many sessions as are allowed. Nothing demands a further
 * authentication of him.
 */
async function fillSessions(): Promise<void> {
  Object.assign(rig.config.sessionRules, { most: 2, whenFull: 'ask' })
  const bob = { ...rig.microsoft.user, oid: '00000000-0000-4000-8000-000000000b0b', name: 'Bob' }
  for (const device of ['Firefox on Windows', 'Safari on iPhone'])
    await rig.openSession({ user: bob, device })
  microsoftAccepts(bob)
}

/** Lets Microsoft send the browser back at once, as this user. Returns the prompts of each visit. */
function microsoftAccepts(user: User): (string | undefined)[] {
  const asked: (string | undefined)[] = []
  rig.microsoft.user = user
  rig.microsoft.authorizeUrl = ({ prompt, state }) => {
    asked.push(prompt)
    return Promise.resolve(`${base}/signin/callback?${new URLSearchParams({ code: 'c', state })}`)
  }
  return asked
}

async function open({ signedIn, ...looks }: Looks & { signedIn?: boolean }) {
  const window = await openWindow(browser, looks)
  if (signedIn) await window.page.goto(`${base}/test-session`)
  return window
}

async function visit(page: Page, { path, goesOn }: Visited): Promise<void> {
  if (goesOn) await page.context().clearCookies()
  await page.goto(base + path.replace('PHONE', phone.session.sid))
  if (goesOn) await page.locator('a.microsoft').click()
}

interface Visited {
  name: string
  path: string
  signedIn: boolean
  /** Goes on from this address through Microsoft, in a browser without a session. */
  goesOn?: true
}

const CONSENT = authorizePath({ clientId: 'perth', metadata: cityMetadata('Perth') })
const PAGES: Visited[] = [
  { name: 'consent', path: CONSENT, signedIn: true },
  { name: 'sign-out', path: '/logout?client_id=sydney', signedIn: true },
  { name: 'sign-out-rejected', path: '/logout?client_id=nobody', signedIn: true },
  { name: 'sign-out-rejected-nobody', path: '/logout?client_id=nobody', signedIn: false },
  { name: 'signed-out-nobody', path: '/logout/done', signedIn: false },
  { name: 'account', path: '/account', signedIn: true },
  { name: 'sign-out-everywhere', path: '/logout?everywhere', signedIn: true },
  { name: 'history', path: '/account/history', signedIn: true },
  { name: 'report', path: '/account/report?session=PHONE', signedIn: true },
  { name: 'reported', path: '/account/reported', signedIn: false },
  {
    name: 'request-unusable',
    path: '/authorize?client_id=sydney&redirect_uri=https://elsewhere.example',
    signedIn: false,
  },
  { name: 'sign-in-foreign', path: '/signin/continue?request=none', signedIn: false },
  { name: 'granting-consent', path: '/signin/granting-consent', signedIn: false },
  { name: 'ready', path: '/account/ready', signedIn: true },
  { name: 'ready-anybody', path: '/account/ready', signedIn: false },
  { name: 'home', path: '/', signedIn: true },
  { name: 'home-anybody', path: '/', signedIn: false },
  { name: 'sign-in', path: '/signin/start?return_to=/account', signedIn: false },
  { name: 'not-found', path: '/nothing', signedIn: false },
  {
    name: 'session-limit',
    path: '/signin/start?return_to=/account',
    signedIn: false,
    goesOn: true,
  },
]

describe.each([
  { look: 'at 320 px in German', width: 320, language: 'de' },
  { look: 'wide', width: 960 },
  { look: 'dark in Arabic', width: 960, dark: true, language: 'ar' },
] as const)('$look', (look) => {
  test('every page fits, and axe objects to nothing', async () => {
    await using inside = await open({ ...look, signedIn: true })
    await using outside = await open(look)
    for (const example of PAGES) {
      const { name } = example
      const { page, complaints } = example.signedIn ? inside : outside
      await visit(page, example)
      const { width, lang } = await page.evaluate(() => ({
        width: document.documentElement.scrollWidth,
        lang: document.documentElement.lang,
      }))
      expect.soft(width, `the width of ${name}`).toBeLessThanOrEqual(look.width)
      expect.soft(lang, `the language of ${name}`).toBe(look.language ?? 'en')
      await picture(page, `${name}-${look.look.replaceAll(' ', '-')}`)
      expect.soft(await objections(page), `axe, of ${name}`).toEqual([])
      expect.soft(complaints.splice(0), `the browser, of ${name}`).toEqual([])
    }
  })
})

test.each(['fr', 'es', 'ar'])('in %s every page fits 320 px', async (language) => {
  await using window = await open({ width: 320, language, signedIn: true })
  for (const page of PAGES) {
    const { path } = page
    await visit(window.page, page)
    const { width, lang } = await window.page.evaluate(() => ({
      width: document.documentElement.scrollWidth,
      lang: document.documentElement.lang,
    }))
    expect([path, width, lang]).toEqual([path, 320, language])
  }
})

test('in a language that is longer by half, every page fits 320 px', async () => {
  rig.config.look = { ...rig.config.look, languages: [PSEUDO], language: PSEUDO.language }
  await using window = await open({ width: 320, signedIn: true })
  for (const page of PAGES) {
    const { path } = page
    await visit(window.page, page)
    expect(await window.page.textContent('main')).toContain('⟦')
    expect([path, await window.page.evaluate(() => document.documentElement.scrollWidth)]).toEqual([
      path,
      320,
    ])
  }
})

describe('by keyboard alone', () => {
  test('a user signs out everywhere', async () => {
    await using window = await open({ width: 960, signedIn: true })
    const { page } = window
    await page.goto(`${base}/logout`)
    const focused = () =>
      page.evaluate(
        () =>
          (document.activeElement as HTMLInputElement | null)?.value ||
          document.activeElement?.textContent?.trim(),
      )
    const seen: (string | undefined)[] = []
    const tab = async () => {
      await page.keyboard.press('Tab')
      seen.push(await focused())
      const outline = await page.evaluate(() => {
        const at = document.activeElement
        return [at, at?.closest('.choice')].some(
          (candidate) => candidate && getComputedStyle(candidate).outlineStyle !== 'none',
        )
      })
      expect(outline, `focus shows on ${seen.at(-1)}`).toBe(true)
    }
    await tab()
    await tab()
    await page.keyboard.press('ArrowDown')
    await tab()
    await tab()
    expect(seen).toEqual(['Skip to the content', 'device', 'yes', 'Sign out'])
    await page.keyboard.press('Enter')
    await page.waitForURL('**/logout/done**')
    expect(await page.textContent('h1')).toBe('You are signed out of Case Manager everywhere')
    expect(window.complaints).toEqual([])
  })
})

describe.each([true, false])('by keyboard alone (with scripts: %s)', (scripts) => {
  test('a user chooses which session ends, and is signed in', async () => {
    await using window = await open({ width: 320, scripts })
    const { page } = window
    await page.goto(`${base}/signin/start?return_to=/account`)
    await pressAt(page, /^Sign in with Microsoft/)
    await page.getByRole('heading', { name: 'You are signed in on too many devices' }).waitFor()
    await tabTo(page, /Last used/)
    await page.keyboard.press('Space')
    const chosen = await page.locator('label:has(:checked) span').first().innerText()
    await pressAt(page, /^Sign out there/)
    await page.getByRole('heading', { name: 'Where you are signed in' }).waitFor()
    expect(await page.getByText('Chrome on Linux').count()).toBe(1)
    expect(await page.getByText(chosen).count()).toBe(0)
    expect(window.complaints).toEqual([])
  })

  test('a user agrees, or does not agree, that an instance learns who they are', async () => {
    const instance = await rig.serve(new Hono().get('/callback', (c) => c.text('Hobart')))
    const redirectUris = [`${instance}/callback`]
    const hobart = await rig.register('Hobart', { consentRequired: true, redirectUris })
    await using window = await open({ width: 320, scripts, signedIn: true })
    const { page } = window
    for (const [button, answer] of [
      [/^Do not allow$/, 'error=access_denied'],
      [/^Allow$/, 'code='],
    ] as const) {
      await page.goto(base + authorizePath(hobart))
      await pressAt(page, button)
      await page.waitForURL(`${instance}/**`)
      expect(page.url()).toContain(answer)
    }
    expect(window.complaints).toEqual([])
  })
})

test('the signed-out page shows how far the instances are informed, while it is open', async () => {
  await using window = await open({ width: 960, signedIn: true })
  const { page } = window
  await page.goto(`${base}/logout`)
  await page.getByRole('button', { name: 'Sign out' }).click()
  await page.waitForURL('**/logout/done**')
  expect(await page.getByText('Being confirmed…').count()).toBe(2)
  await picture(page, 'signed-out')
  expect(await objections(page)).toEqual([])
  for (const { id } of await rig.store.listDeliveries({ limit: 10 })) {
    const attempt = {
      attempt: 1,
      atMs: rig.clock.nowMs(),
      outcome: 'delivered',
      latencyMs: 1,
      status: 200,
    } as const
    await rig.store.leaseDelivery({
      id,
      attempt: 1,
      nowMs: rig.clock.nowMs(),
      untilMs: rig.clock.nowMs() + 10_000,
    })
    await rig.store.recordDelivery({ id, result: { outcome: 'delivered', attempt } })
  }
  // Their access tokens expire, because no guard judges them.
  rig.clock.advance(360)
  await page.waitForFunction(() => document.querySelectorAll('#progress .wait').length === 0)
  expect(await page.getByText('Signed out', { exact: true }).count()).toBe(2)
  expect(window.complaints).toEqual([])
})

test('a session that is not the user’s is reported in two clicks, and has ended', async () => {
  await using window = await open({ width: 960, signedIn: true })
  const { page } = window
  await page.goto(`${base}/account`)
  await page.getByRole('link', { name: /Lost, stolen or not me: Safari on iPhone/ }).click()
  await page.getByRole('button', { name: 'Yes, report it' }).click()
  await page.getByRole('heading', { name: 'We told your IT administrator' }).waitFor()
  expect((await rig.store.statusBySid(phone.session.sid, rig.clock.now())).state).toBe('ended')
  await page.getByRole('link', { name: 'Where you are signed in' }).click()
  expect(await page.getByRole('listitem').filter({ hasText: 'Safari on iPhone' }).count()).toBe(0)
  await page.getByText('You reported this sign-in').waitFor()
  await page.getByRole('link', { name: 'Security history' }).click()
  expect(await page.locator('strong', { hasText: 'You reported this sign-in' }).count()).toBe(2)
  expect(window.complaints).toEqual([])
})

test('on a phone, without scripts, the links of an account are behind one button, in one row with the sign-out', async () => {
  await using window = await open({ width: 320, scripts: false, signedIn: true })
  const { page } = window
  await page.goto(`${base}/account`)
  expect((await page.locator('.tabs').boundingBox())?.height).toBeLessThan(64)
  // The list offers none for this device: a second one would seem to do something else.
  expect(await page.getByRole('link', { name: 'Sign out', exact: true }).count()).toBe(1)
  const links = page.locator('.tabs').getByRole('link', { name: 'Security history' })
  expect(await links.count()).toBe(0)
  await page.locator('summary').focus()
  await page.keyboard.press('Enter')
  expect(await links.count()).toBe(1)
  await links.click()
  await page.getByRole('heading', { name: 'Security history', level: 1 }).waitFor()
})

// French and Spanish have longer names for the pages.
test.each([
  ['en', [768, 1024, 1440], []],
  ['de', [768, 1024, 1440], []],
  ['ar', [768, 1024, 1440], []],
  ['fr', [1440], [768, 1024]],
  ['es', [1440], [768, 1024]],
] as const)(
  'in %s the links of an account are in one row where there is room, and behind the button elsewhere',
  async (language, row, button) => {
    await using window = await open({ width: 1440, signedIn: true, language })
    const { page } = window
    await page.goto(`${base}/account`)
    for (const width of [...row, ...button]) {
      await page.setViewportSize({ width, height: 800 })
      expect([width, await page.locator('.tabs summary').isVisible()]).toEqual([
        width,
        (button as readonly number[]).includes(width),
      ])
      expect((await page.locator('.tabs').boundingBox())?.height, `at ${width} px`).toBeLessThan(64)
      expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBe(width)
    }
  },
)

test.each(['/', '/account', '/account/history', '/account/ready'])(
  '%s notices that its user signed out everywhere, and says so',
  async (path) => {
    await using window = await open({ width: 390, signedIn: true })
    const { page } = window
    await page.goto(`${base}${path}`)
    await signOutEverywhere()
    await page.getByText('You signed out everywhere.').waitFor()
    expect(await page.textContent('h1')).toBe('Sign in')
    expect(await objections(page)).toEqual([])
    expect(window.complaints).toEqual([])
  },
)

test('a result page of the account, too, leaves for the sign-in page', async () => {
  await using window = await open({ width: 390, signedIn: true })
  const { page } = window
  await page.goto(`${base}/account`)
  await page.getByRole('button', { name: 'Sign out Safari on iPhone' }).click()
  await page.getByText('Signed out: Safari on iPhone').waitFor()
  const { sid } = session.session
  await rig.store.revoke({
    selector: { kind: 'session', sid },
    reason: 'administrator',
    actor: { kind: 'operator', id: 'olga' },
    now: rig.clock.now(),
  })
  await page.getByText('An administrator signed you out.').waitFor()
  expect(window.complaints).toEqual([])
})

test('the signed-out page says until when an app stops, in the reader’s time zone, and follows what is confirmed later', async () => {
  const { leases } = rig.feed
  await leases.open({
    stream: leases.name('stream', 'melbourne'),
    clientId: 'melbourne',
    guardId: 'web-1',
  })
  const minute = Math.ceil((rig.clock.nowMs() + 30_000) / 60_000)
  const until = new Date((minute + 330) * 60_000).toISOString().slice(11, 16)
  await using window = await open({ width: 390, signedIn: true, zone: 'Asia/Kolkata' })
  const { page } = window
  await page.goto(`${base}/logout`)
  await page.getByRole('button', { name: 'Sign out' }).click()
  await page.getByText('Being confirmed…').first().waitFor()
  rig.clock.advance(3)
  const clock = page.locator('#progress li', { hasText: 'Melbourne' }).locator('time')
  await clock.waitFor()
  // A part that has not changed is not replaced: a screen reader would read it again.
  await clock.evaluate((time) => void Object.assign(time, { seen: true }))
  await page.waitForResponse(/done/)
  await page.waitForResponse(/done/)
  expect(await clock.evaluate((time) => 'seen' in time)).toBe(true)
  expect(await clock.textContent()).toContain(until)
  await page.getByText('Not confirmed yet').first().waitFor()
  rig.clock.advance(27)
  await clock.waitFor({ state: 'detached' })
  const nowMs = rig.clock.nowMs()
  for (const { id } of await rig.store.listDeliveries({ limit: 10 })) {
    const attempt = { attempt: 1, atMs: nowMs, outcome: 'delivered', latencyMs: 1, status: 200 }
    await rig.store.leaseDelivery({ id, attempt: 1, nowMs, untilMs: nowMs + 10_000 })
    await rig.store.recordDelivery({
      id,
      result: { outcome: 'delivered', attempt: { ...attempt, outcome: 'delivered' } },
    })
  }
  rig.clock.advance(360)
  await expect
    .poll(() => page.locator('#progress').getByText('Signed out', { exact: true }).count())
    .toBe(2)
  await page.getByText('have confirmed').waitFor()
  expect(window.complaints).toEqual([])
})

test('the page before a further authentication at Microsoft says why, and leads there', async () => {
  await signOutEverywhere()
  while ((await rig.store.fanOutPending({ limit: 100 })).more);
  const asked = microsoftAccepts(session.session.user)
  await using window = await open({ width: 390, dark: true })
  const { page } = window
  await page.goto(`${base}/signin/start?return_to=/account`)
  await page.getByRole('link', { name: 'Sign in with Microsoft' }).click()
  await page.getByRole('heading', { name: 'Confirm once more that it is you' }).waitFor()
  expect(await page.getByText('You signed out everywhere.').count()).toBe(1)
  expect(await objections(page)).toEqual([])
  await page.getByRole('link', { name: 'Sign in with Microsoft' }).click()
  await page.getByRole('heading', { name: 'Where you are signed in' }).waitFor()
  expect(asked).toEqual(['select_account', 'login'])
  expect(window.complaints).toEqual([])
})

test.each([false, true])(
  'the page of each rejected sign-in fits 320 px, and axe objects to nothing (dark: %s)',
  async (dark) => {
    await using window = await open({ width: 320, dark })
    const { page } = window
    for (const code of [65004, 90094, 700016, 50105, 50057]) {
      const error = { error: 'access_denied', error_description: `AADSTS${code}: no.` }
      rig.microsoft.authorizeUrl = ({ state }) =>
        Promise.resolve(`${base}/signin/callback?${new URLSearchParams({ ...error, state })}`)
      await page.goto(`${base}/signin/start?return_to=/account`)
      await page.getByRole('link', { name: 'Sign in with Microsoft' }).click()
      await page.locator('#message').waitFor()
      expect.soft(await page.evaluate(() => document.documentElement.scrollWidth)).toBe(320)
      expect.soft(await objections(page), `axe, of ${code}`).toEqual([])
    }
    expect(window.complaints).toEqual([])
  },
)

test('on paper a page has its content alone', async () => {
  await using window = await open({ width: 960, signedIn: true })
  rig.config.entra.simulated = true
  await window.page.goto(`${base}/account`)
  await window.page.emulateMedia({ media: 'print' })
  for (const part of ['.banner', '.tabs', '.foot'])
    expect(await window.page.locator(part).isVisible()).toBe(false)
  expect(await window.page.getByText('Safari on iPhone').first().isVisible()).toBe(true)
})

test('one device is signed out from the other’s list', async () => {
  await using window = await open({ width: 960, signedIn: true })
  const { page } = window
  await page.goto(`${base}/account`)
  await page.getByRole('button', { name: /Sign out Safari on iPhone/ }).click()
  await page.getByText('Signed out: Safari on iPhone').waitFor()
  expect(await page.evaluate(() => document.activeElement?.textContent)).toBe(
    'Signed out: Safari on iPhone',
  )
  expect(await page.getByRole('listitem').filter({ hasText: 'Safari on iPhone' }).count()).toBe(0)
  expect(window.complaints).toEqual([])
})

test('the policy lets the sign-out through Microsoft to the registered address of another origin (CSP 3 form-action, redirects included)', async () => {
  const microsoft: string = await rig.serve(
    new Hono().get('/logout', (c) => c.redirect(c.req.query('post_logout_redirect_uri') ?? '')),
  )
  const instance = await rig.serve(
    new Hono().get('/signed-out', (c) =>
      c.html('<!doctype html><title>Perth</title><h1>Perth says goodbye</h1>'),
    ),
  )
  await rig.register('Perth', { postLogoutRedirectUris: [`${instance}/signed-out`] })
  rig.config.entra.authority = microsoft
  rig.microsoft.logoutUrl = () =>
    Promise.resolve(
      `${microsoft}/logout?${new URLSearchParams({ post_logout_redirect_uri: `${base}/logout/return` })}`,
    )
  await using window = await open({ width: 960, signedIn: true })
  const { page } = window
  await page.goto(
    `${base}/logout?${new URLSearchParams({ client_id: 'perth', post_logout_redirect_uri: `${instance}/signed-out`, state: 'x y' })}`,
  )
  await page.getByLabel('Sign out of Microsoft 365 too').check()
  await page.getByRole('button', { name: 'Sign out' }).click()
  await page.getByText('You are signed out of Microsoft 365 in this browser too.').waitFor()
  expect(await page.textContent('h1')).toBe('You are signed out on this device')
  expect(await objections(page)).toEqual([])
  await page.getByRole('link', { name: 'Back to Case Manager Perth' }).click()
  await page.getByText('Perth says goodbye').waitFor()
  expect(page.url()).toBe(`${instance}/signed-out?state=x%20y`)
  expect(window.complaints).toEqual([])
})
