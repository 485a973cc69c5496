import type { Engine } from '../engine/act.ts'
import type { FeedActs } from '../store.ts'
import { following } from './feed.ts'
import { guardReports, recordEnforced } from './guards.ts'
import { logHeadRow } from './log.ts'

/** The log as guards follow it, and how far each has come. */
export function feedActs(engine: Engine): FeedActs {
  const { read, write } = engine
  return {
    head: () => read(logHeadRow),
    revocationsAfter: following(engine),
    recordEnforced: (...reports) => write(() => recordEnforced(reports)),
    guardReports: () => read(guardReports),
  }
}
