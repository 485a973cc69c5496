import { beforeEach, expect, test } from 'vitest'
import { guardProof } from '../../src/operations/acts/guards.ts'
import { createRig, type Rig } from '../rig.ts'

let rig: Rig
let epoch: string
beforeEach(async () => {
  rig = await createRig()
  await rig.register('Sydney')
  ;({ epoch } = await rig.store.head())
})

const revoke = async () =>
  rig.store.revoke({
    selector: { kind: 'session', sid: (await rig.openSession()).session.sid },
    reason: 'administrator',
    actor: { kind: 'operator', id: 'olga' },
    now: rig.clock.now(),
  })
const report = (guardId: string, enforcedSeq: number, reportedAtMs: number) =>
  rig.store.recordEnforced({ clientId: 'sydney', guardId, epoch, enforcedSeq, reportedAtMs })
async function proofOf(seq: number): Promise<Record<string, unknown>> {
  const revocation = await rig.store.findRevocation(seq)
  if (revocation === undefined) throw new Error('no such revocation')
  return Object.fromEntries(
    (await guardProof(rig, revocation)).map((one) => [
      one.guard_id,
      [one.state, one.no_later_than_ms],
    ]),
  )
}

test('a guard enforced a revocation no later than its own report of it; those that came later are listed apart from those that are gone', async () => {
  const at = rig.clock.nowMs()
  await report('fast', 0, at)
  await report('gone', 0, at)
  await revoke()
  await report('fast', 1, at + 40)
  await report('late', 1, at + 5_000)
  await revoke()
  await report('fast', 2, at + 90_000)
  expect(await proofOf(1)).toEqual({
    fast: ['enforced', at + 40],
    gone: ['gone', null],
    late: ['covered', at + 5_000],
  })
  expect(await proofOf(2)).toEqual({
    fast: ['enforced', at + 90_000],
    gone: ['gone', null],
    late: ['gone', null],
  })
})

test('a guard that reports many revocations at once enforced each no later than then, whatever other guards had reported before', async () => {
  const at = rig.clock.nowMs()
  for (const one of ['steady', 'away']) await report(one, 0, at)
  for (let seq = 1; seq <= 120; seq++) {
    await revoke()
    await report('steady', seq, at + seq)
  }
  await report('away', 120, at + 60_000)
  expect(await proofOf(5)).toEqual({
    steady: ['enforced', at + 5],
    away: ['enforced', at + 60_000],
  })
})
