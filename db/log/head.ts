import { sql } from 'drizzle-orm'
import type { Act } from '../engine/act.ts'
import { forShare } from '../engine/dialect.ts'
import { columnsOf, command, insertInto, lockRows, query, type Takes } from '../engine/statement.ts'
import { logHead } from '../schema.ts'

/**
 * The head of the log of revocations. An act that revokes or opens something locks it before any
 * other row.
 */

const headRow = query(
  columnsOf(logHead, 'seq', 'epoch'),
  (_, f) => sql`SELECT ${f} FROM ${logHead} WHERE ${logHead.id} = 1`,
)
const knownFrom = query(
  {
    seq: sql<number>`CASE WHEN ${logHead.sessionsKnownTo} = ${logHead.seq} THEN ${logHead.sessionsKnownFrom} ELSE ${logHead.seq} END`,
  },
  (_, f) => sql`SELECT ${f} FROM ${logHead} WHERE ${logHead.id} = 1`,
)
const headLock = lockRows(logHead, () => sql`${logHead.id} = 1`)
const headShared = query(
  columnsOf(logHead, 'seq'),
  (_, f) => sql`SELECT ${f} FROM ${logHead} WHERE ${logHead.id} = 1${forShare(logHead)}`,
)
const insertHead = command(
  (p: Takes<{ epoch: string }>) =>
    sql`${insertInto(logHead, { id: 1, seq: 0, epoch: p.epoch })} ON CONFLICT DO NOTHING`,
)

export function* logHeadRow(): Act<{ seq: number; epoch: string }> {
  return (yield* headRow.get({})) ?? { seq: 0, epoch: '' }
}
/** Writes the head of a new store's log. */
export function* ensureHead(epoch: string): Act<void> {
  yield* insertHead.run({ epoch })
}
/**
 * Returns the `seq` from which on it is known until when entries can end an instance's own session.
 */
export function* sessionsKnownFrom(): Act<number> {
  return (yield* knownFrom.get({}))?.seq ?? 0
}
export function* head(): Act<number> {
  return (yield* logHeadRow()).seq
}
/**
 * Waits for an act that appends, and keeps others from appending until this act ends: what this act
 * reads afterwards is still true when its entry commits. An act that decides by rows whether it
 * appends must call it before it reads them, and before it locks a session, as `revoke` does.
 */
export const lockHead = (): Act<unknown> => headLock.get({})
/**
 * Returns the head against which a session is opened or renewed, or a target added. No revocation commits between this and the
 * act's own commit: an earlier one is visible to the act, and a later one finds the session's row.
 */
export function* headOfOpening(): Act<number> {
  return (yield* headShared.get({}))?.seq ?? 0
}
