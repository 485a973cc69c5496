import { setImmediate as turn } from 'node:timers/promises'
import { sql } from 'drizzle-orm'
import type { Engine } from '../engine/act.ts'
import { indexedBy } from '../engine/dialect.ts'
import { columnsOf, query, type Takes } from '../engine/statement.ts'
import { sessions } from '../schema.ts'

/** Counts the live sessions, in pages. */

/** The number of sessions that are counted at a time. The event loop runs between two pages. */
const COUNTED = 10_000

type Place = {
  deadlineAt: number
  sid: string
}

// A session that a wide revocation covers is counted until the fan-out has reached it, a moment
// later.
const openAfter = (p: Takes<Place>) => sql`FROM ${sessions}${indexedBy('sessions_open_by_deadline')}
  WHERE ${sessions.endedSeq} IS NULL AND (${sessions.deadlineAt}, ${sessions.sid}) > (${p.deadlineAt}, ${p.sid})`
const pageEnd = query(
  columnsOf(sessions, 'deadlineAt', 'sid'),
  (p: Takes<Place>, f) =>
    sql`SELECT ${f} ${openAfter(p)} ORDER BY ${sessions.deadlineAt}, ${sessions.sid} LIMIT 1 OFFSET ${sql.raw(String(COUNTED - 1))}`,
)
const rest = query(
  { count: sql<number>`count(*)` },
  (p: Takes<Place>, f) =>
    sql`SELECT ${f} FROM (SELECT ${sessions.sid} ${openAfter(p)} LIMIT ${sql.raw(String(COUNTED))}) AS page`,
)

export async function liveSessionCount({ read }: Engine, now: number): Promise<number> {
  let count = 0
  for (let place: Place = { deadlineAt: now + 1, sid: '' }; ; await turn()) {
    const from = place
    const end = await read(() => pageEnd.get({ ...from }))
    if (end === undefined) return count + ((await read(() => rest.get({ ...from })))?.count ?? 0)
    count += COUNTED
    place = end
  }
}
