import { expect, test } from 'vitest'
import { MicrosoftRejection } from '../../src/microsoft/interface.ts'
import { createProbeAlarm, probeSession } from '../../src/signals/received/probe-session.ts'
import { createRig, TENANT } from '../rig.ts'
import { sealForSession } from '../../src/clients/session/sealed.ts'
import { createChecks } from '../../src/operations/checks/checks.ts'
import { connect, createWorld, OPS, tenantPath } from './world.ts'

test('the limit of a tenant is set in hours; what is not a limit changes nothing', async () => {
  const world = await createWorld()
  const { browser, rig } = world
  await connect(world)
  const limit = async () => (await rig.store.findTenant(TENANT))?.maxAuthenticationSeconds
  const save = async (hours: string) =>
    browser.submitTo(await browser.get(OPS + tenantPath()), `${tenantPath()}/settings`, { hours })
  expect((await browser.get(OPS + tenantPath())).text).toContain(
    'periodic re-entry? No. Only Microsoft’s own policies make users sign in there again.',
  )
  expect((await save('8')).text).toContain(
    'A session ends when the user’s authentication at Microsoft is 8 h old',
  )
  expect(await limit()).toBe(28_800)
  for (const nothing of ['0', '-1', '9999', 'soon'])
    expect((await save(nothing)).text).toContain('The limit is not valid.')
  expect(await limit()).toBe(28_800)
  await save('0.5')
  expect(await limit()).toBe(1800)
  await save('')
  expect(await limit()).toBeUndefined()
})

test('a limit that ends sessions is saved once the administrator has seen how many and typed the id of the tenant', async () => {
  const world = await createWorld()
  const { browser, rig, clock } = world
  await connect(world)
  rig.clock.advance(clock.now() - rig.clock.now())
  for (const [oid, hoursAgo] of [
    ['00000000-0000-4000-8000-0000000000a1', 5],
    ['00000000-0000-4000-8000-0000000000a2', 3],
    ['00000000-0000-4000-8000-0000000000a3', 1],
  ] as const)
    await rig.openSession({ user: { tid: TENANT, oid }, authTime: clock.now() - hoursAgo * 3600 })
  const limit = async () => (await rig.store.findTenant(TENANT))?.maxAuthenticationSeconds
  const path = `${tenantPath()}/settings`
  const save = async (hours: string) =>
    browser.submitTo(await browser.get(OPS + tenantPath()), path, { hours })
  const changes = async () => (await rig.store.listAudit({ act: 'tenant.change', limit: 9 })).length
  const check = await save('2,333')
  expect(check.text).toMatch(
    /Check before you save the limit.*New limit 2,333 h Sessions that end at once 2 Their users 2/,
  )
  for (const typed of ['', 'yes']) {
    const wrong = await browser.submitTo(check, path, { typed })
    expect([typed, wrong.status, wrong.text]).toEqual([
      typed,
      422,
      expect.stringContaining('Nothing was changed: what was typed is not'),
    ])
  }
  expect([await limit(), await changes()]).toEqual([undefined, 0])
  expect((await browser.submitTo(check, path, { typed: TENANT })).text).toContain('is 2.33 h old')
  expect([await limit(), await changes()]).toEqual([8399, 1])
  expect((await save('6')).text).toContain('is 6 h old')
  expect(await limit()).toBe(6 * 3600)
})

test('the check says who enforces periodic re-entry: neither as far as is seen, Entra’s policy, the broker', async () => {
  const rig = await createRig()
  await rig.store.putTenant({ tid: TENANT, mfaProof: 'amr', connectedAt: rig.clock.now() })
  const found = async () => {
    const findings = await createChecks(rig.deps).look({
      fresh: true,
      which: ({ id }) => id === 're-entry',
    })
    return findings
      .filter(({ tid }) => tid === TENANT)
      .map(({ state, found: words }) => [state, words])
  }
  expect(await found()).toEqual([
    ['unknown', expect.stringMatching(/^The broker does not enforce periodic re-entry/)],
  ])
  const { session } = await rig.openSession({
    microsoftCacheSealed: sealForSession(
      rig.deps.sealer,
      'microsoft_cache',
      rig.microsoft.user,
      'cache',
    ),
  } as object)
  rig.microsoft.renewals = () =>
    new MicrosoftRejection('sign_in_again', { effect: 'mark', code: 70_043 })
  const due = (await rig.store.findProbe(session.sid, rig.clock.now())) ?? expect.unreachable()
  await probeSession(rig.deps, due, createProbeAlarm())
  expect(await found()).toEqual([['ok', expect.stringMatching(/^Entra’s policy/)]])
  await rig.store.changeTenant({ tid: TENANT, change: { maxAuthenticationSeconds: 28_800 } })
  expect(await found()).toEqual([['ok', expect.stringMatching(/^The broker: .* 28800 s/)]])
})
