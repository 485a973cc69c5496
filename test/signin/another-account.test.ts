import { beforeEach, describe, expect, test } from 'vitest'
import { type Browser, browserAt } from '../browser.ts'
import { createRig, type RegisteredClient, type Rig } from '../rig.ts'
import { atMicrosoft, authorizePath, createBrowser } from './browser.ts'

/**
 * Another account signs in in the same browser. Nothing changes for the first user before the
 * second one has signed in, and then only in this browser.
 */

const BOB = {
  oid: '00000000-0000-4000-8000-000000000b0b',
  name: 'Bob Brown',
  username: 'bob@contoso.example',
  email: 'bob@contoso.example',
}

let rig: Rig
let sydney: RegisteredClient
let here: Awaited<ReturnType<Rig['openSession']>>
let phone: typeof here
let browser: Browser
beforeEach(async () => {
  rig = await createRig()
  sydney = await rig.register('Sydney')
  here = await rig.openSession({ device: 'Firefox on Windows' })
  phone = await rig.openSession({ device: 'Safari on iPhone' })
  browser = browserAt(rig, {
    cookies: here.cookieHeader,
    follows: ({ origin }, from) => origin === from.origin,
  })
})
const state = async ({ session }: typeof here) =>
  (await rig.store.statusBySid(session.sid, rig.clock.now())).state
const log = () => rig.store.listRevocations({ limit: 10 })

/**
 * Chooses another account on that page. Returns the address to which Microsoft sends the browser
 * back.
 */
async function chooseAnother(from: string): Promise<string> {
  const page = await browser.press(
    await browser.get(from),
    'Switch to another account in this browser',
  )
  expect(page.text).toContain(
    'You are signed in as Alice Adams (alice@contoso.example) . When another user signs in',
  )
  const back = await atMicrosoft(rig, browser, page)
  expect(rig.microsoft.started.at(-1)).toMatchObject({ prompt: 'select_account' })
  expect(rig.microsoft.started.at(-1)?.loginHint).toBeUndefined()
  expect([await state(here), await log()]).toEqual(['live', []])
  return back
}

describe.each(['/logout', '/account', '/'])('from %s', (from) => {
  test('another user signs in: the first one is signed out in this browser alone, and shown nowhere', async () => {
    const back = await chooseAnother(from)
    rig.microsoft.user = { ...rig.microsoft.user, ...BOB }
    const page = await browser.get(back)
    expect([page.status, page.title]).toEqual([200, 'Your apps'])
    expect([await state(here), await state(phone)]).toEqual(['ended', 'live'])
    expect(await log()).toMatchObject([
      {
        selector: { kind: 'session', sid: here.session.sid },
        reason: 'replaced',
        actor: { kind: 'user' },
      },
    ])
    const account = await browser.get('/account')
    expect(account.text).toContain('Bob Brown · bob@contoso.example')
    expect(account.html).not.toMatch(/Alice|iPhone/)
  })
})

test('the same account signs in: the session goes on', async () => {
  await browser.get(await chooseAnother('/account'))
  expect([await state(here), await log()]).toEqual(['live', []])
})

test('the user turns back at Microsoft: the session goes on', async () => {
  const back = await chooseAnother('/account')
  await browser.get(back.replace('code=microsoft-code', 'error=access_denied'))
  expect([await state(here), await log()]).toEqual(['live', []])
  expect((await browser.get('/account')).text).toContain('Alice Adams')
})

describe('the sign-in page of an app', () => {
  const offers = async (parameters: Record<string, string>) => {
    const page = await createBrowser(rig).get(authorizePath(sydney, parameters))
    return page.text.includes('Use another account')
  }

  test('offers another account where the request has a login hint, and then sends none', async () => {
    expect(await offers({})).toBe(false)
    for (const parameters of [
      { login_hint: 'alice@contoso.example' },
      { prompt: 'login' },
      { max_age: '60' },
    ])
      expect([parameters, await offers(parameters)]).toEqual([parameters, true])
    const other = createBrowser(rig)
    await atMicrosoft(
      rig,
      other,
      await other.get(authorizePath(sydney, { login_hint: 'alice@contoso.example' })),
      'Use another account',
    )
    expect(rig.microsoft.started.at(-1)).toMatchObject({ prompt: 'select_account' })
    expect(rig.microsoft.started.at(-1)?.loginHint).toBeUndefined()
  })

  test('does not where the app accepts one user alone', async () => {
    const claims = JSON.stringify({ id_token: { sub: { value: here.session.sub } } })
    expect(await offers({ claims })).toBe(false)
  })
})
