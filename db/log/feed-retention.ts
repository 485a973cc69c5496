import { sql } from 'drizzle-orm'
import type { Act } from '../engine/act.ts'
import { indexedBy } from '../engine/dialect.ts'
import { columnsOf, query, type Takes } from '../engine/statement.ts'
import { revocations } from '../schema.ts'

/**
 * The floor, at which the log begins for guards: every revocation up to the floor is older than any
 * token that could still be valid. `at` falls only below an entry that a wrong clock dated ahead
 * (append.ts), so the floor is a `seq`. It moves forward past rows that it has checked.
 */

/** The number of log rows that one step looks at: about 1 ms. */
const LOOKED_AT = 5_000

const nth = query(
  columnsOf(revocations, 'seq'),
  (p: Takes<{ after: number; skipped: number }>, f) =>
    sql`SELECT ${f} FROM ${revocations} WHERE ${revocations.seq} > ${p.after} ORDER BY ${revocations.seq} LIMIT 1 OFFSET ${p.skipped}`,
)

/**
 * Returns the last `seq` of one step after `from`. It counts rows, because numbers have gaps: a
 * restored log continues far ahead of the backup's.
 * @param head at least the last row's `seq`
 */
export function* stepEnd(from: number, head: number): Act<number> {
  if (head - from <= LOOKED_AT) return head
  return (yield* nth.get({ after: from, skipped: LOOKED_AT - 1 }))?.seq ?? head
}

export interface Floor {
  seq: number
  /** Everything up to `seq` was revoked before this time, epoch seconds. */
  since: number
}

const byIndex = query(
  // `+seq` keeps an engine from using the primary key: for `min(seq)` it would walk the table from
  // its oldest row.
  { seq: sql<number | null>`min(+${revocations.seq})` },
  (p: Takes<{ since: number }>, f) =>
    sql`SELECT ${f} FROM ${revocations}${indexedBy('revocations_by_at')} WHERE ${revocations.at} >= ${p.since}`,
)
const young = query(
  columnsOf(revocations, 'seq'),
  (p: Takes<{ after: number; to: number; since: number }>, f) =>
    sql`SELECT ${f} FROM ${revocations} WHERE ${revocations.seq} > ${p.after} AND ${revocations.seq} <= ${p.to} AND ${revocations.at} >= ${p.since}
      ORDER BY ${revocations.seq} LIMIT 1`,
)

function* begin(since: number, head: number): Act<Floor> {
  const first = (yield* byIndex.get({ since }))?.seq
  return { since, seq: (first ?? head + 1) - 1 }
}

/**
 * Returns the floor for `since`, after one bounded step forward. If `since` is earlier than the
 * former floor's, the floor does not move.
 * @param head read before: rows that are appended later are above the floor
 */
export function* advanceFloor(
  former: Floor | undefined,
  { since, after, head }: { since: number; after: number; head: number },
): Act<Floor> {
  // Computed by the index once in a process, and again where the clock was set back. The index
  // range holds the rows younger than `since`, about an hour's revocations.
  const floor =
    former === undefined || (since < former.since && after < former.seq)
      ? yield* begin(since, head)
      : former
  if (since < floor.since) return floor
  const to = yield* stepEnd(floor.seq, head)
  const first = yield* young.get({ after: floor.seq, to, since })
  return { since, seq: first === undefined ? Math.max(floor.seq, to) : first.seq - 1 }
}
