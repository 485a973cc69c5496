import { Hono } from 'hono'
import type { Browser } from 'playwright-core'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { setSessionCookie } from '../../src/session/cookie.ts'
import { requestRevocation } from '../../src/revocation/revoke.ts'
import { attempted, USERS, type Somebody } from '../console/console.ts'
import { createRig, OTHER_TENANT, type Rig, TENANT } from '../rig.ts'
import { busyDay } from './busy-day.ts'
import { fits, launchChromium, objections, openWindow, picture, pressAt, tabTo } from './window.ts'

/**
 * The console in real Chromium, its Content Security Policy in force, by an operator, an
 * administrator, an administrator of another tenant and a user without a role: from 320 px on, by
 * keyboard alone, live, and nothing that axe objects to. `BROKER_SCREENSHOTS=<dir>` keeps pictures
 * for the docs.
 */

let browser: Browser
beforeAll(async () => {
  browser = await launchChromium()
})
afterAll(() => browser.close())

let rig: Rig
let base: string
let ops: string
let wanted: string
beforeEach(async () => {
  rig = await createRig()
  const door = new Hono().get('/test-session', async (c) => {
    const { roles, ...user } = USERS[c.req.query('who') as Somebody]
    const { cookie } = await rig.openSession({
      user,
      roles: [...roles],
      device: 'Firefox on Windows',
    })
    setSessionCookie(c, cookie)
    return c.text('signed in')
  })
  base = (await rig.serve(door.route('/', rig.app))).replace('127.0.0.1', 'localhost')
  ops = (await rig.serve(rig.opsApp)).replace('127.0.0.1', 'localhost')
  rig.config.issuer = base
  rig.config.opsOrigin = ops
  wanted = await busyDay(rig)
})

async function open(options: { width: number; dark?: boolean; who: Somebody; zone?: string }) {
  const window = await openWindow(browser, { ...options, height: 800 })
  const { page } = window
  await page.goto(`${base}/test-session?who=${options.who}`)
  await page.goto(`${ops}/ops`)
  await page.getByRole('link', { name: 'Sign in' }).click()
  await page.waitForURL(/\/ops(?:\/callback.*)?$/)
  return window
}

const PAGES = [
  ['overview', '/ops'],
  ['revocations', '/ops/revocations'],
  ['revocation', '/ops/revocations/6'],
  ['deliveries', '/ops/deliveries?state=failed'],
  ['sessions', '/ops/sessions?client=sydney'],
  ['users', '/ops/users'],
  ['sign-ins', '/ops/sign-ins'],
  ['tenants', '/ops/tenants'],
  ['tenant', `/ops/tenants/${TENANT}`],
  ['instances', '/ops/clients'],
  ['instance', '/ops/clients/melbourne'],
  ['replace-secret', '/ops/clients/melbourne/secrets/replace'],
  ['search', '/ops/search?q=contoso'],
  ['keys', '/ops/keys'],
  ['replace-keys', '/ops/keys/rotate?how=emergency'],
  ['audit', '/ops/audit'],
  ['further-back', '/ops/revocations?reason=client_removed'],
] as const

const LOOKS = [
  { look: 'at-320-px', width: 320, colorScheme: 'light' },
  { look: 'wide', width: 1280, colorScheme: 'light' },
  { look: 'dark', width: 1280, colorScheme: 'dark' },
] as const

test('the console fits on every page at every width, and axe objects to nothing, in light and dark', async () => {
  await using window = await open({ width: 320, who: 'administrator' })
  const { page } = window
  const fitsAt = async (name: string, width: number): Promise<void> => {
    await page.setViewportSize({ width, height: 800 })
    expect([name, width, await page.evaluate(() => document.documentElement.scrollWidth)]).toEqual([
      name,
      width,
      width,
    ])
  }
  const [user] = (await rig.store.searchUsers({ text: 'jack jones', limit: 1 })).users
  await rig.store.recordRejectedSignIn({
    user: { ...USERS.auditor, tid: TENANT },
    why: 'mfa_not_proved',
    reference: 'BCDF-GHJK',
    device: 'Edge on Windows',
    now: rig.clock.now(),
    from: { clientId: 'sydney' },
  })
  // A search looks at two entries, as in a log of millions, in which a reason is not found at once.
  const { pageOfRevocations } = rig.store
  rig.store.pageOfRevocations = (input) =>
    pageOfRevocations({ ...input, most: input.reason === undefined ? input.most : 2 })
  const [delivery] = await rig.store.listDeliveries({ state: 'failed', limit: 1 })
  const pages = [
    ...PAGES,
    ['user', `/ops/users/${user?.sub}`],
    ['delivery', `/ops/deliveries/${delivery?.id}`],
  ] as const
  for (const [name, path] of pages) {
    await page.setViewportSize({ width: 320, height: 800 })
    await page.goto(ops + path)
    for (const { look, width, colorScheme } of LOOKS) {
      // Without reduced motion the test would see a button while its color changes.
      await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' })
      await fitsAt(name, width)
      await picture(page, `ops-${name}-${look}`)
      expect([name, look, await objections(page)]).toEqual([name, look, []])
    }
    // These widths are between a phone and a wide window.
    for (const width of [768, 1440]) await fitsAt(name, width)
  }
  expect(window.complaints).toEqual([])
})

