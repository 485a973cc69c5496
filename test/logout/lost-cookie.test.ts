import { describe, expect, test } from 'vitest'
import { sha256 } from '../../src/runtime/compare.ts'
import { createRig } from '../rig.ts'
import {
  atMicrosoft,
  authorizePath,
  createBrowser,
  delivered,
  location,
  signIn,
} from '../signin/browser.ts'

/** A browser whose session lives, and whose cookie of it got lost: its own cookie finds it. */

const BROWSER = '__Host-cmb_signin'
const SESSION = '__Host-cmb_session'

async function signedIn() {
  const rig = await createRig()
  const sydney = await rig.register('Sydney')
  const browser = createBrowser(rig)
  await signIn(rig, browser, authorizePath(sydney))
  const hash = sha256(browser.cookies.get(SESSION) ?? '')
  const status = await rig.store.statusByCookie(hash, rig.clock.now())
  if (status.state !== 'live') return expect.unreachable()
  await rig.signInAt(status.session.sid, sydney)
  return { rig, sydney, browser, live: () => rig.store.liveSessionCount(rig.clock.now()) }
}

describe('sign-out in a browser that lacks its session’s cookie', () => {
  test('after the answer that renewed the session was lost, the sign-out ends the session', async () => {
    const { rig, sydney, browser, live } = await signedIn()
    const asked = await browser.get(authorizePath(sydney, { prompt: 'login' }))
    const answers = createBrowser(rig)
    answers.addCookies(browser.cookieHeader)
    const callback = await atMicrosoft(rig, browser, asked)
    // The other browser gets the answer, so this one keeps the former cookie.
    answers.addCookies(browser.cookieHeader)
    expect(delivered(await answers.send(callback))).toHaveProperty('code')
    expect(await live()).toBe(1)
    expect(location(await browser.get('/logout/done')).pathname).toBe('/logout')
    const page = await browser.get('/logout')
    expect(page.title).toBe('Sign out?')
    const done = await browser.submit(page, { scope: 'device' })
    expect(done.status).toBe(303)
    expect(await live()).toBe(0)
    const last = await browser.get(location(done).href)
    expect(last.title).toContain('You are signed out on this')
    // The page may be read by the former user of a shared computer.
    expect(last.text).not.toContain('Sydney')
  })

  test('a copy of the browser’s cookie reads nothing of a later user’s session, and ends no other', async () => {
    const { rig, sydney, browser, live } = await signedIn()
    await rig.openSession({ device: 'Safari on iPhone' })
    const copy = createBrowser(rig)
    copy.addCookies(`${BROWSER}=${browser.cookies.get(BROWSER)}`)
    expect(copy.cookies.has(SESSION)).toBe(false)
    expect(location(await copy.get('/account')).pathname).toBe('/signin/start')
    const page = await copy.get('/logout')
    for (const words of ['Alice', 'alice@', 'Firefox', 'Sydney', 'Everywhere'])
      expect(page.text).not.toContain(words)
    const everywhere = await copy.submit(page, { scope: 'everywhere' })
    expect(everywhere.status).toBe(400)
    for (const words of ['Alice', 'Sydney']) expect(everywhere.text).not.toContain(words)
    const before = await live()
    const done = await copy.submit(page, { scope: 'device', microsoft: 'yes' })
    expect(await live()).toBe(before - 1)
    const last = await copy.get(location(done).href)
    for (const words of ['Alice', 'alice', 'Sydney'])
      expect(`${last.text} ${last.headers.get('location')}`).not.toContain(words)
    expect(delivered(await copy.get(authorizePath(sydney, { prompt: 'none' })))).toMatchObject({
      error: 'login_required',
    })
  })
})
