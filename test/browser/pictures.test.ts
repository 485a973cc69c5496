import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Hono } from 'hono'
import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { sha256 } from '../../src/runtime/compare.ts'
import { setSessionCookie } from '../../src/session/cookie.ts'
import { USERS } from '../console/console.ts'
import { createRig, type Rig } from '../rig.ts'
import { authorizePath } from '../signin/browser.ts'
import { busyDay } from './busy-day.ts'
import { ALIKE, differs, withFont } from './pictures.ts'
import { launchChromium, openWindow } from './window.ts'

/**
 * The main pages look as they did. Each major version of Chromium draws a little differently and
 * has pictures of its own; a version that has none is left out, and so is a page whose words have
 * changed since. `npm run pictures` keeps the pictures as they are now, and those of the docs.
 */

const UPDATE = process.env.BROKER_PICTURES === 'update'
const DOCS = join(import.meta.dirname, '../../docs/images')

let browser: Browser
let kept: string
beforeAll(async () => {
  browser = await launchChromium(ALIKE)
  kept = join(import.meta.dirname, 'pictures', browser.version().split('.')[0] ?? '')
})
afterAll(() => browser.close())

interface Shot {
  /** The name of the picture to compare with. Undefined: it is not compared. */
  name: string | undefined
  path: string
  width: 320 | 768 | 1440
  dark?: true
  /** The name of the picture in docs/images. */
  docs?: string
}

const USERS_PAGES: readonly Shot[] = [
  { name: 'sign-in', path: 'AUTHORIZE', width: 768, docs: 'sign-in' },
  { name: 'sign-in-phone-dark', path: 'AUTHORIZE', width: 320, dark: true },
  { name: 'account', path: '/account', width: 768, docs: 'account' },
  { name: 'account-phone', path: '/account', width: 320 },
  { name: 'sign-out', path: '/logout?client_id=sydney', width: 768, docs: 'sign-out' },
  { name: 'home-wide-dark', path: '/', width: 1440, dark: true },
]
const CONSOLE_PAGES: readonly Shot[] = [
  // The problems depend on the machine, so this picture is only for the docs.
  { name: undefined, path: '/ops', width: 1440, docs: 'ops-overview-wide' },
  { name: 'instances-phone', path: '/ops/clients', width: 320 },
  { name: 'deliveries-dark', path: '/ops/deliveries?state=failed', width: 768, dark: true },
  { name: 'revocation', path: '/ops/revocations/6', width: 1440, docs: 'ops-revocation-wide' },
]

/** Serves both listeners. A browser gets the cookie of the session at an address of the test. */
async function serve(rig: Rig, cookie: string): Promise<{ base: string; ops: string }> {
  const entrance = new Hono().get('/test-session', (c) => {
    setSessionCookie(c, cookie)
    return c.text('signed in')
  })
  const at = async (app: Hono) => (await rig.serve(app)).replace('127.0.0.1', 'localhost')
  const [base, ops] = [
    await at(entrance.route('/', withFont(rig.app))),
    await at(withFont(rig.opsApp)),
  ]
  Object.assign(rig.config, { issuer: base, opsOrigin: ops })
  return { base, ops }
}

/** Returns a picture of the page from its top to the end of its content. */
async function forDocs(page: Page): Promise<Buffer> {
  const end = await page.evaluate(
    () => document.querySelector('main')?.lastElementChild?.getBoundingClientRect().bottom ?? 0,
  )
  const width = page.viewportSize()?.width ?? 0
  return page.screenshot({
    animations: 'disabled',
    fullPage: true,
    clip: { x: 0, y: 0, width, height: Math.ceil(end + 32) },
  })
}

async function compare(
  shots: readonly Shot[],
  goTo: (page: Page, path: string) => Promise<void>,
): Promise<string[]> {
  const wrong: string[] = []
  await using window = await openWindow(browser, { width: 768, bypassCSP: true })
  const { page } = window
  for (const { name, path, width, dark, docs } of shots) {
    if (name === undefined && !UPDATE) continue
    await page.setViewportSize({ width, height: 900 })
    await page.emulateMedia({ colorScheme: dark ? 'dark' : 'light' })
    await goTo(page, path)
    if (UPDATE && docs !== undefined) writeFileSync(join(DOCS, `${docs}.png`), await forDocs(page))
    if (name === undefined) continue
    const taken = await page.screenshot({
      animations: 'disabled',
      mask: [page.locator('main code, main time')],
      maskColor: '#888888',
    })
    const [file, words] = [join(kept, `${name}.png`), sha256(await page.innerText('body'))]
    if (UPDATE) {
      mkdirSync(kept, { recursive: true })
      writeFileSync(file, taken)
      writeFileSync(`${file}.words`, words)
    } else if (readFileSync(`${file}.words`, 'utf8') === words)
      wrong.push(differs(name, taken, readFileSync(file)) ?? '')
    else
      console.log(
        `${name} has other words than its picture and is not compared: npm run pictures takes it again.`,
      )
  }
  return wrong.filter((candidate) => candidate !== '')
}

const noPictures = (): boolean => !UPDATE && !existsSync(kept)
const WHY = 'There are no pictures of this major version of Chromium: npm run pictures makes them.'

test('users’ pages look as in their pictures', async ({ skip }) => {
  skip(noPictures(), WHY)
  const rig = await createRig()
  const sydney = await rig.register('Sydney')
  await rig.register('Melbourne')
  const phone = await rig.openSession({ device: 'Safari on iPhone' })
  rig.clock.advance(3600)
  const laptop = await rig.openSession({ device: 'Firefox on Windows' })
  await rig.signInAt(phone.session.sid, sydney)
  await rig.signInAt(laptop.session.sid, sydney)
  const { base } = await serve(rig, laptop.cookie)
  const wrong = await compare(USERS_PAGES, async (page, path) => {
    if (path !== 'AUTHORIZE') await page.goto(`${base}/test-session`)
    await page.goto(base + (path === 'AUTHORIZE' ? authorizePath(sydney) : path))
  })
  expect(wrong).toEqual([])
})

test('the console looks as in its pictures', async ({ skip }) => {
  skip(noPictures(), WHY)
  const rig = await createRig()
  const { roles, ...user } = USERS.administrator
  const { cookie } = await rig.openSession({
    user,
    roles: [...roles],
    device: 'Firefox on Windows',
  })
  await busyDay(rig)
  const { base, ops } = await serve(rig, cookie)
  let entered = false
  const wrong = await compare(CONSOLE_PAGES, async (page, path) => {
    if (!entered) {
      await page.goto(`${base}/test-session`)
      await page.goto(`${ops}/ops`)
      await page.getByRole('link', { name: 'Sign in' }).click()
      await page.waitForURL(/\/ops(?:\/callback.*)?$/)
      entered = true
    }
    await page.goto(ops + path)
  })
  expect(wrong).toEqual([])
})
