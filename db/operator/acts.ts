import type { Engine } from '../engine/act.ts'
import type { Housekeeping, RepeatableActs, UserActs } from '../store.ts'
import { userActs } from './erase.ts'
import { purge } from './purge.ts'
import { repeatableActs } from './repeatable.ts'

/** What operators ask of all that is stored: retention, the export and the erasure of a user, and requests that they repeat. */
export const operatorActs = (engine: Engine): UserActs & RepeatableActs & Pick<Housekeeping, 'purge'> => ({
  ...userActs(engine),
  ...repeatableActs(engine),
  purge: (input) => engine.writePage(() => purge(input)),
})
