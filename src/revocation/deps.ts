import type { Deps as OutboxDeps } from '../outbox/deps.ts'
import type { Feed } from './interface.ts'

/** What ends sessions and tells the guards needs, handed in. */
export interface Deps extends OutboxDeps {
  feed: Feed
}
