import type { Session } from '../db/types.ts'
import type { Deps as OperationDeps } from '../src/operations/deps.ts'
import type { Topic } from '../src/runtime/topic.ts'

/** What the background work needs, handed in. */
export interface Deps extends OperationDeps {
  refreshes: Topic<Session>
}
