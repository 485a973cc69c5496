import type { Engine } from '../engine/act.ts'
import type { Store } from '../store.ts'
import { recordAll, recordDelivery } from '../outbox/attempts.ts'
import { leaseDelivery } from '../outbox/delivery-lease.ts'
import { checkAccess, type Input } from '../token/access.ts'
import { rotateRefreshToken } from '../token/rotate.ts'
import { checkTogether } from './access.ts'
import type { Fenced } from './engine.ts'
import { groupCommit } from './group.ts'
import { leaseTogether } from './lease-deliveries.ts'
import { rotateTogether } from './rotate.ts'
import type { Connecting } from './transact.ts'

type HotActs = Pick<
  Store,
  'rotateRefreshToken' | 'checkAccess' | 'leaseDelivery' | 'recordDelivery'
>

/**
 * Returns the hot acts in a form that shares statements between calls that wait together. They
 * replace the acts of the same names, which they use where the statement does not settle a call.
 */
export function setBasedActs(
  engine: Engine,
  pool: Connecting,
  fenced: Fenced,
  nowMs: () => number,
): HotActs {
  const check = (input: Input) => checkAccess(engine, input)
  const checkGrouped = groupCommit({ together: checkTogether(pool, fenced), alone: check })
  return {
    rotateRefreshToken: groupCommit({
      together: rotateTogether(pool, fenced),
      alone: (input) => engine.write(() => rotateRefreshToken(input)),
    }),
    leaseDelivery: groupCommit({
      together: leaseTogether(pool, fenced, nowMs),
      alone: (input) => engine.write(() => leaseDelivery(input)),
    }),
    // Results of one revocation change the same counts, so alone they would commit one after
    // another.
    recordDelivery: groupCommit({
      together: (inputs) => engine.write(() => recordAll(inputs)),
      alone: (input) => engine.write(() => recordDelivery(input)),
    }),
    checkAccess: (input) => (input.joins === undefined ? checkGrouped(input) : check(input)),
  }
}
