import { expect, test } from 'vitest'
import { createRig, OTHER_TENANT, TENANT } from '../rig.ts'
import { startCmb } from './cmb.ts'

async function revoked() {
  const rig = await createRig()
  const { type } = await startCmb(rig)
  const { session } = await rig.openSession()
  return { rig, type, session }
}
const owes = (rig: Awaited<ReturnType<typeof revoked>>['rig']) => {
  const { tid, oid } = rig.microsoft.user
  return rig.store.needsFreshSignIn({ user: { tid, oid }, provenSeq: 0, now: rig.clock.now() })
}

test('cmb fresh-sign-in waive lets a user in without their password again, until it ends, and is audited', async () => {
  const { rig, type, session } = await revoked()
  expect((await type(['revoke', '--subject', session.sub])).out).not.toContain('auth_time')
  expect(await owes(rig)).toBe('fresh')
  const ran = await type([
    'fresh-sign-in',
    'waive',
    '--subject',
    session.sub,
    '--hours',
    '4',
    '--case',
    'INC-12',
    '--comment',
    'no claim',
  ])
  expect(ran).toMatchObject({
    code: 0,
    out: expect.stringContaining('for revocations up to number 1') as string,
  })
  expect(await owes(rig)).toBeUndefined()
  expect(await rig.store.listAudit({ act: 'fresh_sign_in.waive', limit: 1 })).toMatchObject([
    {
      target: `subject ${session.sub}`,
      caseReference: 'INC-12',
      comment: 'no claim',
      details: { hours: 4 },
      ended: { outcome: 'done' },
    },
  ])
  rig.clock.advance(4 * 3600)
  expect(await owes(rig)).toBe('fresh')
})

test.each([
  [['--hours', '4'], 2, '--subject, --tenant'],
  [['--subject', 'u_1', '--tenant', TENANT, '--hours', '4'], 2, '--subject, --tenant'],
  [['--subject', 'u_nobody', '--hours', '4'], 1, 'no such user'],
  [['--tenant', TENANT, '--hours', '200'], 1, 'hours'],
])('cmb fresh-sign-in waive %j is rejected', async (args, code, words) => {
  const { type } = await revoked()
  expect(await type(['fresh-sign-in', 'waive', ...args])).toMatchObject({
    code,
    err: expect.stringContaining(words) as string,
  })
})

test('where a tenant has never sent auth_time, cmb revoke and its dry run say that its users come back without a password', async () => {
  const rig = await createRig()
  const { type } = await startCmb(rig)
  await rig.openSession({ authTime: 0 })
  expect((await type(['revoke', '--tenant', TENANT, '--dry-run'])).out).toContain(
    '1 of the user(s) come back without a password',
  )
  const ran = await type(['revoke', '--tenant', TENANT, '--yes'])
  expect(ran.out).toContain(`Users of ${TENANT} are not asked for their password again`)
})

test('of a tenant of which no user has signed in, cmb revoke says that no session ended, and what to check', async () => {
  const rig = await createRig()
  const { type } = await startCmb(rig)
  const ran = await type(['revoke', '--tenant', OTHER_TENANT, '--yes'])
  expect(ran.out).toMatch(
    /^Revoked, number 1 .*\nNo user of .* has ever signed in here, so no session ended\. Check the tenant ID: cmb tenants/,
  )
  expect(ran.out).not.toContain('auth_time')
})
