import { expect, test } from 'vitest'
import { sha256 } from '../../src/runtime/compare.ts'
import { SESSION_COOKIE } from '../../src/session/cookie.ts'
import type { Page } from '../browser.ts'
import { Browser as MicrosoftBrowser } from '../demo-entra/relying-party.ts'
import { TENANT } from '../rig.ts'
import { ageSessions, atSimulator } from './at-simulator.ts'
import { authorizePath, createBrowser, linkOf, location } from './browser.ts'

/**
 * Periodic re-entry with msal-node and the simulated Microsoft on sockets: whether it honors
 * max_age is not documented.
 */

const ALICE = 'alice@contoso.example'
const HOUR = 3600

async function world() {
  const { rig, entra, clock, sydney } = await atSimulator({ tenants: [TENANT] })
  rig.config.sessionRules.maxAuthenticationSeconds = 8 * HOUR
  const microsoft = new MicrosoftBrowser()
  /**
   * Signs in from a browser without a session at the broker. Returns the parameters of each visit
   * to Microsoft.
   */
  const signIn = async () => {
    const ours = createBrowser(rig)
    const asked: (string | null)[][] = []
    let answer: Page = await ours.get(
      linkOf(
        (await ours.get(authorizePath(sydney, { login_hint: ALICE }))).html,
        'Sign in with Microsoft',
      ),
    )
    while (answer.left?.origin === entra.origin) {
      const to = location(answer)
      asked.push([to.searchParams.get('prompt'), to.searchParams.get('max_age')])
      // Microsoft shows no page if its own session suffices.
      const silent = await microsoft.get(to.href)
      const { left } = silent.left === undefined ? await microsoft.signIn(to.href, ALICE) : silent
      answer = await ours.get(`${left?.pathname ?? ''}${left?.search ?? ''}`)
    }
    expect(answer.left?.searchParams.has('code')).toBe(true)
    const status = await rig.store.statusByCookie(
      sha256(ours.cookies.get(SESSION_COOKIE) ?? ''),
      clock.now(),
    )
    return { asked, age: clock.now() - (status.state === 'live' ? status.session.authTime : 0) }
  }
  return { entra, signIn, age: (seconds: number) => ageSessions(entra, microsoft, seconds) }
}

const FIRST = [null, String(8 * HOUR)]

test('where Microsoft honors max_age, one visit asks for the password once it is too old, and not before', async () => {
  const { signIn, age } = await world()
  expect((await signIn()).asked).toEqual([FIRST])
  age(7 * HOUR)
  const early = await signIn()
  expect(early.asked).toEqual([FIRST])
  expect(early.age).toBeGreaterThanOrEqual(7 * HOUR)
  // The time is a second beyond the limit. At the limit itself the two may decide differently.
  age(HOUR + 1)
  const late = await signIn()
  expect(late.asked).toEqual([FIRST])
  expect(late.age).toBeLessThan(60)
})

test('where it does not, the broker sends the browser once more, with prompt=login', async () => {
  const { entra, signIn, age } = await world()
  await signIn()
  entra.set({ ignoreMaxAge: true })
  age(8 * HOUR)
  const late = await signIn()
  expect(late.asked).toEqual([FIRST, ['login', null]])
  expect(late.age).toBeLessThan(60)
})