test('the lists are tables on a tablet, and lists of lines with labels on a phone; no page scrolls sideways between them, and no table is wider than its panel', async () => {
  await lockStranger(rig)
  await using window = await open({ width: 768, who: 'administrator' })
  const { page } = window
  for (const path of [
    '/ops/sessions',
    '/ops/revocations',
    '/ops/deliveries?state=failed',
    '/ops/audit',
    '/ops/clients',
    '/ops/locks',
  ]) {
    await page.goto(ops + path)
    for (const [width, display] of [
      [640, 'block'],
      [768, 'table'],
      [1024, 'table'],
    ] as const) {
      await page.setViewportSize({ width, height: 800 })
      const seen = await page.evaluate(() => [
        document.documentElement.scrollWidth,
        getComputedStyle(document.querySelector('main table') ?? document.body).display,
        [...document.querySelectorAll('main table')].filter(
          ({ clientWidth, nextElementSibling }) =>
            clientWidth > (nextElementSibling?.clientWidth ?? 0),
        ).length,
      ])
      expect([path, ...seen]).toEqual([path, width, display, 0])
    }
  }
})

test('each field of a time shows the whole of it at every width, and each time is in the reader’s time zone, beside UTC', async () => {
  await using window = await open({ width: 320, who: 'administrator', zone: 'Europe/Zurich' })
  const { page } = window
  const [user] = (await rig.store.searchUsers({ text: 'jack jones', limit: 1 })).users
  for (const path of [
    '/ops/revocations',
    '/ops/audit',
    '/ops/sign-ins',
    `/ops/lock?user=${user?.sub}`,
  ]) {
    await page.goto(`${ops + path}${path.includes('?') ? '&' : '?'}since=2026-01-01T10%3A00`)
    for (const width of [320, 390, 768, 1024, 1280, 1440]) {
      await page.setViewportSize({ width, height: 800 })
      expect(await page.locator('input[type=datetime-local]').count()).toBeGreaterThan(0)
      const cutOff = await page.evaluate(() =>
        [...document.querySelectorAll<HTMLInputElement>('input[type=datetime-local]')]
          .filter((field) => {
            const laidOut = field.offsetWidth
            field.style.width = 'max-content'
            const whole = field.offsetWidth
            field.style.width = ''
            return laidOut < whole
          })
          .map(({ name }) => name),
      )
      expect([path, width, cutOff]).toEqual([path, width, []])
    }
  }
  await page.goto(`${ops}/ops/revocations`)
  expect(await page.locator('main time').first().textContent()).toMatch(
    /10:0\d:\d\d 09:0\d:\d\d\sUTC$/,
  )
  expect(window.complaints).toEqual([])
})

test('every panel of a revocation’s page has the width of the page', async () => {
  await using window = await open({ width: 1280, who: 'administrator' })
  const { page } = window
  await page.goto(`${ops}/ops/revocations/6`)
  const widths = await page
    .locator('main .panel')
    .evaluateAll((panels) => panels.map((panel) => Math.round(panel.getBoundingClientRect().width)))
  expect(widths).toHaveLength(4)
  expect(new Set(widths)).toEqual(new Set([1240]))
})

