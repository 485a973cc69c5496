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
import type { Enforcement, LoggedRevocation, Revocation } from '../types.ts'
import { enforcementsOf, isStream, judged } from './enforcement.ts'
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
/** 1: it was so of a registration that was in force. */
const wasRegistered = (condition: SQL): SQL<number> =>
  sql<number>`max(CASE WHEN NOT ${isStream} AND (${condition}) THEN 1 ELSE 0 END)`
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
  judged,
  byNone: wasRegistered(sql`${guardLeases.ownSessions} = 'none'`),
  byGuard: wasRegistered(sql`${guardLeases.ownSessions} = 'guard'`),
  byLogoutToken: wasRegistered(sql`${guardLeases.ownSessions} = 'logout_token'`),
  /** 1: it is not known who ends the own sessions, also of a former registration of 1.0.0-rc.2. */
  byUnknown: wasRegistered(
    sql`${guardLeases.ownSessions} = 'unknown' OR (${guardLeases.ownSessions} IS NULL AND ${guardLeases.holder} = '')`,
  ),
  /** 1: a broker of 1.0.0-rc.2 wrote the registration, as it is now. */
  asNow: wasRegistered(sql`${guardLeases.ownSessions} IS NULL AND ${guardLeases.holder} <> ''`),
  tokenSeconds: sql<number>`max(coalesce(${guardLeases.tokenSeconds}, 0))`,
  formerTokensUntilMs: sql<number>`max(coalesce(${guardLeases.formerTokensUntilMs}, 0))`,
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
  /** The proofs that are kept of each participant. */
  kept: Enforcement[]
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

const isNarrow = ({ selector }: Revocation): boolean => 'sid' in selector || 'sub' in selector

/** Returns a revocation with the clients of its sessions. Undefined as of `receiptRows`. */
export function* revocationParts(
  seq: number,
): Act<Pick<ReceiptRows, 'revocation' | 'clientIds'> | undefined> {
  const revocation = yield* findRevocation(seq)
  if (revocation === undefined) return undefined
  const clientIds = isNarrow(revocation) ? yield* participantsOf(revocation) : undefined
  return isNarrow(revocation) && clientIds === undefined ? undefined : { revocation, clientIds }
}

/**
 * Returns what the receipt of a revocation is computed from. Undefined: there is no such
 * revocation, or its sessions are no longer kept.
 */
export function* receiptRows(seq: number): Act<ReceiptRows | undefined> {
  const parts = yield* revocationParts(seq)
  if (parts === undefined) return undefined
  return {
    ...{ ...parts, leases: yield* leases.all({ seq }) },
    tokens: isNarrow(parts.revocation) ? yield* tokens.all({ seq }) : [],
    addressed: (yield* addressed.all({ seq })).map(({ clientId }) => clientId),
    kept: yield* enforcementsOf(seq),
  }
}
