import type { Deps as OutboxDeps } from '../outbox/deps.ts'
import type { ClockWatch } from '../runtime/clock-watch.ts'
import type { Feed } from './interface.ts'

/** Dependencies of the module that revokes and announces. */
export interface Deps extends OutboxDeps {
  feed: Feed
  clockWatch: ClockWatch
}
