import fc from 'fast-check'
import { expect, test } from 'vitest'
import { createChecks } from '../../src/operations/checks/checks.ts'
import { createRig, type Rig, TENANT } from '../rig.ts'
import { atConsole } from '../console/console.ts'

/** The rejected share of a tenant's sign-ins, which jumps when a policy or a setting breaks. */

const DAY = 86_400
let reference = 0

async function open() {
  const rig = await createRig()
  await rig.store.putTenant({ tid: TENANT, name: 'Contoso', mfaProof: 'amr', connectedAt: 1 })
  return rig
}
/** Rejects `visits` sign-ins of `users` users. */
async function reject(rig: Rig, visits: number, users: number, why = 'mfa_not_proved') {
  for (let visit = 0; visit < visits; visit++)
    await rig.store.recordRejectedSignIn({
      user: { tid: TENANT, oid: `oid-${visit % users}` },
      why,
      reference: `R-${++reference}`,
      device: '',
      now: rig.clock.now(),
    })
}
const accept = async (rig: Rig, count: number) => {
  for (let at = 0; at < count; at++) await rig.openSession()
}
const stateOf = async (rig: Rig) => {
  const found = await createChecks(rig.deps).look({ which: ({ id }) => id === 'rejected-sign-ins' })
  return found.filter(({ tid }) => tid === TENANT).map(({ state }) => state)
}

test('a jump of it is on the overview, with counts, the users and what is to be done', async () => {
  const rig = await open()
  await accept(rig, 8)
  await reject(rig, 1, 1)
  rig.clock.advance(DAY / 2)
  await accept(rig, 4)
  await reject(rig, 12, 6)
  const olga = await atConsole(rig, 'operator')
  // The sign-in of the operator is accepted too.
  expect((await olga.get('/ops')).text).toContain(
    '12 of 17 sign-ins in the last half hour were rejected, from 6 users; in the day before, 1 of 9.',
  )
  rig.clock.advance(3_600)
  expect(await stateOf(rig)).toEqual(['ok'])
})

test.each([
  ['three sign-ins, all of them rejected', 3, 3, 'mfa_not_proved', 0],
  ['one user who tries again and again', 40, 1, 'mfa_not_proved', 0],
  ['rejections by a lock that an operator set', 20, 10, 'tenant_locked', 0],
  ['a small share of many', 12, 6, 'mfa_not_proved', 40],
] as const)('%s are no alarm', async (_, visits, users, why, accepted) => {
  const rig = await open()
  await accept(rig, accepted)
  await reject(rig, visits, users, why)
  expect(await stateOf(rig)).toEqual(['ok'])
})

test('a share that is as it was the day before is no alarm', async () => {
  await fc.assert(
    fc.asyncProperty(fc.integer({ min: 10, max: 20 }), async (visits) => {
      const rig = await open()
      await reject(rig, visits, 5)
      await accept(rig, 5)
      expect(await stateOf(rig)).toEqual(['failed'])
      rig.clock.advance(DAY / 2)
      await reject(rig, visits, 5)
      await accept(rig, 5)
      expect(await stateOf(rig)).toEqual(['ok'])
    }),
    { numRuns: 3 },
  )
})
