import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'
import { startEntra } from '../../demo/entra/entra.ts'
import { APP_CLIENT_ID, APP_CLIENT_SECRET, CONTOSO } from '../../demo/entra/users.ts'
import { createMicrosoft } from '../../src/microsoft/microsoft.ts'
import { systemClock } from '../../src/runtime/clock.ts'
import { startCmb } from '../command/cmb.ts'
import { createRig, type Rig } from '../rig.ts'
import { launchChromium, objections, openWindow, picture } from './window.ts'

/**
 * A fresh broker and a fresh tenant, connected in real Chromium by following what the pages say, to
 * the first sign-in; every page on the way is looked at.
 */

let chrome: Browser
beforeAll(async () => {
  chrome = await launchChromium()
})
afterAll(() => chrome.close())

async function freshBroker() {
  const entra = await startEntra({ port: 0, apps: [{ redirectUris: [] }] })
  onTestFinished(() => entra.close())
  entra.set({ consent: { [CONTOSO.tid]: 'admin' } })
  const settings = {
    tenants: [],
    clientId: undefined,
    credential: undefined,
    authority: entra.authority,
    simulated: true,
  }
  const clock = systemClock
  const log = { info: () => {}, warn: () => {}, error: () => {} }
  const atMicrosoft = { entra: settings, issuer: '' }
  const microsoft = createMicrosoft({
    config: atMicrosoft,
    connection: () => rig.deps.connection.current(),
    clock,
    log,
  })
  const rig: Rig = await createRig({
    config: { entra: settings, operatorTenant: undefined },
    deps: { clock, microsoft },
  })
  const serve = async (app: Rig['app']): Promise<string> =>
    (await rig.serve(app)).replace('127.0.0.1', 'localhost')
  rig.config.issuer = atMicrosoft.issuer = await serve(rig.app)
  rig.config.opsOrigin = await serve(rig.opsApp)
  return { rig, entra, ops: rig.config.opsOrigin }
}

/** Microsoft's pages, answered as that user would, until the browser is back. */
async function atMicrosoft(page: Page, origin: string, upn: string): Promise<void> {
  for (let step = 0; step < 12 && page.url().startsWith(origin); step++) {
    const title = (await page.title()).split(' ·')[0]
    if (title === 'Sign in') await page.fill('#loginfmt', upn)
    if (title === 'Enter password') await page.fill('#passwd', `${upn.split('@')[0]}-demo`)
    const number =
      title === 'Approve sign in request' ? await page.textContent('#number') : undefined
    const button = {
      'Pick an account': page.locator(`button[value="${upn}"]`),
      'Sign in': page.locator('#next'),
      'Enter password': page.locator('#signin'),
      'Approve sign in request': page.locator(`button[name="number"][value="${number}"]`),
      'Permissions requested': page.locator('button[name="consent"][value="yes"]'),
      'Stay signed in?': page.locator('button[name="kmsi"][value="no"]'),
    }[title ?? '']
    if (button === undefined)
      throw new Error(
        `Microsoft shows "${title}": ${(await page.textContent('body'))?.slice(0, 400)}`,
      )
    await Promise.all([page.waitForEvent('load'), button.click()])
  }
}

/** A picture of one pixel. */
const LOGO = Buffer.from(
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==',
  'base64',
)

/** Fits at 320 px, and axe objects to nothing. */
async function look(page: Page, name: string): Promise<void> {
  await page.setViewportSize({ width: 320, height: 720 })
  expect([name, await page.evaluate(() => document.documentElement.scrollWidth)]).toEqual([
    name,
    320,
  ])
  await page.setViewportSize({ width: 1000, height: 800 })
  expect([name, await objections(page)]).toEqual([name, []])
  await picture(page, name)
}

