import { sql } from 'drizzle-orm'
import type { Act } from '../engine/act.ts'
import { forShare } from '../engine/dialect.ts'
import { columnsOf, command, insertInto, lockRows, query } from '../engine/statement.ts'
import type { Takes } from '../engine/statement.ts'
import { logHead } from '../schema.ts'

/**
 * The head of the log of revocations: how far it has come. An act that revokes or opens something
 * takes it before its other locks.
 */

const headRow = query(
  columnsOf(logHead, 'seq', 'epoch'),
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
/** The log of a new store. */
export function* ensureHead(epoch: string): Act<void> {
  yield* insertHead.run({ epoch })
}
export function* head(): Act<number> {
  return (yield* logHeadRow()).seq
}
/**
 * Waits for the act that appends, and keeps others from appending until this one ends: what is read
 * afterwards is what the log's entry is true of. An act that decides by rows whether it appends
 * calls it before it reads them, and before it locks a session, as `revoke` does.
 */
export const lockHead = (): Act<unknown> => headLock.get({})
/**
 * The head that a session is opened against. No revocation commits between it and this act's
 * commit: one that does not cover the session sees it, and one that covers it finds its row.
 */
export function* headOfOpening(): Act<number> {
  return (yield* headShared.get({}))?.seq ?? 0
}
