import { beforeEach, describe, expect, test } from 'vitest'
import { sessionLimits } from '../../src/session/lifetimes.ts'
import { type Browser, browserAt } from '../browser.ts'
import { createRig, type RegisteredClient, type Rig, TENANT } from '../rig.ts'
import { atMicrosoft, authorizePath } from './browser.ts'

/**
 * A computer that several users share (docs/decisions/0050): a short session, nothing kept in the
 * browser, and Microsoft's sign-out at the end.
 */

const USE = 'Sign in on a shared computer'

let rig: Rig
let sydney: RegisteredClient
let browser: Browser
beforeEach(async () => {
  rig = await createRig()
  sydney = await rig.register('Sydney')
  browser = browserAt(rig, { follows: ({ origin }, from) => origin === from.origin })
})
const policy = (sharedComputer: 'offer' | 'always' | 'never') =>
  Object.assign(rig.config.sessionRules, { sharedComputer })

/** Signs in. Returns the answer that sets the session's cookie. */
async function signIn(label: string) {
  const callback = await atMicrosoft(rig, browser, await browser.get('/account'), label)
  const answer = await browser.send(callback)
  expect(answer.status).toBe(303)
  return answer.headers.getSetCookie()
}
const named = (lines: readonly string[], name: string) =>
  lines.find((line) => line.startsWith(`${name}=`))

describe('a user who says that the computer is shared', () => {
  test('enters the password, gets a session of the window, and leaves nothing in the browser', async () => {
    rig.microsoft.next = { staySignedIn: true }
    const cookies = await signIn(USE)
    expect(rig.microsoft.started.at(-1)).toMatchObject({ prompt: 'login' })
    expect(named(cookies, '__Host-cmb_session')).not.toMatch(/expires|max-age/i)
    expect(named(cookies, '__Host-cmb_shared')).not.toMatch(/expires|max-age/i)
    for (const kept of ['__Host-cmb_known', '__Host-cmb_fresh'])
      expect(named(cookies, kept)).toBeUndefined()
    const account = await browser.get('/account')
    expect(account.title).toBe('Where you are signed in')
    expect(account.text).toContain('Firefox on Linux This device Shared computer')
  })

  test('reads at /account after how many minutes without use the session ends, and its latest end', async () => {
    await signIn(USE)
    const { text } = await browser.get('/account')
    expect(text).toMatch(
      /Signed out after 15 minutes without use, and no later than Tuesday 24 November, 21:00 UTC ?\./,
    )
    expect(text).not.toContain('You must sign in again by')
  })

  test('is signed out after 15 minutes without use, and not before', async () => {
    await signIn(USE)
    for (let minutes = 0; minutes < 30; minutes += 10) {
      rig.clock.advance(600)
      expect((await browser.get(authorizePath(sydney))).location).toContain('code=')
    }
    rig.clock.advance(901)
    const page = await browser.get('/account')
    expect(page.text).toContain('You were signed out automatically')
    expect(page.text).toContain('If Microsoft asks “Stay signed in?”, choose “No”.')
  })

  test('signs out of Microsoft 365 too, from the sign-out page and from the list of devices', async () => {
    await signIn(USE)
    const asked = await browser.get('/logout')
    expect(asked.text).toContain(
      'This is a shared computer: next, you sign out of Microsoft 365 too.',
    )
    expect(asked.html).not.toContain('name="microsoft"')
    const done = await browser.submit(asked, { scope: 'device' })
    expect((await browser.press(done, 'Sign out of Microsoft 365')).location).toContain(
      '/oauth2/v2.0/logout?',
    )
    await signIn('Sign in with Microsoft')
    const again = await browser.press(await browser.get('/account'), 'Sign out')
    const left = await browser.submit(again, {}, 'Sign out')
    expect(left.title).toBe('Signing out of Microsoft 365…')
  })

  test('finds the next sign-in in that window shared as well, until a user says that it is not', async () => {
    await signIn(USE)
    await browser.submit(await browser.get('/logout'), { scope: 'device' })
    await signIn('Sign in with Microsoft')
    expect(rig.microsoft.started.at(-1)).toMatchObject({ prompt: 'login' })
    await browser.submit(await browser.get('/logout'), { scope: 'device' })
    const cookies = await signIn('This is my own computer')
    expect(rig.microsoft.started.at(-1)).toMatchObject({ prompt: 'select_account' })
    expect(named(cookies, '__Host-cmb_shared')).toMatch(/max-age=0/i)
    expect(named(cookies, '__Host-cmb_known')).toMatch(/max-age/i)
    expect((await browser.get('/logout')).html).toContain('name="microsoft"')
  })

  test('at an app’s own page comes to a sign-in page that says so, and is believed without another choice', async () => {
    const link = '/signin/start?return_to=/account&computer=shared'
    const page = await browser.get(link)
    expect(page.text).toContain('This is a shared computer.')
    const callback = await atMicrosoft(rig, browser, page)
    expect(rig.microsoft.started.at(-1)).toMatchObject({ prompt: 'login' })
    const answer = await browser.send(callback)
    expect(named(answer.headers.getSetCookie(), '__Host-cmb_shared')).toContain('=yes')
    policy('never')
    expect((await browserAt(rig).get(link)).text).not.toContain('shared computer')
  })

  test('at an app’s own page can still say that it is not', async () => {
    const page = await browser.get('/signin/start?return_to=/account&computer=shared')
    const callback = await atMicrosoft(rig, browser, page, 'This is my own computer')
    const answer = await browser.send(callback)
    expect(named(answer.headers.getSetCookie(), '__Host-cmb_known')).toMatch(/max-age/i)
  })

  test('goes on with it through a further visit to Microsoft', async () => {
    const callback = await atMicrosoft(rig, browser, await browser.get('/account'), USE)
    await rig.store.putTenant({
      tid: TENANT,
      mfaProof: 'auth_context:c7',
      connectedAt: rig.clock.now(),
    })
    const further = new URL((await browser.send(callback)).headers.get('location') ?? '')
    rig.microsoft.next = { acrs: ['c7'] }
    const answer = await browser.send(
      `/signin/callback?${new URLSearchParams({ code: 'c', state: further.searchParams.get('state') ?? '' })}`,
    )
    expect(named(answer.headers.getSetCookie(), '__Host-cmb_shared')).toBeDefined()
  })
})

