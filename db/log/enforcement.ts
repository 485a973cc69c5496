import { sql, type SQL } from 'drizzle-orm'
import type { Act } from '../engine/act.ts'
import { rowsOf } from '../engine/dialect.ts'
import {
  assign,
  columnsOf,
  command,
  excluded,
  insertEach,
  names,
  query,
  type Takes,
} from '../engine/statement.ts'
import { listOf, optionals } from '../engine/values.ts'
import { enforcements, guardLeases } from '../schema.ts'
import type { Enforcement } from '../types.ts'

/**
 * Keeps since when each participant of a revocation is known to enforce it, and by what. The first
 * proof that is written stays, whatever another broker's clock says: a time may be late, but none
 * is too early.
 */

const fields = columnsOf(
  enforcements,
  ...(['seq', 'clientId', 'tokensBy', 'tokensAtMs', 'sessionsBy', 'sessionsAtMs'] as const),
)
const of = query(
  fields,
  (p: Takes<{ seq: number }>, f) =>
    sql`SELECT ${f} FROM ${enforcements} WHERE ${enforcements.seq} = ${p.seq}`,
)
const first = (name: 'tokensBy' | 'tokensAtMs' | 'sessionsBy' | 'sessionsAtMs'): SQL =>
  sql`coalesce(${enforcements[name]}, ${excluded(enforcements[name])})`
/** Keeps what is written. A row that would not change is not written again. */
const firstStays = sql`ON CONFLICT (${names(enforcements.seq, enforcements.clientId)}) DO UPDATE SET ${assign(
  enforcements,
  {
    ...{ tokensBy: first('tokensBy'), tokensAtMs: first('tokensAtMs') },
    ...{ sessionsBy: first('sessionsBy'), sessionsAtMs: first('sessionsAtMs') },
  },
)} WHERE (${enforcements.tokensBy} IS NULL AND ${excluded(enforcements.tokensBy)} IS NOT NULL)
  OR (${enforcements.sessionsBy} IS NULL AND ${excluded(enforcements.sessionsBy)} IS NOT NULL)`
const keep = command((p: Takes<{ list: string }>) => {
  const { rows, row } = rowsOf(p.list, {
    ...{ seq: 'bigint', clientId: 'text', tokensBy: 'text', tokensAtMs: 'bigint' },
    ...{ sessionsBy: 'text', sessionsAtMs: 'bigint' },
  })
  return sql`${insertEach(enforcements, row, rows)} ${firstStays}`
})

/** Rows of streams and pollers, and doubts: not those of a registration. */
export const isStream = sql`(${guardLeases.guardId} <> '' OR ${guardLeases.reportedSeq} < 0)`
/** 1: each stream and poller asked for what ends sessions. */
export const judged = sql<number>`min(CASE WHEN ${isStream} THEN ${guardLeases.sessions} ELSE 1 END)`
const endedByGuard = sql`min(CASE WHEN ${isStream} OR ${guardLeases.ownSessions} = 'guard' THEN 1 ELSE 0 END)`
const whereSessions = (value: SQL): SQL =>
  sql`CASE WHEN ${judged} = 1 AND ${endedByGuard} = 1 THEN ${value} END`
const reportedAt = sql`max(${guardLeases.reportedAtMs})`
const keepReported = command((p: Takes<{ list: string }>) => {
  const { rows, row } = rowsOf(p.list, { seq: 'bigint', clientId: 'text' })
  return sql`INSERT INTO ${enforcements} (seq, client_id, tokens_by, tokens_at_ms, sessions_by, sessions_at_ms)
    SELECT ${row.seq}, ${row.clientId}, 'report', ${reportedAt}, ${whereSessions(sql`'report'`)}, ${whereSessions(reportedAt)}
    FROM ${rows} JOIN ${guardLeases} ON ${guardLeases.clientId} = ${row.clientId} AND ${guardLeases.lastSeq} >= ${row.seq} AND ${guardLeases.firstSeq} < ${row.seq}
    GROUP BY ${row.seq}, ${row.clientId}
    HAVING min(${guardLeases.reportedSeq}) >= ${row.seq} AND max(CASE WHEN ${guardLeases.guardId} <> '' THEN 1 ELSE 0 END) = 1
    ORDER BY ${row.seq}, ${row.clientId} ${firstStays}`
})

/** Returns what is kept of a revocation. */
export function* enforcementsOf(seq: number): Act<Enforcement[]> {
  return (yield* of.all({ seq })).map(optionals)
}

/** Keeps what was found of participants of a revocation, and returns all that is kept of it. */
export function* keepEnforcements(seq: number, list: Enforcement[]): Act<Enforcement[]> {
  yield* keep.run({ list: listOf(list) })
  return yield* enforcementsOf(seq)
}

/** Keeps the proof of each of these participants whose guards have all reported. */
export const keepReports = (list: { seq: number; clientId: string }[]): Act<unknown> =>
  keepReported.run({ list: listOf(list) })