test('a fresh broker and tenant, connected from /setup to the first sign-in, following only what the pages say', async () => {
  const { rig, entra, ops } = await freshBroker()
  const { type } = await startCmb(rig)
  await using window = await openWindow(chrome, { width: 1000 })
  const { page } = window
  const press = async (label: string): Promise<void> => {
    await Promise.all([
      page.waitForEvent('load'),
      page.getByRole('link', { name: label, exact: true }).click(),
    ])
  }
  const send = async (label: string): Promise<void> => {
    await Promise.all([
      page.waitForEvent('load'),
      page.getByRole('button', { name: label, exact: true }).click(),
    ])
  }
  const heading = () => page.textContent('h1')

  // The broker says itself where to begin.
  await page.goto(`${rig.config.issuer}/account`)
  expect(await page.textContent('main')).toContain('cmb setup')
  await page.goto(`${ops}/setup`)
  await look(page, 'setup-door')
  const printed = (await type(['setup'])).out
  expect(printed).toContain(`${ops}/setup`)
  await page.getByLabel('Token').fill(/^ {2}(\S+)$/m.exec(printed)?.[1] ?? '')
  await send('Begin')
  await look(page, 'setup-overview')

  // Branding that is saved is on every page, this one included.
  await press('Names, logo and color')
  await page.getByLabel('Organization').fill('Contoso Ltd')
  await page.getByLabel('Color of buttons and links').fill('#7dd3fc')
  await send('Save')
  expect(await page.textContent('main')).toContain('1.5:1, and text needs 4.5:1')
  await page.getByLabel('Color of buttons and links').fill('#1d4ed8')
  await page
    .getByLabel('Logo', { exact: true })
    .setInputFiles({ name: 'logo.png', mimeType: 'image/png', buffer: LOGO })
  await look(page, 'setup-branding')
  await send('Save')
  expect(await page.textContent('main')).toContain('Every broker follows within a second.')
  expect(await page.locator('header .brand img').getAttribute('src')).toMatch(/^\/assets\/logo\?v=/)
  await press('All steps')

  // The page shows what is registered.
  await press('What to register')
  await look(page, 'setup-register')
  const link = page.getByRole('link', { name: 'Script for one tenant' })
  const address = new URL((await link.getAttribute('href')) ?? '', page.url()).href
  const script = await (await page.request.get(address)).text()
  const manifest = JSON.parse(/<<'JSON'\n([^]*?)\nJSON\n/.exec(script)?.[1] ?? '') as {
    web: { redirectUris: string[]; logoutUrl: string }
  }
  Object.assign(entra.world.apps.get(APP_CLIENT_ID) ?? {}, manifest.web)

  await press('Enter what Entra gave you')
  await look(page, 'setup-connect')
  await page.getByLabel('Application (client) id').fill(APP_CLIENT_ID)
  await page.getByLabel('Client secret, its value').fill(APP_CLIENT_SECRET)
  await page.getByLabel('Directory (tenant) id').fill(CONTOSO.tid)
  await send('Save')
  await look(page, 'setup-tenant')

  await send('Ask its administrator to assert it')
  expect(await page.textContent('main')).toContain('The proof of MFA is proposed.')
  await press('Continue as its administrator')
  await look(page, 'setup-tenants-page')
  await press('Granting consent')
  await atMicrosoft(page, entra.origin, 'adam@contoso.example')
  expect(await page.textContent('main')).toContain('Microsoft says that consent was given.')
  await press('Confirm by signing in')
  await atMicrosoft(page, entra.origin, 'adam@contoso.example')
  expect(await page.textContent('main')).toContain('Consent is confirmed.')
  await press('Sign in to assert it')
  await atMicrosoft(page, entra.origin, 'adam@contoso.example')
  await look(page, 'setup-assertion')
  await page.getByLabel('I have looked').check()
  await send('Assert it')
  expect(await page.textContent('main')).toContain('Users of this tenant can sign in now')
  await press('Back to the set-up')

  // The first sign-in: from now on the role is the key.
  await press('Sign in')
  expect(await heading()).toBe('Sign in')
  await press('Sign in with Microsoft')
  await atMicrosoft(page, entra.origin, 'adam@contoso.example')
  expect(page.url()).toBe(`${ops}/setup`)
  expect(await page.textContent('main')).toContain('An administrator has.')
  expect((await type(['doctor'])).out).toMatch(/^0 act now, 0 act today, /m)
  await page.goto(`${rig.config.issuer}/account/ready`)
  expect(await page.textContent('main')).toContain('Microsoft confirmed that it is you')
  expect(await rig.store.findTenant(CONTOSO.tid)).toMatchObject({
    mfaProof: 'auth_context:c1',
    consentConfirmedBy: expect.stringContaining('Adam') as string,
  })
  expect(window.complaints).toEqual([])
})
