import type { Engine } from '../engine/act.ts'
import type { RevocationActs } from '../store.ts'
import { expiringGrants } from './expire-grants.ts'
import { expireSessions, START } from './expire.ts'
import { fanOutPending } from './fan-out.ts'
import { previewRevocation } from './preview.ts'
import { reportByUser } from './report.ts'
import { revokeRequested } from './requested.ts'

type Own = 'revoke' | 'reportByUser' | 'previewRevocation' | 'fanOutPending' | 'expireSessions' | 'expireGrants'

/** What is revoked by request and by time. Each broker keeps its own place in rounds that several share. */
export function revocationActs(engine: Engine): Pick<RevocationActs, Own> {
  const { write, writePage } = engine
  let lastWide = 0
  let place = START
  return {
    revoke: (input) => write(() => revokeRequested(input)),
    reportByUser: (input) => write(() => reportByUser(input)),
    previewRevocation: (what, now, how) => previewRevocation(engine, what, now, how),
    async fanOutPending({ limit }) {
      const { pending, more, ...done } = await writePage(() => fanOutPending({ limit, lastWide }))
      lastWide = done.lastWide
      return { pending, more }
    },
    async expireSessions({ now, limit }) {
      const done = await writePage(() => expireSessions({ now, limit, place }))
      place = done.place
      return done.committed
    },
    expireGrants: expiringGrants(engine),
  }
}
