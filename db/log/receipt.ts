import { sql, type SQL } from 'drizzle-orm'
import type { Act } from '../engine/act.ts'
import { rowsOf, withoutReprepare } from '../engine/dialect.ts'
import {
  assign,
  columnsOf,
  command,
  excluded,
  insertEach,
  names,
  query,
  type RowOf,
  type Takes,
} from '../engine/statement.ts'
import { listOf, optionals } from '../engine/values.ts'
import {
  deliveries,
  enforcements,
  guardLeases,
  participants,
  revocations,
  securityEvents,
  sessions,
  targets,
} from '../schema.ts'
import type { Enforcement, LoggedRevocation, Revocation } from '../types.ts'
import { findRevocation } from './revocations.ts'

/**
 * Reads the rows that a receipt is computed from: participants, leases, logout tokens, and the
 * acknowledgment. Keeps since when each participant is known to enforce the revocation.
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
/** Rows of streams and pollers, and doubts: not those of a registration. */
const isStream = sql`(${guardLeases.guardId} <> '' OR ${guardLeases.reportedSeq} < 0)`
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
  /** 1: each stream and poller asked for what ends sessions. */
  judged: sql<number>`min(CASE WHEN ${isStream} THEN ${guardLeases.sessions} ELSE 1 END)`,
}
const mayHaveRun = (p: Takes<{ seq: number }>): SQL =>
  sql`${guardLeases} WHERE ${guardLeases.firstSeq} < ${p.seq} AND ${guardLeases.lastSeq} >= ${p.seq}`
const leases = query(
  leaseFields,
  (p: Takes<{ seq: number }>, f) =>
    sql`SELECT ${f} FROM ${mayHaveRun(p)} GROUP BY ${guardLeases.clientId}`,
)
const termFields = {
  ...columnsOf(guardLeases, 'clientId', 'ownSessions', 'tokenSeconds', 'formerTokensUntilMs'),
  /** 1: the registration is in force. */
  isNow: sql<number>`CASE WHEN ${guardLeases.holder} <> '' THEN 1 ELSE 0 END`,
}
const terms = query(
  termFields,
  (p: Takes<{ seq: number }>, f) => sql`SELECT ${f} FROM ${mayHaveRun(p)} AND NOT ${isStream}`,
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

/**
 * The proofs of a participant. The first that is written stays, whatever another broker's clock
 * says: a time may be late, but none is too early.
 */
const PROOFS = ['tokensBy', 'tokensAtMs', 'sessionsBy', 'sessionsAtMs'] as const
const kept = query(
  columnsOf(enforcements, 'seq', 'clientId', ...PROOFS),
  (p: Takes<{ seq: number }>, f) =>
    sql`SELECT ${f} FROM ${enforcements} WHERE ${enforcements.seq} = ${p.seq}`,
)
const keep = command((p: Takes<{ list: string }>) => {
  const { rows, row } = rowsOf(p.list, {
    seq: 'bigint',
    clientId: 'text',
    tokensBy: 'text',
    tokensAtMs: 'bigint',
    sessionsBy: 'text',
    sessionsAtMs: 'bigint',
  })
  const first = PROOFS.map((name) => [
    name,
    sql`coalesce(${enforcements[name]}, ${excluded(enforcements[name])})`,
  ])
  return sql`${insertEach(enforcements, row, rows)} ON CONFLICT (${names(enforcements.seq, enforcements.clientId)})
    DO UPDATE SET ${assign(enforcements, Object.fromEntries(first))}`
})

/** Records when revocations were acknowledged. The first time that is written stays. */
export const acknowledge = (list: { seq: number; atMs: number }[]): Act<unknown> =>
  acknowledged.run({ list: listOf(list) })

export interface ReceiptRows {
  revocation: LoggedRevocation
  /** The clients of the sessions. Undefined where the revocation is of more than one user. */
  clientIds: string[] | undefined
  /** The leases that may have run at the acknowledgment, of all clients. */
  leases: RowOf<typeof leaseFields>[]
  /** The registrations under which those leases run: the one in force, and former ones. */
  terms: RowOf<typeof termFields>[]
  /** The logout tokens by client; empty where the revocation concerns more than one user. */
  tokens: { clientId: string; undelivered: number; deliveredAtMs: number }[]
  /** The clients that had a logout address; empty where it concerns one user alone. */
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
  if (new Set(parts.map((part) => part.sid)).size < ended) return undefined
  return [...new Set(parts.flatMap(({ clientId }) => clientId ?? []))]
}

const isNarrow = ({ selector }: Revocation): boolean => 'sid' in selector || 'sub' in selector

/**
 * Returns what the receipt of a revocation is computed from. Undefined: there is no such
 * revocation, or its sessions are no longer kept.
 */
export function* receiptRows(seq: number): Act<ReceiptRows | undefined> {
  const revocation = yield* findRevocation(seq)
  if (revocation === undefined) return undefined
  const narrow = isNarrow(revocation)
  const clientIds = narrow ? yield* participantsOf(revocation) : undefined
  if (narrow && clientIds === undefined) return undefined
  return {
    revocation,
    clientIds,
    leases: yield* leases.all({ seq }),
    terms: yield* terms.all({ seq }),
    tokens: narrow ? yield* tokens.all({ seq }) : [],
    addressed: narrow ? [] : (yield* addressed.all({ seq })).map(({ clientId }) => clientId),
    kept: yield* enforcementsOf(seq),
  }
}

/** Returns what is kept of a revocation. */
function* enforcementsOf(seq: number): Act<Enforcement[]> {
  return (yield* kept.all({ seq })).map(optionals)
}

/** Keeps what was found of participants of a revocation, and returns all that is kept of it. */
export function* keepEnforcements(seq: number, list: Enforcement[]): Act<Enforcement[]> {
  yield* keep.run({ list: listOf(list) })
  return yield* enforcementsOf(seq)
}
