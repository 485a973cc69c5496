import type { BrowserContext, Page } from 'playwright-core'
import { expect, test } from 'vitest'
import { CONTOSO } from '../../demo/entra/users.ts'
import { demoInChromium } from './demo.ts'

/**
 * A phone that was stolen with a session at Microsoft on it, in real Chromium: whatever ended its
 * sign-in, it does not come back without the password.
 */

const { browser, cmb, facts, instance, user } = demoInChromium()

const ALICE = 'alice@contoso.example'
const sydney = (): string => instance(0).url

async function newDevice(width: number): Promise<{ context: BrowserContext; page: Page }> {
  const context = await browser().newContext({ viewport: { width, height: 720 } })
  context.setDefaultTimeout(60_000)
  return { context, page: await context.newPage() }
}

/** Password, second factor and "Stay signed in?", as far as Microsoft asks for them. */
async function prove(page: Page): Promise<void> {
  await page.locator('#passwd').fill(user('alice').password)
  await page.locator('#signin').click()
  const [number, no] = [
    page.locator('#number'),
    page.getByRole('button', { name: 'No', exact: true }),
  ]
  const stuck = async (): Promise<never> =>
    expect.fail(`Stuck at ${page.url()}: ${await page.locator('body').innerText()}`)
  const away = page
    .waitForURL(({ origin }) => origin !== facts().microsoft, { timeout: 50_000 })
    .then(() => 'away' as const, stuck)
  const next = (locator: typeof number, what: 'number' | 'no') =>
    locator.waitFor().then(() => what, stuck)
  const step = await Promise.race([away, next(number, 'number'), next(no, 'no')])
  if (step === 'number') {
    await page
      .getByRole('button', { name: (await number.textContent())?.trim() ?? '', exact: true })
      .click()
    if ((await Promise.race([away, next(no, 'no')])) === 'no') await no.click()
  }
  if (step === 'no') await no.click()
  await away
}

/**
 * Opens Microsoft's page and continues by Alice's tile, so that nothing is typed. Returns the
 * `prompt` of each request to Microsoft.
 */
async function tapAlice(page: Page, from?: string): Promise<(string | null)[]> {
  const asked: (string | null)[] = []
  const watch = (request: { url(): string }): void => {
    const url = new URL(request.url())
    if (url.origin === facts().microsoft && url.pathname.endsWith('/authorize'))
      asked.push(url.searchParams.get('prompt'))
  }
  page.on('request', watch)
  if (from !== undefined) await page.goto(from)
  const begin = page.getByRole('link', { name: 'Sign in with Microsoft' })
  if (!page.url().startsWith(facts().microsoft)) await begin.click()
  await page.getByRole('button', { name: new RegExp(ALICE) }).click()
  // The page that explains a further authentication before it happens.
  const onceMore = page.getByRole('heading', { name: 'Confirm once more that it is you' })
  const password = page.locator('#passwd')
  await password
    .or(page.getByRole('heading', { name: 'Your cases' }))
    .or(onceMore)
    .waitFor()
  if ((await onceMore.count()) > 0) {
    await begin.click()
    await password.waitFor()
  }
  page.off('request', watch)
  return asked
}

/** The instance's open page has the sign-out. */
const signedOut = (page: Page): Promise<void> =>
  page.getByRole('heading', { name: 'You have been signed out' }).waitFor()

/**
 * The instance has got the logout token: until then it leads a user who signs in to their cases.
 */
async function outOfSydney(page: Page): Promise<void> {
  await page.goto(`${sydney()}/`)
  await signedOut(page)
}

const needsPassword = async (page: Page): Promise<void> => {
  expect(page.url().startsWith(facts().microsoft)).toBe(true)
  await page.locator('#passwd').waitFor()
}

async function signIn(page: Page): Promise<void> {
  await page.goto(`${sydney()}/sign-in`)
  if (!page.url().startsWith(facts().microsoft))
    await page.getByRole('link', { name: 'Sign in with Microsoft' }).click()
  const [other, email] = [
    page.getByRole('button', { name: 'Use another account' }),
    page.locator('#loginfmt'),
  ]
  await other.or(email).waitFor()
  if ((await other.count()) > 0) await other.click()
  await email.fill(ALICE)
  await page.locator('#next').click()
  await prove(page)
  await page
    .waitForURL(`${sydney()}/`)
    .catch(async () => expect.fail(`${page.url()}: ${await page.locator('body').innerText()}`))
}

test('the phone is asked for the password after each remote end, with and without our cookies; a device that its owner signed out is not', async () => {
  const [phone, laptop] = [await newDevice(390), await newDevice(1180)]
  await signIn(phone.page)
  await signIn(laptop.page)

  // The user signs the phone out by its entry. The page says one neutral sentence, and Microsoft is
  // asked with prompt=login at once.
  await laptop.page.goto(`${facts().issuer}/account`)
  await laptop.page.locator('form[action="/account/sign-out"] button').first().click()
  await laptop.page.getByText('Signed out:').waitFor()
  await signedOut(phone.page)
  await phone.page.goto(`${sydney()}/sign-in`)
  await phone.page.getByText('You used another device to sign out.').waitFor()
  expect(await tapAlice(phone.page)).toEqual(['login'])
  await needsPassword(phone.page)

  // Without the broker's cookies the phone is like a new browser: the floor is found on return, and
  // the broker explains why Microsoft asks again.
  const forget = () => phone.context.clearCookies({ name: /^__Host-cmb/ })
  await forget()
  expect(await tapAlice(phone.page, `${sydney()}/sign-in`)).toEqual(['select_account', 'login'])
  await needsPassword(phone.page)
  await prove(phone.page)
  await phone.page.waitForURL(`${sydney()}/`)

  // An operator revokes the tenant. The phone signs in again by way of the account page.
  expect(cmb('revoke', '--tenant', CONTOSO.tid, '--yes')).toContain('Revoked')
  await signedOut(phone.page)
  await phone.page.goto(`${facts().issuer}/account`)
  expect(await tapAlice(phone.page)).toEqual(['login'])
  await needsPassword(phone.page)
  await prove(phone.page)
  await phone.page.getByRole('heading', { name: 'Where you are signed in' }).waitFor()

  // The user signs out everywhere. The browser that asked signs in freshly too, and the owner's
  // sign-in opens nothing for the phone.
  await signIn(laptop.page)
  await laptop.page.goto(`${facts().issuer}/account`)
  await laptop.page.getByRole('link', { name: 'Sign out everywhere' }).click()
  await laptop.page.getByRole('button', { name: 'Sign out' }).click()
  await laptop.page.waitForURL('**/logout/done**')
  await outOfSydney(laptop.page)
  await signIn(laptop.page)
  await forget()
  expect(await tapAlice(phone.page, `${sydney()}/sign-in`)).toEqual(['select_account', 'login'])
  await needsPassword(phone.page)

  // The owner signs the laptop out there, so that Microsoft only asks for the account.
  await laptop.page.goto(`${facts().issuer}/account`)
  await laptop.page.locator('.tabs .leave').click()
  await laptop.page.getByRole('button', { name: 'Sign out' }).click()
  await laptop.page.waitForURL('**/logout/done**')
  await outOfSydney(laptop.page)
  expect(await tapAlice(laptop.page, `${sydney()}/sign-in`)).toEqual(['select_account'])
  await laptop.page.waitForURL(`${sydney()}/`)
})
