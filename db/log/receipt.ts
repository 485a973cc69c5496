import { sql, type SQL } from 'drizzle-orm'
import type { Act } from '../engine/act.ts'
import { rowsOf, withoutReprepare } from '../engine/dialect.ts'
import { assign, columnsOf, command, query, type RowOf, type Takes } from '../engine/statement.ts'
import { listOf } from '../engine/values.ts'
import {
  deliveries,
  guardLeases,
  participants,
  revocations,
  securityEvents,
  sessions,
  targets,
} from '../schema.ts'
import type { LoggedRevocation } from '../types.ts'
import { findRevocation } from './revocations.ts'

/**
 * Reads the rows that a receipt is computed from: participants, leases, logout tokens, and the
 * acknowledgment.
 */

const acknowledged = command((p: Takes<{ list: string }>) => {
  const { rows, row } = rowsOf(p.list, { seq: 'bigint', atMs: 'bigint' })
  return sql`UPDATE ${revocations} SET ${assign(revocations, { acknowledgedAtMs: row.atMs })} FROM ${rows}
    WHERE ${revocations.seq} = ${row.seq} AND ${revocations.acknowledgedAtMs} IS NULL`
})
// A subject's sessions that the fan-out has not reached are open, and those that it has are in the
// user's history.
const partsOf = query(
  { sid: sql<string>`its.sid`, clientId: sql<string | null>`${participants.clientId}` },
  (p: Takes<{ seq: number; sid: string | null; sub: string | null }>, f) =>
    sql`SELECT DISTINCT ${f} FROM (SELECT ${sessions.sid} FROM ${sessions} WHERE ${sessions.sid} = ${p.sid}
      UNION SELECT ${sessions.sid} FROM ${sessions} WHERE ${sessions.sub} = ${p.sub} AND ${sessions.endedSeq} IS NULL AND ${sessions.openedSeq} < ${p.seq}
      UNION SELECT ${sessions.sid} FROM ${sessions} WHERE ${sessions.sid} IN
        (SELECT ${securityEvents.sid} FROM ${securityEvents} WHERE ${securityEvents.sub} = ${p.sub} AND ${securityEvents.seq} = ${p.seq} AND ${securityEvents.kind} = 'ended')) AS its
      LEFT JOIN ${participants} ON ${participants.sid} = its.sid`,
)
const guardsIf = (condition: SQL): SQL<number> =>
  sql<number>`count(DISTINCT CASE WHEN ${guardLeases.guardId} <> '' AND ${condition} THEN ${guardLeases.guardId} END)`
const seq = sql<number>`${sql.placeholder('seq')}`
const leaseFields = {
  ...columnsOf(guardLeases, 'clientId'),
  /** The longest length in force. */
  seconds: sql<number>`max(${guardLeases.seconds})`,
  guards: guardsIf(sql`true`),
  silent: guardsIf(sql`${guardLeases.reportedSeq} < ${seq}`),
  /** -1: it is in doubt whether all streams are known. */
  leastReported: sql<number>`min(${guardLeases.reportedSeq})`,
  reportedAtMs: sql<number>`max(${guardLeases.reportedAtMs})`,
}
const leases = query(
  leaseFields,
  (p: Takes<{ seq: number }>, f) =>
    sql`SELECT ${f} FROM ${guardLeases} WHERE ${guardLeases.firstSeq} < ${p.seq} AND ${guardLeases.lastSeq} >= ${p.seq}
      GROUP BY ${guardLeases.clientId}`,
)
const tokens = query(
  {
    ...columnsOf(deliveries, 'clientId'),
    undelivered: sql<number>`sum(CASE WHEN coalesce(later.state, ${deliveries.state}) = 'delivered' THEN 0 ELSE 1 END)`,
    deliveredAtMs: sql<number>`max(coalesce(later.settled_at_ms, ${deliveries.settledAtMs}, 0))`,
  },
  (p: Takes<{ seq: number }>, f) =>
    sql`SELECT ${f} FROM ${deliveries} LEFT JOIN deliveries AS later ON later.id = ${deliveries.supersededBy}
      WHERE ${deliveries.seq} = ${withoutReprepare(p.seq)} AND ${deliveries.kind} = 'logout_token' GROUP BY ${deliveries.clientId}`,
)
const addressed = query(
  columnsOf(targets, 'clientId'),
  (p: Takes<{ seq: number }>, f) =>
    sql`SELECT DISTINCT ${f} FROM ${targets} WHERE ${targets.addedSeq} < ${p.seq} AND (${targets.removedSeq} IS NULL OR ${targets.removedSeq} >= ${p.seq})`,
)

/** Records when revocations were acknowledged. The first time that is written stays. */
export const acknowledge = (list: { seq: number; atMs: number }[]): Act<unknown> =>
  acknowledged.run({ list: listOf(list) })

export interface ReceiptRows {
  revocation: LoggedRevocation
  /** The clients of the sessions. Undefined where the revocation is of more than one user. */
  clientIds: string[] | undefined
  /** The leases that may have run at the acknowledgment, of all clients. */
  leases: RowOf<typeof leaseFields>[]
  /** The logout tokens by client; empty where the revocation concerns more than one user. */
  tokens: { clientId: string; undelivered: number; deliveredAtMs: number }[]
  /** The clients that had a logout address. */
  addressed: string[]
}

/** Returns the clients of a revocation's sessions. Undefined: the sessions are no longer kept. */
function* participantsOf({
  seq,
  selector,
  sessions: ended,
}: LoggedRevocation): Act<string[] | undefined> {
  const sid = 'sid' in selector ? selector.sid : null
  const sub = 'sub' in selector ? selector.sub : null
  const parts = yield* partsOf.all({ seq, sid, sub })
  if (new Set(parts.map((one) => one.sid)).size < ended) return undefined
  return [...new Set(parts.flatMap(({ clientId }) => clientId ?? []))]
}

/**
 * Returns what the receipt of a revocation is computed from. Undefined: there is no such
 * revocation, or its sessions are no longer kept.
 */
export function* receiptRows(seq: number): Act<ReceiptRows | undefined> {
  const revocation = yield* findRevocation(seq)
  if (revocation === undefined) return undefined
  const { selector } = revocation
  const isNarrow = 'sid' in selector || 'sub' in selector
  const clientIds = isNarrow ? yield* participantsOf(revocation) : undefined
  if (isNarrow && clientIds === undefined) return undefined
  return {
    ...{ revocation, clientIds, leases: yield* leases.all({ seq }) },
    tokens: isNarrow ? yield* tokens.all({ seq }) : [],
    addressed: (yield* addressed.all({ seq })).map(({ clientId }) => clientId),
  }
}
