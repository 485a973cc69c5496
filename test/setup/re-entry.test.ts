import { expect, test } from 'vitest'
import { MicrosoftRejection } from '../../src/microsoft/interface.ts'
import { createProbeAlarm, probeSession } from '../../src/signals/received/probe-session.ts'
import { createRig, TENANT } from '../rig.ts'
import { sealForSession } from '../../src/session/sealed.ts'
import { createChecks } from '../../src/operations/checks/checks.ts'

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
