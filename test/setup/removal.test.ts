import { expect, test, vi } from 'vitest'
import { disconnectTenant } from '../../src/microsoft/tenants.ts'
import { createRig, TENANT } from '../rig.ts'
import { authorizePath, createBrowser, signIn } from '../signin/browser.ts'

test('a tenant that is removed while one of its users is signing in: no user is left signed in, whichever commits first', async () => {
  const rig = await createRig()
  const client = await rig.register('Sydney')
  const browser = createBrowser(rig)
  const commit = rig.store.signIn
  vi.spyOn(rig.store, 'signIn').mockImplementationOnce(async (input) => {
    await disconnectTenant(rig.deps, {
      tid: TENANT,
      actor: { kind: 'operator', id: 'olga' },
      now: rig.clock.now(),
    })
    return commit(input)
  })
  const response = await signIn(rig, browser, authorizePath(client))
  expect([response.status, response.html]).toEqual([403, expect.stringContaining('not connected')])
  expect(response.headers.getSetCookie().join()).not.toContain('cmb_session')
  expect(await rig.store.searchSessions({ tid: TENANT, now: rig.clock.now(), limit: 10 })).toEqual(
    [],
  )
})
