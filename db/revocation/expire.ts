import { sql } from 'drizzle-orm'
import type { Act, Engine } from '../engine/act.ts'
import { forUpdateSkipLocked, withoutReprepare, indexedBy } from '../engine/dialect.ts'
import { columnsOf, query, type Takes } from '../engine/statement.ts'
import { lockHead } from '../log/head.ts'
import { sessionIsCovered } from '../rows/covers.ts'
import { isRevoked, sessionFields, sessionsAndUsers, timeReason } from '../rows/session.ts'
import { sessions } from '../schema.ts'
import type { Committed } from '../types.ts'
import { appendRevocation } from './revoke.ts'

/**
 * Ends sessions whose time has passed, in the order of their deadlines. One act looks at a bounded
 * number of them.
 */

/**
 * The number of sessions that one act looks at. Sessions that a wide revocation covers have already
 * ended, and are skipped until its fan-out has written that into their rows.
 */
const LOOKED_AT = 1_000

/** A place in the order of deadlines. */
interface Place {
  deadlineAt: number
  sid: string
}
const START: Place = { deadlineAt: -1, sid: '' }

const order = sql`(${sessions.deadlineAt}, ${sessions.sid})`
const inOrder = sql`ORDER BY ${sessions.deadlineAt}, ${sessions.sid}`
type From = Takes<{ deadlineAt: number; sid: string; now: number }>
const overdue = (p: From) => sql`${sessions}${indexedBy('sessions_open_by_deadline')}
  WHERE ${sessions.endedSeq} IS NULL AND ${order} > (${p.deadlineAt}, ${p.sid}) AND ${sessions.deadlineAt} <= ${p.now}`

const endOfPage = query(
  columnsOf(sessions, 'deadlineAt', 'sid'),
  (p: Takes<{ deadlineAt: number; sid: string; now: number }>, f) =>
    sql`SELECT ${f} FROM ${overdue(p)} ${inOrder} LIMIT 1 OFFSET ${sql.raw(String(LOOKED_AT - 1))}`,
)
const page = query(
  columnsOf(sessions, 'sid'),
  (
    p: Takes<{
      deadlineAt: number
      sid: string
      now: number
      endAt: number
      endSid: string
      limit: number
    }>,
    f,
  ) =>
    sql`SELECT ${f} FROM ${overdue(p)} AND ${order} <= (${p.endAt}, ${p.endSid}) AND NOT ${sessionIsCovered} ${inOrder} LIMIT ${p.limit}`,
)
// Skips a session whose row another act has locked. That act may wait for the log, which this one
// has locked; the next sweep finds the session again.
const claim = query(
  sessionFields,
  (p: Takes<{ sid: string; now: number }>, f) =>
    sql`SELECT ${f} FROM ${sessionsAndUsers} WHERE ${sessions.sid} = ${withoutReprepare(p.sid)} AND ${sessions.endedSeq} IS NULL
      AND ${sessions.deadlineAt} <= ${p.now}${forUpdateSkipLocked(sessions)}`,
)

function* expire(sid: string, now: number): Act<Committed | undefined> {
  const row = yield* claim.get({ sid, now })
  if (row === undefined || isRevoked(row)) return undefined
  const entry = {
    selector: { kind: 'session', sid },
    reason: timeReason(row),
    actor: { kind: 'broker', id: 'sweep-expired' },
  } as const
  return yield* appendRevocation({ ...entry, now, priority: 'background' })
}

interface Swept {
  committed: Committed[]
  /** The place at which the next act continues. */
  place: Place
}

/**
 * Ends the next overdue sessions.
 * @param place where the act before stopped; its sessions have ended since, unless a wide
 * revocation covers them
 */
function* sweep({ now, limit, place }: { now: number; limit: number; place: Place }): Act<Swept> {
  const pageEnd = yield* endOfPage.get({ ...place, now })
  const end = pageEnd ?? { deadlineAt: now + 1, sid: '' }
  const found = yield* page.all({ ...place, now, endAt: end.deadlineAt, endSid: end.sid, limit })
  const committed: Committed[] = []
  // Locks the head before the sessions, as every act that revokes does, so that two concurrent
  // sweeps end each session once.
  if (found.length > 0) yield* lockHead()
  for (const { sid } of found) {
    const revocation = yield* expire(sid, now)
    if (revocation !== undefined) committed.push(revocation)
  }
  // A page with fewer than `limit` sessions to end is done, and the next act continues after it.
  // After the last page comes the first.
  return { committed, place: found.length < limit ? (pageEnd ?? START) : place }
}

/**
 * Ends sessions whose idle, absolute or marked time has passed, each through the log. Each store
 * keeps its own place in the order of deadlines.
 */
export function expireSessions({ writePage }: Engine) {
  let place = START
  return async ({ now, limit }: { now: number; limit: number }): Promise<Committed[]> => {
    const done = await writePage(() => sweep({ now, limit, place }))
    place = done.place
    return done.committed
  }
}
