import type { Engine } from '../engine/act.ts'
import { applyingAge } from '../session/authentication-age.ts'
import type { FeedActs, RevocationActs } from '../store.ts'
import { expiringGrants } from './expire-grants.ts'
import { expireSessions, START } from './expire.ts'
import { fanOutPending } from './fan-out.ts'
import { following } from './feed.ts'
import { guardReports, recordEnforced } from './guards.ts'
import { listRevocations, pageOfRevocations } from './filtered.ts'
import { everythingRevokedAt, findRevocation } from './lists.ts'
import { logHeadRow } from './log.ts'
import { previewRevocation } from './preview.ts'
import { reportByUser } from './report.ts'
import { revoke } from './revoke.ts'
import { revocationTimes } from './times.ts'

/** What is revoked: by whom it is asked, by time, and the log of it. Each broker keeps its own place in rounds that several share. */
export function revocationActs(engine: Engine): Omit<RevocationActs, 'onRevoked'> {
  const { read, write, writePage } = engine
  let lastWide = 0
  let place = START
  return {
    revoke: (input) => write(() => revoke(engine, input)),
    reportByUser: (input) => write(() => reportByUser(engine, input)),
    previewRevocation: (what, now, how) => previewRevocation(engine, what, now, how),
    async fanOutPending({ limit }) {
      const { pending, more, ...done } = await writePage(() => fanOutPending(engine, { limit, lastWide }))
      lastWide = done.lastWide
      return { pending, more }
    },
    async expireSessions({ now, limit }) {
      const done = await writePage(() => expireSessions(engine, { now, limit, place }))
      place = done.place
      return done.committed
    },
    expireGrants: expiringGrants(engine),
    applyAuthenticationAge: applyingAge(engine),
    findRevocation: (seq) => read(() => findRevocation(seq)),
    everythingRevokedAt: () => read(everythingRevokedAt),
    listRevocations: (input) => listRevocations(engine, input),
    pageOfRevocations: (input) => pageOfRevocations(engine, input),
    revocationTimes: (input) => revocationTimes(engine, input),
  }
}

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
