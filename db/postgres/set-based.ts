import type { Engine } from '../engine/act.ts'
import type { Store } from '../store.ts'
import { record, recordAll } from '../outbox/attempts.ts'
import { checkAccess } from '../token/access.ts'
import { rotate } from '../token/rotate.ts'
import { checkTogether } from './access.ts'
import type { Fenced } from './engine.ts'
import { groupCommit } from './group.ts'
import { rotateTogether } from './rotate.ts'
import type { Connecting } from './transact.ts'

/** Results of one transaction: some milliseconds, in which other changes of the same sums wait. */
const RESULTS_TOGETHER = 32

/** The hot acts: those that wait together are one statement, or one transaction. They take the place of the acts that they fall back to. */
export function setBasedActs(engine: Engine, pool: Connecting, fenced: Fenced): Pick<Store, 'rotateRefreshToken' | 'checkAccess' | 'recordDelivery'> {
  const check = (input: Parameters<Store['checkAccess']>[0]) => checkAccess(engine, input)
  const checkGrouped = groupCommit({ together: checkTogether(pool, fenced), alone: check })
  return {
    rotateRefreshToken: groupCommit({ together: rotateTogether(pool), alone: (input) => engine.write(() => rotate(engine, input)) }),
    // The results of one revocation change the same sums, and would commit one after another.
    recordDelivery: groupCommit({
      most: RESULTS_TOGETHER,
      together: (inputs) => engine.write(() => recordAll(inputs)),
      alone: (input) => engine.write(() => record(input)),
    }),
    checkAccess: (input) => (input.joins === undefined ? checkGrouped(input) : check(input)),
  }
}
