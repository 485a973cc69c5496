import type { Browser } from 'playwright-core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { REASONS, reasonClass, type ReasonClass } from '../../src/protocol/revocation.ts'
import { revoke } from '../../src/revocation/revoke.ts'
import { world } from '../demo-case-manager/world.ts'
import { launchChromium, objections, openWindow } from './window.ts'

/** Every end of a session, by every cause: the page that is open says why, within a second. */

const WORDS: Record<ReasonClass, string> = {
  signed_out: 'You signed out in this browser.',
  signed_out_remotely: 'You signed out this browser from another device.',
  signed_out_everywhere: 'You signed out everywhere.',
  replaced: 'Another user signed in in this browser.',
  session_limit: 'You signed in on another device, which took the place of this one.',
  administrator: 'Your administrator signed you out.',
  locked: 'Your administrator has locked this access to Case Manager.',
  account: 'Your organization has switched off your account or your access to Case Manager.',
  expired: 'You were signed out automatically',
  ended_elsewhere: 'You were signed out, but not from this browser.',
}

let browser: Browser
beforeAll(async () => {
  browser = await launchChromium()
})
afterAll(() => browser.close())

test('an open page of an instance, and of the account, says so by itself', async () => {
  const { rig, cities, browser: user, signIn } = await world()
  const [sydney] = cities
  if (sydney === undefined) throw new Error('no such city')
  for (const reason of REASONS) {
    await signIn(sydney)
    await using window = await openWindow(browser, { width: 390, dark: true })
    const name = 'case_manager_sydney'
    await window.context.addCookies([
      { name, value: user.cookies.get(name) ?? '', url: sydney.url, httpOnly: true },
    ])
    const { page } = window
    await page.goto(sydney.url)
    await page.locator('#live', { hasText: 'Live' }).waitFor()
    const { sid } = JSON.parse((await user.get(`${sydney.url}/api/session`)).html) as {
      sid: string
    }
    const atMs = Date.now()
    await revoke(rig.deps, {
      selector: { kind: 'session', sid },
      reason,
      actor: { kind: 'broker', id: 'test' },
      now: rig.clock.now(),
    })
    await page.getByText(WORDS[reasonClass(reason)]).waitFor()
    expect.soft(Date.now() - atMs, reason).toBeLessThan(1000)
    expect(await page.getByRole('heading', { name: 'You have been signed out' }).count()).toBe(1)
    if (reason === 'signed_out') expect(await objections(page)).toEqual([])
    expect(window.complaints).toEqual([])
  }
})
