import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { BrowserContext, Locator, Page } from 'playwright-core'
import { describe, expect, test } from 'vitest'
import { FABRIKAM } from '../../demo/entra/users.ts'
import { until } from '../process/broker-process.ts'
import { demoInChromium } from './demo.ts'
import { picture as pictureOf, SCREENSHOTS } from './window.ts'

/**
 * The main job as a user does it: real Chromium, the demo, every page clicked.
 * `BROKER_SCREENSHOTS=<dir>` keeps pictures for the docs.
 */

const { browser, cmb, demo, facts, instance, user } = demoInChromium()

async function newContext(): Promise<BrowserContext> {
  const context = await browser().newContext({ viewport: { width: 1180, height: 720 } })
  context.setDefaultTimeout(60_000)
  return context
}

const picture = (page: Page, name: string): Promise<void> => pictureOf(page, name, false)

/**
 * The picture of the README: what was open at both instances before the sign-out, the question, and
 * what the other page said by itself.
 */
async function story(names: string[]): Promise<void> {
  const directory = SCREENSHOTS
  if (directory === undefined) return
  const images = names.map(
    (name) =>
      `<img src="data:image/png;base64,${readFileSync(join(directory, `${name}.png`)).toString('base64')}">`,
  )
  const page = await browser().newPage({ viewport: { width: 1500, height: 340 } })
  await page.setContent(
    `<body style="margin:0;padding:24px;background:#e6e9ec;display:flex;gap:20px">${images.join('')}<style>img{width:calc((100% - 40px)/3);border-radius:8px;box-shadow:0 2px 12px #0003;align-self:flex-start}</style>`,
  )
  await page.screenshot({ path: join(directory, 'demo.png'), fullPage: true })
  await page.close()
}

/** Answers Microsoft's pages for that user. Microsoft rejects some users on its own pages. */
async function atMicrosoft(page: Page, name: string, stay = 'No'): Promise<void> {
  const { upn, password } = user(name)
  await page.waitForURL(`${facts().microsoft}/**`)
  const press = async (button: Locator): Promise<void> => {
    await button.click()
    await page.waitForLoadState()
  }
  const there = async (locator: Locator): Promise<boolean> =>
    page.url().startsWith(facts().microsoft) && (await locator.count()) > 0
  const other = page.getByRole('button', { name: 'Use another account' })
  if (await there(other)) await press(other)
  if (await there(page.locator('#loginfmt'))) {
    await page.locator('#loginfmt').fill(upn)
    await press(page.locator('#next'))
  }
  if (!(await there(page.locator('#passwd')))) return
  await page.locator('#passwd').fill(password)
  await picture(page, 'microsoft-password')
  await press(page.locator('#signin'))
  const passkey = page.getByRole('button', { name: 'Use the passkey' })
  if (await there(passkey)) {
    await picture(page, 'microsoft-passkey')
    await press(passkey)
  }
  if (!(await there(page.locator('#number')))) return
  const number = (await page.locator('#number').textContent())?.trim() ?? ''
  await picture(page, 'microsoft-number')
  await press(page.getByRole('button', { name: number, exact: true }))
  const answer = page.getByRole('button', { name: stay, exact: true })
  if (await there(answer)) await press(answer)
}

async function signIn(page: Page, index: number, name: string): Promise<void> {
  await page.goto(`${instance(index).url}/sign-in`)
  await throughMicrosoft(page, name)
}

/** Goes to Microsoft by the broker's page where it has one, and once more where it asks so. */
async function throughMicrosoft(page: Page, name: string): Promise<void> {
  for (let visit = 0; visit < 2; visit++) {
    const begin = page.getByRole('link', { name: 'Sign in with Microsoft' })
    if (page.url().startsWith(facts().issuer) && (await begin.count()) > 0) await begin.click()
    if (page.url().startsWith(facts().microsoft)) await atMicrosoft(page, name)
  }
}

