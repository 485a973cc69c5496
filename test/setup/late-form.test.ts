import { expect, test } from 'vitest'
import { disconnectTenant } from '../../src/microsoft/tenants.ts'
import {
  connect,
  connected,
  createWorld,
  FABRIKAM,
  OPS,
  signInAsAdam,
  tenantPath,
} from './world.ts'

test('a form whose content is no longer kept after a fresh sign-in changes nothing', async () => {
  const world = await createWorld()
  const { browser, clock, rig } = world
  await connected(world)
  await signInAsAdam(world)
  const page = await browser.get(`${OPS}/setup/add-tenant`)
  clock.ahead = 400
  const waits = await browser.submitTo(page, '/setup/add-tenant', { tid: FABRIKAM.tid })
  expect([waits.status, waits.title]).toEqual([403, 'Please sign in again'])
  clock.ahead = 0
  const late = await browser.submitTo(waits, '/setup/add-tenant', { typed_before: 'expired' })
  expect([late.status, late.text]).toEqual([403, expect.stringContaining('the page is too old')])
  expect(await rig.store.findTenant(FABRIKAM.tid)).toBeUndefined()
})

test('a tenant that is removed while its form is open: the page says that nothing was changed', async () => {
  const world = await createWorld()
  const { browser, rig } = world
  await connect(world)
  await browser.submitTo(await browser.get('/setup/add-tenant'), '/setup/add-tenant', {
    tid: FABRIKAM.tid,
    name: 'Fabrikam',
  })
  const page = await browser.get(OPS + tenantPath(FABRIKAM.tid))
  const actor = { kind: 'operator', id: 'olga' } as const
  await disconnectTenant(rig.deps, { tid: FABRIKAM.tid, actor, now: rig.clock.now() })
  const sent = await browser.submitTo(page, `${tenantPath(FABRIKAM.tid)}/proof`)
  expect([sent.status, sent.text]).toEqual([
    200,
    expect.stringContaining('Nothing was changed: this tenant is no longer connected'),
  ])
})
