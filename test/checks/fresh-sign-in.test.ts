import { expect, test } from 'vitest'
import { createChecks } from '../../src/operations/checks/checks.ts'
import { trialSetting } from '../../src/microsoft/tenants.ts'
import { createRig, OTHER_TENANT, TENANT } from '../rig.ts'

test('the check names the tenants whose sign-ins never had auth_time, so that a revocation demands no password there', async () => {
  const rig = await createRig()
  for (const tid of [TENANT, OTHER_TENANT])
    await rig.store.putTenant({ tid, mfaProof: 'amr', connectedAt: rig.clock.now() })
  const states = async () => {
    const findings = await createChecks(rig.deps).look({
      fresh: true,
      which: ({ id }) => id === 'fresh-sign-in',
    })
    for (const { state, fix } of findings) expect(fix !== undefined).toBe(state !== 'ok')
    return [TENANT, OTHER_TENANT].map((of) => findings.find(({ tid }) => tid === of)?.state)
  }
  expect(await states()).toEqual(['unknown', 'unknown'])
  await rig.openSession({ authTime: 0 })
  await rig.store.setSetting(
    trialSetting(OTHER_TENANT),
    JSON.stringify({ at: rig.clock.now(), claims: { auth_time: false } }),
  )
  expect(await states()).toEqual(['warning', 'warning'])
  await rig.openSession()
  expect(await states()).toEqual(['ok', 'warning'])
})