/** Takes pictures on a phone and a desktop, where the page is no wider than the window. */
async function looksRight(page: Page, name: string): Promise<void> {
  const size = page.viewportSize()
  for (const width of [390, 1280]) {
    await page.setViewportSize({ width, height: 800 })
    expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBe(width)
    await picture(page, `${name}-${width}`)
  }
  if (size !== null) await page.setViewportSize(size)
}

describe('the demo in a browser', () => {
  test('alice signs in at Sydney with every page, is in at Melbourne without one, signs out everywhere, and both reject her within a second', async () => {
    const context = await newContext()
    const sydney = await context.newPage()
    await signIn(sydney, 0, 'alice')
    await sydney.waitForURL(`${instance(0).url}/`)
    expect(await sydney.getByRole('heading', { name: 'Your cases' }).count()).toBe(1)

    const melbourne = await context.newPage()
    const visited: string[] = []
    melbourne.on('framenavigated', (frame) => visited.push(new URL(frame.url()).origin))
    await melbourne.goto(`${instance(1).url}/sign-in`)
    await melbourne.waitForURL(`${instance(1).url}/`)
    expect(new Set(visited)).toEqual(new Set([instance(1).url]))
    await melbourne.locator('#live', { hasText: 'Live' }).waitFor()
    await picture(sydney, 'case-manager')

    const cookies = await context.cookies(instance(1).url)
    const cookie = cookies.map(({ name, value }) => `${name}=${value}`).join('; ')
    const statusAt = async (index: number): Promise<number> =>
      (await fetch(`${instance(index).url}/api/cases`, { headers: { cookie } })).status
    expect([await statusAt(0), await statusAt(1)]).toEqual([200, 200])

    await sydney.getByRole('button', { name: 'Sign out' }).click()
    await sydney.waitForURL(`${facts().issuer}/**`)
    await sydney.getByLabel('Everywhere').check()
    await picture(sydney, 'sign-out')
    const answered = sydney.waitForResponse((response) =>
      response.url().endsWith('/logout/confirm'),
    )
    await sydney.getByRole('button', { name: 'Sign out' }).click()
    await answered
    await Promise.all([
      until('Sydney rejects her', async () => (await statusAt(0)) === 401, 15),
      until('Melbourne rejects her', async () => (await statusAt(1)) === 401, 15),
      melbourne.getByRole('heading', { name: 'You have been signed out' }).waitFor(),
    ])
    expect(await melbourne.getByText('You signed out everywhere.').count()).toBe(1)
    await picture(melbourne, 'signed-out-live')
    await story(['case-manager', 'sign-out', 'signed-out-live'])
    await context.close()
  })

  test('she signs in again after it, chooses her account, and stays signed in while late logout tokens arrive', async () => {
    const context = await newContext()
    const page = await context.newPage()
    await signIn(page, 0, 'bob')
    await page.waitForURL(`${instance(0).url}/`)
    await page.getByRole('button', { name: 'Sign out' }).click()
    await page.waitForURL(`${facts().issuer}/**`)
    await page.getByRole('button', { name: 'Sign out' }).click()
    await page.waitForURL(`${instance(0).url}/signed-out**`)
    await page.goto(`${instance(0).url}/`)
    await page.getByRole('link', { name: 'Sign in with Microsoft' }).click()
    // Microsoft shows its account chooser, although it still has Bob's session.
    await page.getByRole('button', { name: new RegExp(user('bob').upn) }).click()
    await page.waitForLoadState()
    const number = page.locator('#number')
    if ((await number.count()) > 0)
      await page
        .getByRole('button', { name: (await number.textContent())?.trim() ?? '', exact: true })
        .click()
    const stay = page.getByRole('button', { name: 'No', exact: true })
    if (!page.url().startsWith(instance(0).url) && (await stay.count()) > 0) await stay.click()
    await page.waitForURL(`${instance(0).url}/`)
    const pending = async () =>
      (await (await fetch(`${facts().ops}/metrics`)).text())
        .split('\n')
        .filter((line) => /^broker_deliveries\{.*state="pending"\} [1-9]/.test(line))
    await until('nothing is owed any more', async () => (await pending()).length === 0, 20)
    await page.reload()
    expect(await page.getByRole('heading', { name: 'Your cases' }).count()).toBe(1)
    await context.close()
  })

  test('the buttons of the simulated Microsoft are within the screen of a phone', async () => {
    const page = await browser().newPage({ viewport: { width: 390, height: 800 } })
    await page.goto(facts().microsoft)
    const button = await page.getByRole('button', { name: 'Disable' }).first().boundingBox()
    expect((button?.x ?? Infinity) + (button?.width ?? 0)).toBeLessThan(390)
    await page.close()
  })

  test('bob is disabled at Microsoft while he works: the page that is open says so, and a new sign-in is rejected', async () => {
    const context = await newContext()
    const page = await context.newPage()
    await signIn(page, 1, 'bob')
    await page.waitForURL(`${instance(1).url}/`)
    await page.locator('#live', { hasText: 'Live' }).waitFor()
    const change = (body: object) =>
      fetch(`${facts().microsoft}/_control/users/${user('bob').upn}`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(body),
      })
    // With a subscription, Graph reports it within a second. Otherwise the probe finds it, which
    // runs once a minute.
    expect((await change({ accountEnabled: false })).status).toBe(200)
    await page
      .getByRole('heading', { name: 'You have been signed out' })
      .waitFor({ timeout: 90_000 })
    await page.getByText('Your organization has switched off your account').waitFor()
    await signIn(page, 1, 'bob')
    expect(await page.locator('body').innerText()).toMatch(/disabled|administrator/i)
    await change({ accountEnabled: true })
    await context.close()
  })

  test('the sealed case asks alice for her passkey once, and not again within five minutes', async () => {
    const context = await newContext()
    const page = await context.newPage()
    const visits: string[] = []
    page.on('framenavigated', (frame) => {
      if (frame.url().startsWith(`${facts().microsoft}/`)) visits.push(frame.url())
    })
    const openSealed = async (): Promise<void> => {
      await page.getByRole('link', { name: 'Open the sealed case' }).click()
    }
    await signIn(page, 0, 'alice')
    await page.waitForURL(`${instance(0).url}/`)
    await openSealed()
    await page.getByRole('heading', { name: 'Enter password' }).waitFor()
    await atMicrosoft(page, 'alice')
    await page.waitForURL(`${instance(0).url}/sealed`)
    await page.getByRole('cell', { name: 'Protection of a witness' }).waitFor()
    await looksRight(page, 'sealed')
    const before = visits.length
    await page.getByRole('link', { name: 'Back to your cases' }).click()
    await openSealed()
    await page.getByRole('heading', { name: 'Sealed case' }).waitFor()
    // The session at the other instance has the same proof.
    await page.goto(`${instance(1).url}/sign-in`)
    await openSealed()
    await page.getByRole('cell', { name: 'MEL-2211' }).waitFor()
    expect(visits).toHaveLength(before)
    await context.close()
  })

  test('olivia opens the operators’ console; alice, who has no role there, gets a page that says so', async () => {
    for (const [name, words] of [
      ['olivia', 'Overview'],
      ['alice', /not open to you/],
    ] as const) {
      const context = await newContext()
      const page = await context.newPage()
      await page.goto(`${facts().ops}/ops`)
      const begin = page
        .getByRole('link', { name: /sign in/i })
        .or(page.getByRole('button', { name: /sign in/i }))
        .first()
      if (page.url().startsWith(facts().ops)) await begin.click()
      const microsoft = page.getByRole('link', { name: 'Sign in with Microsoft' })
      await microsoft.click()
      await atMicrosoft(page, name)
      // Alice signed out everywhere above, and this browser has no proof of her since: Microsoft
      // asks once more, by `prompt=login`, and the broker says so before.
      const onceMore = page.locator('h1', { hasText: 'Confirm once more that it is you' })
      await onceMore.or(page.locator('h1', { hasText: words })).waitFor()
      expect(await onceMore.count()).toBe(name === 'alice' ? 1 : 0)
      if (name === 'alice') {
        await page.getByText('You signed out everywhere.').waitFor()
        await microsoft.click()
        await atMicrosoft(page, name)
      }
      await page.waitForURL(`${facts().ops}/**`)
      expect(await page.locator('h1').innerText()).toMatch(words)
      await context.close()
    }
  })

  test('tara, an administrator of the other tenant, comes from her account to its console, and finds its users alone', async () => {
    const context = await newContext()
    const page = await context.newPage()
    await page.goto(`${facts().issuer}/account`)
    await page.getByRole('link', { name: 'Sign in with Microsoft' }).click()
    await atMicrosoft(page, 'tara')
    await page.getByRole('link', { name: 'Administer your organization’s users' }).click()
    await page.getByRole('link', { name: 'Consent and proof of MFA' }).waitFor()
    await page.goto(`${facts().issuer}/tenant/search?q=tara`)
    await page.getByRole('heading', { name: /^Tara/ }).waitFor()
    await page.goto(`${facts().issuer}/tenant/search?q=alice`)
    await page.getByText('No entry matches.').waitFor()
    await context.close()
  })

  test('the sealed case stays sealed for faye, whose organization has nothing set up for it, and she stays signed in', async () => {
    cmb('tenants', 'remove', FABRIKAM.tid, '--yes')
    cmb('tenants', 'add', FABRIKAM.tid, '--mfa-proof', 'auth_context:c1')
    const other = await newContext()
    const faye = await other.newPage()
    await signIn(faye, 0, 'faye')
    await faye.waitForURL(`${instance(0).url}/`)
    await faye.getByRole('link', { name: 'Open the sealed case' }).click()
    await faye.getByRole('heading', { name: 'The case stays sealed' }).waitFor()
    await looksRight(faye, 'stays-sealed')
    await faye.getByRole('link', { name: 'Back to your cases' }).click()
    await faye.getByRole('heading', { name: 'Your cases' }).waitFor()
    await other.close()
  })

  test.each([
    ['mia', 'who has no MFA', /two-step verification|set ?up/i],
    ['una', 'who is not assigned', /assign|access/i],
    ['dan', 'whose account is disabled', /disabled|administrator|locked/i],
    ['pat', 'who has a personal account', /work|organization|account/i],
  ])('%s, %s, gets no session and a page that says what to do', async (name, _who, words) => {
    const context = await newContext()
    const page = await context.newPage()
    await signIn(page, 0, name)
    await page.waitForLoadState()
    expect(await page.locator('body').innerText()).toMatch(words)
    await page.goto(instance(0).url)
    expect(await page.getByRole('link', { name: 'Sign in with Microsoft' }).count()).toBe(1)
    expect(
      (await context.cookies(facts().issuer)).filter(
        (cookie) => cookie.name === '__Host-cmb_session',
      ),
    ).toEqual([])
    await context.close()
  })

  test('Ctrl-C ends it with code 0 and leaves no process behind', async () => {
    const directory = dirname(facts().data_dir)
    /**
     * Returns the processes below the demo, or with its directory. Demos of other tests run at the
     * same time.
     */
    const own = (): string[] =>
      execFileSync('ps', ['-eo', 'pid=,ppid=,args='], { encoding: 'utf8' })
        .split('\n')
        .filter(
          (line) =>
            line.includes(directory) || new RegExp(`^\\s*\\d+\\s+${demo().pid}\\s`).test(line),
        )
    expect(own().join()).toContain(directory)
    expect(await demo().interrupt()).toBe(0)
    await until('its processes are gone', () => own().length === 0)
    await expect(fetch(facts().issuer)).rejects.toThrow()
  })
})
