import { expect, test } from 'vitest'
import { Browser as MicrosoftBrowser } from '../demo-entra/relying-party.ts'
import { createRig, ISSUER, TENANT } from '../rig.ts'
import { createWorld, enter } from '../setup/world.ts'
import { atSimulator } from './at-simulator.ts'
import { authorizePath, createBrowser, delivered, linkOf, location } from './browser.ts'

/**
 * Postgres takes no NUL character (U+0000) in a text: neither a browser nor Microsoft makes the
 * broker fail with one.
 */

test('a user whose display name at Microsoft has one signs in, and is shown without it', async () => {
  const { rig, entra, clock, sydney } = await atSimulator({ tenants: [TENANT] })
  const alice = entra.world.userOf('alice@contoso.example') ?? expect.unreachable()
  alice.name = 'Alice\0 Adams'
  const browser = createBrowser(rig)
  const toMicrosoft = location(
    await browser.get(
      linkOf((await browser.get(authorizePath(sydney))).html, 'Sign in with Microsoft'),
    ),
  )
  const left =
    (await new MicrosoftBrowser().signIn(toMicrosoft.href, alice.upn)).left ?? expect.unreachable()
  expect(delivered(await browser.get(left.pathname + left.search))).toHaveProperty('code')
  const [found] = await rig.store.searchSessions({ now: clock.now(), limit: 10 })
  expect(found?.session.user).toMatchObject({ name: 'Alice Adams', username: alice.upn })
})

test('a sub in the claims parameter is rejected at the instance', async () => {
  const rig = await createRig()
  const client = await rig.register('Sydney')
  const claims = JSON.stringify({ id_token: { sub: { value: 'u_\0' } } })
  expect(delivered(await createBrowser(rig).get(authorizePath(client, { claims })))).toMatchObject({
    error: 'invalid_request',
    error_description: expect.stringContaining('NUL') as string,
  })
})

test('a request_uri of a client with such an id is unknown', async () => {
  const rig = await createRig()
  const asked = `request_uri=urn:ietf:params:oauth:request_uri:${'a'.repeat(43)}`
  expect((await rig.app.request(`${ISSUER}/authorize?client_id=sydney%00&${asked}`)).status).toBe(
    400,
  )
})

test('/setup has no tenant of such an id', async () => {
  const world = await createWorld()
  await enter(world)
  world.browser.follows = () => false
  expect((await world.browser.get('/setup/tenants/%00')).location).toBe('/setup?result=no_tenant')
})
