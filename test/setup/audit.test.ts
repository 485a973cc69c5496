import { disconnectTenant } from '../../src/microsoft/tenants.ts'
import { expect, test } from 'vitest'
import {
  APP_CLIENT_ID,
  APP_CLIENT_SECRET,
  connect,
  connected,
  CONTOSO,
  createWorld,
  FABRIKAM,
  tenantPath,
  type World,
} from './world.ts'

/**
 * The audit log has each change of /setup, with the values before and after it, and never a secret.
 */

const latest = async ({ rig }: World, act: string) =>
  (await rig.store.listAudit({ act, limit: 1 }))[0] ?? expect.unreachable()

test('the application: its id and the kind of its credential, before and after', async () => {
  const world = await createWorld()
  const { browser, rig } = world
  await connect(world)
  expect((await latest(world, 'connection.change')).details).toEqual({
    clientId: APP_CLIENT_ID,
    credential: 'secret',
    before: { clientId: null, credential: null },
  })
  await browser.submitTo(await browser.get('/setup/connect'), '/setup/connect', {
    kind: 'secret',
    client_secret: APP_CLIENT_SECRET,
  })
  expect((await latest(world, 'connection.change')).details).toMatchObject({
    before: { clientId: APP_CLIENT_ID, credential: 'secret' },
  })
  expect(JSON.stringify(await rig.store.listAudit({ limit: 100 }))).not.toContain(APP_CLIENT_SECRET)
})

test('a tenant: connected, made the operators’, removed and connected again', async () => {
  const world = await createWorld()
  const { browser, rig } = world
  await connect(world)
  expect((await latest(world, 'tenant.add')).ended).toMatchObject({
    outcome: 'done',
    result: {
      changed: {
        connected: { before: false, after: true },
        mfa_proof: { before: null, after: 'undecided' },
      },
    },
  })
  expect((await latest(world, 'connection.operators')).details).toEqual({ before: null })
  const add = async (filled: Record<string, string>) =>
    browser.submitTo(await browser.get('/setup/add-tenant'), '/setup/add-tenant', filled)
  const page = await add({ tid: FABRIKAM.tid, name: 'Fabrikam' })
  expect((await latest(world, 'tenant.add')).ended?.result).toMatchObject({
    changed: { name: { before: null, after: 'Fabrikam' } },
  })
  await browser.submitTo(page, `${tenantPath(FABRIKAM.tid)}/operators`, { sure: 'yes' })
  expect(await latest(world, 'connection.operators')).toMatchObject({
    target: `tenant ${FABRIKAM.tid}`,
    details: { before: CONTOSO.tid },
  })
  await disconnectTenant(rig.deps, {
    tid: CONTOSO.tid,
    actor: { kind: 'operator', id: 'olga' },
    now: rig.clock.now(),
  })
  await add({ tid: CONTOSO.tid, name: 'Contoso' })
  expect((await latest(world, 'tenant.add')).ended?.result).toEqual({
    changed: {
      connected: { before: false, after: true },
      name: { before: null, after: 'Contoso' },
    },
  })
})

test('consent and the proof of MFA', async () => {
  const world = await createWorld()
  await connected(world)
  expect((await latest(world, 'consent.returned')).details).toEqual({ before: null })
  expect((await latest(world, 'proof.assert')).details).toMatchObject({
    proof: 'auth_context:c1',
    before: 'undecided',
  })
})