test('on a phone, without scripts, the menu leads on, and the search finds a user', async () => {
  await using context = await browser.newContext({
    viewport: { width: 320, height: 700 },
    javaScriptEnabled: false,
  })
  const page = await context.newPage()
  await page.goto(`${base}/test-session?who=operator`)
  await page.goto(`${ops}/ops/sign-in`)
  expect(await page.getByRole('link', { name: 'Audit' }).count()).toBe(0)
  await page.getByText('Menu', { exact: true }).click()
  await page.getByRole('link', { name: 'Audit' }).click()
  await page.getByRole('heading', { name: 'Audit log' }).waitFor()
  await page.getByRole('searchbox').fill('jones jack')
  await page.getByRole('searchbox').press('Enter')
  await page.getByRole('heading', { name: 'Jack Jones' }).waitFor()
})

const STRANGER = '00000000-0000-4000-8000-0000000000ff'

/** A user who has never signed in is locked. */
async function lockStranger({ store, clock }: Rig): Promise<string> {
  const by = {
    actor: { kind: 'operator', id: 'cmb@erin (unverified)' },
    may: 'administer',
    now: clock.now(),
  } as const
  const said = { caseReference: 'INC-4711', comment: 'Laptop stolen on the train' }
  const target = { kind: 'user', tid: TENANT, oid: STRANGER } as const
  const locked = await store.lock({
    ...by,
    ...said,
    target,
    operatorTenant: TENANT,
    endsAt: by.now + 86_400,
  })
  return locked.outcome === 'locked' ? locked.lock.id : expect.unreachable()
}

test('the pages of locks fit at 320, 768 and 1440 px, in light and dark, and axe objects to nothing', async () => {
  const lock = await lockStranger(rig)
  await using window = await open({ width: 320, who: 'administrator' })
  const { page } = window
  const pages = [
    ['locks', '/ops/locks'],
    ['lock-tenant', `/ops/lock?tenant=${OTHER_TENANT}`],
    ['lock-lift', `/ops/locks/lift?id=${lock}`],
    ['lock-client', '/ops/lock?client=sydney'],
  ] as const
  for (const [name, path] of pages) {
    const response = await page.goto(ops + path)
    expect([name, response?.status()]).toEqual([name, 200])
    await fits(page, `ops-${name}`)
  }
  expect(window.complaints).toEqual([])
})

describe('who is let in', () => {
  test.each([
    ['operator', 'Overview'],
    ['administrator', 'Overview'],
    ['foreigner', 'The console is not open to you'],
    ['nobody', 'The console is not open to you'],
  ] as const)('%s: %s', async (who, title) => {
    await using window = await open({ width: 1280, who })
    expect(await window.page.textContent('h1')).toBe(title)
    await picture(window.page, `ops-as-${who}`)
    expect(await objections(window.page)).toEqual([])
    expect(await window.page.getByRole('link', { name: 'Set-up', exact: true }).count()).toBe(
      who === 'administrator' ? 1 : 0,
    )
    expect(window.complaints).toEqual([])
  })
})

test('by keyboard alone an administrator revokes a session, having seen whom', async () => {
  await using window = await open({ width: 1280, who: 'administrator' })
  const { page } = window
  await page.goto(`${ops}/ops/sessions?user=jack`)
  await pressAt(page, /^End this session: Jack Jones/)
  await page.waitForURL('**/ops/revoke?**')
  expect(await page.locator('h1:focus').textContent()).toBe(await page.locator('h1').textContent())
  await page.getByText('Check before you revoke').waitFor()
  expect(await page.textContent('main')).toContain('1 session of 1 user')
  await picture(page, 'ops-revoke-check')
  expect(await objections(page)).toEqual([])
  await pressAt(page, /^End this session$/)
  await page.waitForURL('**/ops/revocations/*?done=yes')
  expect((await rig.store.statusBySid(wanted, rig.clock.now())).state).toBe('ended')
  expect(window.complaints).toEqual([])
})

test('by keyboard alone an administrator picks two users, sees whom it would sign out, and revokes them', async () => {
  await using window = await open({ width: 1280, who: 'administrator' })
  const { page } = window
  await page.goto(`${ops}/ops/users`)
  const search = async (text: string) => {
    await tabTo(page, /^Name$/)
    await page.keyboard.type(text)
    await page.keyboard.press('Enter')
  }
  await search('jack')
  await page.waitForURL('**/ops/users?q=jack')
  await tabTo(page, /^Pick Jack Jones/)
  await page.keyboard.press('Space')
  // The focus goes around to the search field, whose text is then selected.
  await search('contoso')
  await page.waitForURL('**/ops/users?q=contoso&user=**')
  await fits(page, 'ops-pick')
  await tabTo(page, /^Pick Carol Chen/)
  await page.keyboard.press('Space')
  await pressAt(page, /^Sign out those picked/)
  await page.getByText('Everything of 2 users').waitFor()
  await fits(page, 'ops-pick-check')
  await tabTo(page, /^Type 2/)
  await page.keyboard.type('2')
  await pressAt(page, /^Sign these 2 users out everywhere$/)
  await page.waitForURL('**/ops/revoke')
  expect((await rig.store.statusBySid(wanted, rig.clock.now())).state).toBe('ended')
  expect(window.complaints).toEqual([])
})

