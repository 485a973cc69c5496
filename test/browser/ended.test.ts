import type { Browser } from 'playwright-core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { wordsOf } from '../../demo/case-manager/pages.tsx'
import type { Session } from '../../db/types.ts'
import { REASONS, reasonClass, type Selector } from '../../src/protocol/revocation.ts'
import { requestRevocation } from '../../src/revocation/revoke.ts'
import { world } from '../demo-case-manager/world.ts'
import { launchChromium, objections, openWindow } from './window.ts'

/** Every end of a session, by every cause: the page that is open says why, within a second. */

let browser: Browser
beforeAll(async () => {
  browser = await launchChromium()
})
afterAll(() => browser.close())

/** Returns the selector of each kind that covers the session at this client. */
const selectorsOf = (
  { sid, sub, user: { tid } }: Session,
  clientId: string,
): { [Kind in Selector['kind']]: Selector } => ({
  session: { kind: 'session', sid },
  grant: { kind: 'grant', sid, clientId },
  subject: { kind: 'subject', sub },
  client: { kind: 'client', clientId },
  tenant: { kind: 'tenant', tid },
  everything: { kind: 'everything' },
})

/** Every reason for one session, and one reason for whatever else a revocation can cover. */
const CAUSES = [
  ...REASONS.map((reason) => ({ reason, kind: 'session' as const })),
  ...(['grant', 'subject', 'client', 'tenant', 'everything'] as const).map((kind) => ({
    reason: 'administrator' as const,
    kind,
  })),
]

test('an open page of an instance says so by itself', async () => {
  const { rig, cities, browser: user, signIn } = await world()
  const [sydney] = cities
  if (sydney === undefined) throw new Error('no such city')
  for (const { reason, kind } of CAUSES) {
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
    const status = await rig.store.statusBySid(sid, rig.clock.now())
    if (status.state !== 'live') throw new Error(`The session is ${status.state}`)
    const selector = selectorsOf(status.session, sydney.clientId)[kind]
    await requestRevocation(rig.deps, {
      selector,
      reason,
      actor: { kind: 'broker', id: 'test' },
      now: rig.clock.now(),
    })
    await page.getByText(wordsOf(reasonClass(reason)) ?? '').waitFor()
    expect(await page.getByRole('heading', { name: 'You have been signed out' }).count()).toBe(1)
    if (reason === 'signed_out') expect(await objections(page)).toEqual([])
    expect(window.complaints).toEqual([])
  }
})
