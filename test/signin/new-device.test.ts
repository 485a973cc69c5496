import { expect, test } from 'vitest'
import { createRig } from '../rig.ts'
import { authorizePath, createBrowser, signIn } from './browser.ts'

/**
 * A browser is new where its sealed cookie does not name the user. What the event says is for
 * test/store/new-device.test.ts.
 */

test('a browser is new to a user who has signed in before: not at their first sign-in, and not again after they signed out of it', async () => {
  const rig = await createRig()
  const sydney = await rig.register('Sydney')
  const endpoint = {
    url: 'https://siem.example/',
    events: ['session.new_device'],
    secretSealed: 'sealed',
  } as const
  const at = { createdAt: rig.clock.now(), updatedAt: rig.clock.now() }
  await rig.store.addWebhook({
    ...endpoint,
    id: 'wh_1',
    events: [...endpoint.events],
    include: [],
    state: 'enabled',
    position: 0,
    ...at,
  })
  const arrive = async (browser = createBrowser(rig)) => {
    await signIn(rig, browser, authorizePath(sydney))
    const written = await rig.store.listDeliveries({ clientId: 'wh_1', limit: 9 })
    return {
      browser,
      devices: written.map(
        ({ payload = '' }) => (JSON.parse(payload) as { data: { device: string } }).data,
      ),
    }
  }
  const { browser, devices } = await arrive()
  expect(devices).toEqual([])
  const [{ session } = expect.unreachable()] = await rig.store.searchSessions({
    now: rig.clock.now(),
    limit: 1,
  })
  const { sid, sub } = session
  await rig.store.revoke({
    selector: { kind: 'session', sid },
    reason: 'signed_out',
    actor: { kind: 'user', id: sub },
    now: rig.clock.now(),
  })
  expect((await arrive(browser)).devices).toEqual([])
  expect((await arrive()).devices).toMatchObject([{ sub, device: 'Firefox on Linux' }])
  // After 90 days a browser is no longer known.
  rig.clock.advance(90 * 86_400 + 1)
  expect((await arrive(browser)).devices).toHaveLength(2)
})
