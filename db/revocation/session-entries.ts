import { sql } from 'drizzle-orm'
import type { Reason, Selector } from '../../src/protocol/revocation.ts'
import type { Act } from '../engine/act.ts'
import { greatest, indexedBy } from '../engine/dialect.ts'
import { columnsOf, command, insertInto, pick, query, type Takes } from '../engine/statement.ts'
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

/** Writes a row for each client that takes part in the session; with a client id, for it alone. */
const addOfSession = query(
  columnsOf(sessionEntries, 'clientId', 'until'),
  (p: Takes<{ seq: number; sid: string; clientId: string | null; after: number }>, f) =>
    sql`INSERT INTO ${sessionEntries} (client_id, seq, until)
      SELECT ${participants.clientId}, CAST(${p.seq} AS bigint), ${until} FROM ${sessions} CROSS JOIN ${participants}
      WHERE ${sessions.sid} = ${p.sid} AND ${participants.sid} = ${sessions.sid} AND ${promise} > ${p.after}
        AND (CAST(${p.clientId} AS text) IS NULL OR ${participants.clientId} = ${p.clientId})
      RETURNING ${f}`,
)
const addOne = command((p: Takes<{ clientId: string; seq: number; until: number }>) =>
  insertInto(sessionEntries, pick(p, 'clientId', 'seq', 'until')),
)
const latestOfSubject = query(
  { until: sql<number | null>`max(${until})` },
  (p: Takes<{ sub: string }>, f) =>
    sql`SELECT ${f} FROM ${sessions}${indexedBy('sessions_open_by_sub')} WHERE ${sessions.sub} = ${p.sub} AND ${sessions.endedSeq} IS NULL`,
)
const latestBy = (column: typeof sessions.absoluteAt | typeof sessions.promisedUntil) =>
  sql`SELECT * FROM (SELECT ${column} AS at FROM ${sessions} WHERE ${sessions.endedSeq} IS NULL AND ${column} IS NOT NULL
    ORDER BY ${column} DESC LIMIT 1) AS latest`
/** The latest of all open sessions, by two indexes. */
const latestOfAll = query(
  { until: sql<number | null>`max(ends.at) + ${sql.raw(String(CLOCKS_SECONDS))}` },
  (_, f) =>
    sql`SELECT ${f} FROM (${latestBy(sessions.absoluteAt)} UNION ALL ${latestBy(sessions.promisedUntil)}) AS ends`,
)

type Ends = Required<Pick<Revocation, 'sessionsUntil' | 'sessionClients'>>
const NONE: Ends = { sessionsUntil: 0, sessionClients: [] }

function* addOfNarrow(
  selector: Extract<Selector, { sid: string }>,
  { seq, reason, now }: { seq: number; reason: Reason; now: number },
): Act<Ends> {
  const rows = yield* addOfSession.all({
    seq,
    sid: selector.sid,
    clientId: selector.kind === 'grant' ? selector.clientId : null,
    // A session that has reached its own latest end is over at the instances too.
    after: reason === 'expired' ? now : 0,
  })
  if (rows.length === 0) return NONE
  return {
    sessionsUntil: Math.max(...rows.map((row) => row.until)),
    sessionClients: rows.map(({ clientId }) => clientId),
  }
}

/**
 * Writes which instances' own sessions a revocation can still end. The caller holds the log's head
 * and, for a session or a grant, the session's lock: no session opens or is renewed meanwhile, and
 * no client joins.
 */
export function* addSessionEntries({ seq, selector, reason }: Revocation, now: number): Act<Ends> {
  if (isNarrow(selector)) return yield* addOfNarrow(selector, { seq, reason, now })
  const latest =
    selector.kind === 'subject'
      ? yield* latestOfSubject.get({ sub: selector.sub })
      : yield* latestOfAll.get({})
  const sessionsUntil = latest?.until
  if (typeof sessionsUntil !== 'number') return NONE
  const ofOne = selector.kind === 'client' ? selector.clientId : undefined
  yield* addOne.run({ clientId: ofOne ?? '', seq, until: sessionsUntil })
  return { sessionsUntil, sessionClients: ofOne === undefined ? undefined : [ofOne] }
}
