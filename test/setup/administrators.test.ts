import { expect, test, vi } from 'vitest'
import { disconnectTenant } from '../../src/microsoft/tenants.ts'
import {
  connect,
  connected,
  CONTOSO,
  createWorld,
  FABRIKAM,
  OPS,
  signInAsAdam,
  tenantPath,
} from './world.ts'

/** A broker with Contoso, whose administrator adds Fabrikam at /setup. */
async function withFabrikam() {
  const world = await createWorld()
  const { browser, rig } = world
  await connect(world)
  await browser.submitTo(await browser.get('/setup/add-tenant'), '/setup/add-tenant', {
    tid: FABRIKAM.tid,
    name: 'Fabrikam',
  })
  return { browser, rig }
}

test('the name of a tenant, and who administers another tenant, are set on its page; a role that every user has is rejected, and the operators’ tenant has no such form', async () => {
  const { browser, rig } = await withFabrikam()
  const page = OPS + tenantPath(FABRIKAM.tid)
  const save = async (filled: Record<string, string>) =>
    browser.submitTo(await browser.get(page), `${tenantPath(FABRIKAM.tid)}/settings`, filled)
  const set = async () => (await rig.store.findTenant(FABRIKAM.tid))?.administrators
  expect((await browser.get(page)).text).toContain(
    'Only operators see and sign out the users of this tenant.',
  )
  expect((await save({ administrators: 'app_role' })).text).toContain(
    'the app role Broker.TenantAdministrator administer it, at http://localhost:7400/tenant',
  )
  const role = '62e90394-69f5-4237-9190-012177145e10'
  expect((await save({ administrators: `directory_role:${role.toUpperCase()}` })).text).toContain(
    `the directory role ${role}`,
  )
  for (const wrong of ['', 'Global Administrator', 'b79fbf4d-3ef9-4689-8143-76b194e85509'])
    expect((await save({ administrators: `directory_role:${wrong}` })).text).toContain(
      'This role cannot administer the tenant.',
    )
  expect(await set()).toBe(`directory_role:${role}`)
  await save({ administrators: '' })
  expect(await set()).toBeUndefined()
  const own = await browser.get(OPS + tenantPath())
  const path = `${tenantPath()}/settings`
  const settings = own.forms.find(({ action }) => action === path)
  expect(Object.keys(settings?.fields ?? {})).toEqual(['csrf', 'name'])
  // Left from when it was a customer's tenant: its name is saved without them.
  await rig.store.changeTenant({ tid: CONTOSO.tid, change: { administrators: 'app_role' } })
  await browser.submitTo(own, path, { name: 'Contoso' })
  expect(await rig.store.findTenant(CONTOSO.tid)).toMatchObject({
    name: 'Contoso',
    administrators: 'app_role',
  })
  expect((await rig.store.findTenant(FABRIKAM.tid))?.name).toBe('Fabrikam')
})

test('a form whose content is no longer kept after a fresh sign-in changes nothing', async () => {
  const world = await createWorld()
  const { browser, clock, rig } = world
  await connected(world)
  await signInAsAdam(world)
  await browser.submitTo(await browser.get('/setup/add-tenant'), '/setup/add-tenant', {
    tid: FABRIKAM.tid,
    name: 'Fabrikam',
  })
  const administrators = 'app_role'
  await rig.store.changeTenant({ tid: FABRIKAM.tid, change: { administrators } })
  const page = await browser.get(OPS + tenantPath(FABRIKAM.tid))
  const path = `${tenantPath(FABRIKAM.tid)}/settings`
  clock.ahead = 400
  const waits = await browser.submitTo(page, path, { name: 'Fabrikam Ltd' })
  expect([waits.status, waits.title]).toEqual([403, 'Please sign in again'])
  clock.ahead = 0
  const late = await browser.submitTo(waits, path, { typed_before: 'expired' })
  expect([late.status, late.text]).toEqual([403, expect.stringContaining('the page is too old')])
  expect(await rig.store.findTenant(FABRIKAM.tid)).toMatchObject({
    name: 'Fabrikam',
    administrators,
  })
})

test('a tenant that is removed while its form is saved: the page says that nothing was changed', async () => {
  const { browser, rig } = await withFabrikam()
  const page = await browser.get(OPS + tenantPath(FABRIKAM.tid))
  const { changeTenant } = rig.store
  vi.spyOn(rig.store, 'changeTenant').mockImplementationOnce(async (change) => {
    const actor = { kind: 'operator', id: 'olga' } as const
    await disconnectTenant(rig.deps, { tid: FABRIKAM.tid, actor, now: rig.clock.now() })
    return changeTenant(change)
  })
  for (const name of ['Fabrikam Ltd', 'Fabrikam Inc']) {
    const saved = await browser.submitTo(page, `${tenantPath(FABRIKAM.tid)}/settings`, { name })
    expect([saved.status, saved.text]).toEqual([
      200,
      expect.stringContaining('Nothing was changed: this tenant is no longer connected'),
    ])
  }
})
