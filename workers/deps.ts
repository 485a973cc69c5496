import type { Session } from '../db/types.ts'
import type { Deps as OperationDeps } from '../src/operations/deps.ts'
import type { Topic } from '../src/runtime/topic.ts'

/** The dependencies of the background work. */
export interface Deps extends OperationDeps {
  refreshes: Topic<Session>
}
