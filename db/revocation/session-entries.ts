import { sql, type SQL } from 'drizzle-orm'
import type { Act } from '../engine/act.ts'
import { greatest, indexedBy, withoutReprepare } from '../engine/dialect.ts'
import { columnsOf, query, type Takes } from '../engine/statement.ts'
import { participants, sessionEntries, sessions } from '../schema.ts'
import type { Revocation } from '../types.ts'
import { isNarrow } from './effect.ts'

/**
 * Records how long a revocation can end an instance's own session, and at which clients. An instance may
 * keep its session until the end that an ID token named: the broker's session may be over, or its
 * end lowered, long before.
 */

/** The allowed difference of two clocks, as for tokens. */
const CLOCKS_SECONDS = 60

/** The latest end that an ID token of a session may have named. */
const promise = greatest(sql`${sessions.absoluteAt}`, sql`coalesce(${sessions.promisedUntil}, 0)`)
const until = sql<number>`(${promise} + ${sql.raw(String(CLOCKS_SECONDS))})`

type At = { seq: number }
/** Inserts the rows of a SELECT, and returns who has such a session, and until when. */
const inserted = <P extends At>(select: (p: Takes<P>) => SQL) =>
  query(
    columnsOf(sessionEntries, 'clientId', 'until'),
    (p: Takes<P>, f) =>
      sql`INSERT INTO ${sessionEntries} (client_id, seq, until) ${select(p)} RETURNING ${f}`,
  )
const seqOf = (p: Takes<At>) => sql`CAST(${p.seq} AS bigint)`

/** Adds each client that takes part in the session; with a client id, it alone. */
const addOfSession = inserted(
  (p: Takes<At & { sid: string; clientId: string | null; after: number }>) =>
    sql`SELECT ${participants.clientId}, ${seqOf(p)}, ${until} FROM ${sessions} CROSS JOIN ${participants}
      WHERE ${sessions.sid} = ${withoutReprepare(p.sid)} AND ${participants.sid} = ${sessions.sid} AND ${promise} > ${p.after}
        AND (CAST(${p.clientId} AS text) IS NULL OR ${participants.clientId} = ${withoutReprepare(p.clientId)})`,
)
const addOfSubject = inserted(
  (p: Takes<At & { sub: string }>) =>
    sql`SELECT '', ${seqOf(p)}, max(${until}) FROM ${sessions}${indexedBy('sessions_open_by_sub')}
      WHERE ${sessions.sub} = ${p.sub} AND ${sessions.endedSeq} IS NULL HAVING count(*) > 0`,
)
const latestBy = (column: typeof sessions.absoluteAt | typeof sessions.promisedUntil) =>
  sql`SELECT * FROM (SELECT ${column} AS at FROM ${sessions} WHERE ${sessions.endedSeq} IS NULL AND ${column} IS NOT NULL
    ORDER BY ${column} DESC LIMIT 1) AS latest`
/** Adds one row by the latest of all open sessions, which two indexes find. */
const addOfAll = inserted(
  (p: Takes<At & { clientId: string }>) =>
    sql`SELECT CAST(${p.clientId} AS text), ${seqOf(p)}, max(ends.at) + ${sql.raw(String(CLOCKS_SECONDS))}
      FROM (${latestBy(sessions.absoluteAt)} UNION ALL ${latestBy(sessions.promisedUntil)}) AS ends HAVING count(*) > 0`,
)

type Ends = Required<Pick<Revocation, 'sessionsUntil' | 'sessionClients'>>

/**
 * Writes which instances' own sessions a revocation can still end: a row for each client, or one for
 * every client. The caller holds the log's head and, for a session or a grant, the session's lock:
 * no session opens or is renewed meanwhile, and no client joins.
 */
export function* addSessionEntries({ seq, selector, reason }: Revocation, now: number): Act<Ends> {
  const clientId = 'clientId' in selector ? selector.clientId : undefined
  const rows = isNarrow(selector)
    ? yield* addOfSession.all({
        seq,
        sid: selector.sid,
        clientId: clientId ?? null,
        // A session that has reached its own latest end is over at the instances too.
        after: reason === 'expired' ? now : 0,
      })
    : selector.kind === 'subject'
      ? yield* addOfSubject.all({ seq, sub: selector.sub })
      : yield* addOfAll.all({ seq, clientId: clientId ?? '' })
  return {
    sessionsUntil: Math.max(0, ...rows.map((row) => row.until)),
    sessionClients: rows[0]?.clientId === '' ? undefined : rows.map((row) => row.clientId),
  }
}
