import type { Engine } from '../engine/act.ts'
import type { Store } from '../store.ts'
import { checkAccess } from '../token/access.ts'
import { rotate } from '../token/rotate.ts'
import { checkTogether } from './access.ts'
import type { Fenced } from './engine.ts'
import { groupCommit } from './group.ts'
import { rotateTogether } from './rotate.ts'
import type { Connecting } from './transact.ts'

/** The hot acts: those that wait together are one statement. They take the place of the acts that they fall back to. */
export function setBasedActs(engine: Engine, pool: Connecting, fenced: Fenced): Pick<Store, 'rotateRefreshToken' | 'checkAccess'> {
  const check = (input: Parameters<Store['checkAccess']>[0]) => checkAccess(engine, input)
  const checkGrouped = groupCommit({ together: checkTogether(pool, fenced), alone: check })
  return {
    rotateRefreshToken: groupCommit({ together: rotateTogether(pool), alone: (input) => engine.write(() => rotate(engine, input)) }),
    checkAccess: (input) => (input.joins === undefined ? checkGrouped(input) : check(input)),
  }
}