test('by keyboard alone an administrator types the name of an instance, and revokes for all of its users', async () => {
  await using window = await open({ width: 1280, who: 'administrator' })
  const { page } = window
  await page.goto(`${ops}/ops/revoke?kind=client&client=sydney`)
  await fits(page, 'ops-revoke-client-check')
  await tabTo(page, /^Comment/)
  await page.keyboard.type('The key of this instance was found in a public repository')
  await tabTo(page, /^Type sydney/)
  await page.keyboard.type('sydney')
  await pressAt(page, /^Sign everyone out of this instance$/)
  await page.waitForURL('**/ops/revocations/*?done=yes')
  expect(window.complaints).toEqual([])
})

test('Back after revoking shows what was done; a page that the browser had kept is loaded again', async () => {
  await using window = await open({ width: 390, who: 'administrator' })
  const { page } = window
  await page.goto(`${ops}/ops/revoke?kind=session&value=${wanted}`)
  await page.getByLabel('Comment').fill('laptop stolen')
  await picture(page, 'ops-revoke-check-at-390-px')
  expect(await objections(page)).toEqual([])
  const reloaded = page.waitForEvent('load')
  await page.evaluate(() => dispatchEvent(new PageTransitionEvent('pageshow', { persisted: true })))
  await reloaded
  await page.getByRole('button', { name: 'End this session' }).click()
  await page.waitForURL('**/ops/revocations/*?done=yes')
  await page.goBack()
  expect(await page.textContent('h1')).toBe('This was revoked')
  expect(await page.getByRole('button', { name: 'End this session' }).count()).toBe(0)
  await picture(page, 'ops-revoke-done-at-390-px')
  expect([
    await page.evaluate(() => document.documentElement.scrollWidth),
    await objections(page),
  ]).toEqual([390, []])
  await page.goForward()
  await page.getByText('Revoked. The broker now rejects what it covers').waitFor()
  expect(window.complaints).toEqual([])
})

test('a part with the focus is left as it is, the page says so, and it is renewed when the reader leaves it', async () => {
  await using window = await open({ width: 1280, who: 'operator' })
  const { page } = window
  await page.getByText('Live.', { exact: true }).waitFor()
  const pendingIn = (part: string) =>
    page.locator(`#${part} [data-label="Pending"]`).allTextContents()
  expect(await pendingIn('instances')).toContain('1')
  await page.locator('#instances a').first().focus()
  for (const { id } of await rig.store.listDeliveries({ state: 'pending', limit: 10 }))
    await attempted(rig, id, 'delivered')
  await page.getByText('Live, except the part that has the focus').waitFor()
  expect(await pendingIn('instances')).toContain('1')
  await picture(page, 'ops-live-skipped', false)
  await page.getByRole('link', { name: 'Refresh' }).focus()
  await page.getByText('Live.', { exact: true }).waitFor()
  expect(await pendingIn('instances')).not.toContain('1')
  expect(window.complaints).toEqual([])
})

test('what is pending changes on the open page, and a user whose session is revoked is out', async () => {
  await using window = await open({ width: 1280, who: 'operator' })
  const { page } = window
  await page.getByText('Live.', { exact: true }).waitFor()
  const pending = page.locator('#instances [data-label="Pending"] a')
  expect(await pending.textContent()).toBe('1')
  for (const { id } of await rig.store.listDeliveries({ state: 'pending', limit: 10 }))
    await attempted(rig, id, 'delivered')
  await pending.waitFor({ state: 'detached' })
  const { sub } = (
    await rig.store.searchSessions({ text: 'olga', now: rig.clock.now(), limit: 1 })
  )[0]?.session ?? { sub: '' }
  await requestRevocation(rig.deps, {
    selector: { kind: 'subject', sub },
    reason: 'administrator',
    actor: { kind: 'operator', id: 'test' },
    now: rig.clock.now(),
  })
  await page.getByText('Your sign-in to the console has ended').waitFor()
  expect(window.complaints).toEqual([])
})
