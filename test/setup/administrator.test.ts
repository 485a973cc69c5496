import { describe, expect, test } from 'vitest'
import { proposedProofSetting } from '../../src/microsoft/tenants.ts'
import { OTHER_TENANT, TENANT } from '../rig.ts'
import {
  connected,
  createWorld,
  FABRIKAM,
  OPS,
  signInAsAdam,
  tenantPath,
  type World,
} from './world.ts'

describe('an administrator by role', () => {
  const administrator = async (world: World) => {
    await connected(world)
    return signInAsAdam(world)
  }

  test('comes back to /setup after the console’s sign-in, and sees that an administrator has signed in', async () => {
    const world = await createWorld()
    const overview = await administrator(world)
    expect(overview.url).toBe(`${OPS}/setup`)
    expect(overview.text).toContain('An administrator has.')
    expect(overview.html).toContain('href="/ops"')
    const desk = await world.browser.get('/ops')
    expect([desk.status, desk.html]).toEqual([200, expect.stringContaining('href="/setup"')])
  })

  test('has to be fresh for whatever decides who signs in', async () => {
    const world = await createWorld()
    const { rig, clock, browser } = world
    await administrator(world)
    const [add, tenant] = [await browser.get('/setup/add-tenant'), await browser.get(tenantPath())]
    clock.ahead = 400
    const proof = await browser.submitTo(tenant, `${tenantPath()}/proof`, { kind: 'amr' })
    expect([proof.status, await rig.store.setting(proposedProofSetting(TENANT))]).toEqual([
      403,
      undefined,
    ])
    const stale = await browser.submitTo(add, '/setup/add-tenant', { tid: FABRIKAM.tid })
    expect([stale.status, stale.text]).toEqual([403, expect.stringContaining('five minutes')])
    expect(rig.deps.connection.current().tenants).toEqual([TENANT])
    clock.ahead = 0
    await browser.submitTo(add, '/setup/add-tenant', { tid: FABRIKAM.tid, name: 'Fabrikam' })
    expect(rig.deps.connection.current().tenants).toEqual([TENANT, OTHER_TENANT])
    const entry = (await rig.store.listAudit({ act: 'tenant.add', limit: 1 })).at(0)
    expect(entry).toMatchObject({
      via: 'setup',
      actor: { kind: 'operator', id: expect.stringMatching(/^\w/) as string },
    })
    expect(entry?.actor.id).not.toBe('setup-token')
  })

  test('makes no tenant the operator tenant of which no administrator was seen: none could sign in here again', async () => {
    const world = await createWorld()
    const { rig, browser } = world
    await administrator(world)
    await browser.submitTo(await browser.get('/setup/add-tenant'), '/setup/add-tenant', {
      tid: FABRIKAM.tid,
      name: 'Fabrikam',
    })
    const change = async () =>
      browser.submitTo(
        await browser.get(tenantPath(FABRIKAM.tid)),
        `${tenantPath(FABRIKAM.tid)}/operators`,
        { sure: 'yes' },
      )
    const operators = () => rig.deps.connection.current().operatorTenant
    expect([(await change()).text, operators()]).toEqual([
      expect.stringContaining('The broker has seen no administrator'),
      TENANT,
    ])
    const trial = { at: 1, claims: {}, roles: ['Broker.Administrator'] }
    await rig.store.setSetting(`setup/trial/${FABRIKAM.tid}`, JSON.stringify(trial))
    expect([(await change()).text, operators()]).toEqual([
      expect.stringContaining('The broker has seen no administrator'),
      TENANT,
    ])
    await rig.store.changeTenant({ tid: FABRIKAM.tid, change: { mfaProof: 'auth_context:c1' } })
    await change()
    expect(operators()).toBe(OTHER_TENANT)
  })

  test('an operator without the administrator’s role stays outside', async () => {
    const world = await createWorld()
    await connected(world)
    world.entra.auto('olivia@contoso.example')
    const page = await world.browser.press(await world.browser.get('/setup'), 'Sign in')
    const back = await world.browser.press(page, 'Sign in with Microsoft')
    expect([back.status, back.url]).toEqual([401, `${OPS}/setup`])
  })
})
