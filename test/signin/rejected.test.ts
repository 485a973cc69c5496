import { describe, expect, test } from 'vitest'
import { MicrosoftRejection } from '../../src/microsoft/interface.ts'
import { Browser as MicrosoftBrowser } from '../demo-entra/relying-party.ts'
import { createRig, TENANT } from '../rig.ts'
import { atSimulator } from './at-simulator.ts'
import { atMicrosoft, authorizePath, createBrowser, linkOf, location, signIn } from './browser.ts'

/**
 * A rejected sign-in is kept under the reference that its page shows, so that an administrator
 * finds it.
 */

const referenceIn = (html: string): string =>
  /(?:<code id="reference">|[Rr]eference[^<]{0,3}[: ])([BCDFGHJKMNPQRSTVWXZ2-9]{4}-[BCDFGHJKMNPQRSTVWXZ2-9]{4})/.exec(
    html,
  )?.[1] ?? expect.unreachable()

async function open() {
  const rig = await createRig()
  const sydney = await rig.register('Sydney')
  const browser = createBrowser(rig)
  /** Comes back from Microsoft with an error in the query. */
  const decline = async () => {
    const page = await browser.get(authorizePath(sydney))
    const { searchParams } = new URL(await atMicrosoft(rig, browser, page), 'http://localhost')
    const query = { state: searchParams.get('state') ?? '', error: 'access_denied' }
    return `/signin/callback?${new URLSearchParams(query)}`
  }
  return { rig, sydney, browser, decline }
}

describe('a rejected sign-in', () => {
  test('of a user whom Microsoft identified is found by the reference of its page, which a reload does not change', async () => {
    const { rig, sydney, browser } = await open()
    rig.microsoft.next = { acrs: [] }
    const callback = await atMicrosoft(rig, browser, await browser.get(authorizePath(sydney)))
    const { html } = await browser.get(callback)
    const reference = referenceIn(html)
    const found = await rig.store.findRejectedSignIn(reference)
    const { tid, oid } = rig.microsoft.user
    expect(found).toMatchObject({
      user: { tid, oid, username: 'alice@contoso.example' },
      clientId: 'sydney',
      reason: 'mfa_not_proved',
      at: rig.clock.now(),
    })
    const again = await browser.get(callback)
    expect([again.status, again.title]).toEqual([403, 'Two-step verification is needed'])
    expect(referenceIn(again.html)).toBe(reference)
    const { found: all } = await rig.store.listRejectedSignIns({ tid: TENANT, limit: 9, most: 9 })
    expect(all).toHaveLength(1)
  })

  test('without an identity is kept without a name, once however often its callback comes; at most 20 of an address and hour', async () => {
    const { rig, browser, decline } = await open()
    const callback = await decline()
    const { html } = await browser.get(callback)
    expect(referenceIn((await browser.get(callback)).html)).toBe(referenceIn(html))
    for (let visits = 1; visits < 25; visits++) await browser.get(await decline())
    await rig.deps.rejectedVisits.flush()
    const all = async () => (await rig.store.listRejectedSignIns({ limit: 99, most: 99 })).found
    expect(await all()).toHaveLength(20)
    expect((await all()).at(-1)).toEqual({
      id: 1,
      reference: referenceIn(html),
      at: rig.clock.now(),
      clientId: 'sydney',
      reason: 'declined',
      code: undefined,
    })
    rig.clock.advance(3600)
    await browser.get(await decline())
    await rig.deps.rejectedVisits.flush()
    expect(await all()).toHaveLength(21)
  })

  test('by an error of Microsoft’s token endpoint says the same over a reload, before and after it is written', async () => {
    const { rig, sydney, browser } = await open()
    rig.microsoft.next = new MicrosoftRejection('not_assigned', {
      code: 50_105,
      effect: 'session',
    })
    const callback = await atMicrosoft(rig, browser, await browser.get(authorizePath(sydney)))
    const first = await browser.get(callback)
    const early = await browser.get(callback)
    await rig.deps.rejectedVisits.flush()
    const late = await browser.get(callback)
    for (const page of [early, late]) {
      expect(page.title).toBe(first.title)
      expect(referenceIn(page.html)).toBe(referenceIn(first.html))
    }
  })

  test('of a user who is signed in, at an instance that does not admit them, is theirs too', async () => {
    const { rig, sydney, browser } = await open()
    await signIn(rig, browser, authorizePath(sydney))
    const perth = await rig.register('Perth', { tenants: ['99999999-9999-4999-8999-999999999999'] })
    const { html } = await browser.get(authorizePath(perth))
    expect(await rig.store.findRejectedSignIn(referenceIn(html))).toMatchObject({
      user: { sub: expect.any(String) as string },
      clientId: 'perth',
      reason: 'not_assigned_here',
    })
  })
})

test('a user of a tenant that is not registered leaves no name, with the simulated Microsoft', async () => {
  const { rig, sydney } = await atSimulator({ tenants: [TENANT] })
  const browser = createBrowser(rig)
  const page = await browser.get(authorizePath(sydney))
  const start = location(await browser.get(linkOf(page.html, 'Sign in with Microsoft')))
  start.pathname = start.pathname.replace(TENANT, 'organizations')
  const { left = expect.unreachable() } = await new MicrosoftBrowser().signIn(
    start.href,
    'faye@fabrikam.example',
  )
  const { html, status } = await browser.get(left.pathname + left.search)
  expect(status).toBe(403)
  await rig.deps.rejectedVisits.flush()
  const found = await rig.store.findRejectedSignIn(referenceIn(html))
  expect(found).not.toHaveProperty('user')
  expect(JSON.stringify(found)).not.toContain('faye')
})