describe('by the setting', () => {
  test('always: each sign-in is one, that of an app that skips the page too, and no choice is offered', async () => {
    policy('always')
    const page = await browser.get('/account')
    expect(page.text).not.toMatch(/my own computer|Sign in on a shared/)
    await atMicrosoft(rig, browser, page)
    expect(rig.microsoft.started.at(-1)).toMatchObject({ prompt: 'login' })
    await browser.send(`${page.link('Sign in with Microsoft')}&computer=own`)
    expect(rig.microsoft.started.at(-1)).toMatchObject({ prompt: 'login' })
    const skips = await rig.register('Perth', { skipSignInPage: true })
    expect((await browser.get(authorizePath(skips))).location).toContain(
      'https://login.microsoftonline.com/',
    )
    expect(rig.microsoft.started.at(-1)).toMatchObject({ prompt: 'login' })
  })

  test('always: without prompt=login in Microsoft’s address the account of the user before opens no session', async () => {
    policy('always')
    const send = async (authTime: number | undefined) => {
      rig.microsoft.next = { authTime }
      return (await browser.send(await atMicrosoft(rig, browser, await browser.get('/account'))))
        .status
    }
    // A tenant that never sends auth_time cannot prove a fresh sign-in.
    expect(await send(undefined)).toBe(303)
    rig.clock.advance(43_201)
    expect(await send(rig.clock.now() - 600)).toBe(403)
    expect(await rig.store.liveSessionCount(rig.clock.now())).toBe(0)
    expect(await send(rig.clock.now())).toBe(303)
    rig.clock.advance(43_201)
    expect(await send(undefined)).toBe(403)
  })

  test('never: it is neither offered nor taken', async () => {
    policy('never')
    const page = await browser.get('/account')
    expect(page.text).not.toContain('shared computer')
    await browser.send(`${page.link('Sign in with Microsoft')}&computer=shared`)
    expect(rig.microsoft.started.at(-1)).toMatchObject({ prompt: 'select_account' })
  })
})

test.each([
  [{}, { idleSeconds: 900, absoluteSeconds: 43_200 }],
  [{ idleSeconds: 600 }, { idleSeconds: 600, absoluteSeconds: 43_200 }],
  [{ absoluteSeconds: 800 }, { idleSeconds: 800, absoluteSeconds: 800 }],
] as const)('the shortest of the limits counts: tenant %j', (limits, expected) => {
  const tenant = { tid: TENANT, mfaProof: 'amr', connectedAt: 0, ...limits }
  expect(sessionLimits(rig.config, tenant, true, 900)).toEqual(expected)
})
