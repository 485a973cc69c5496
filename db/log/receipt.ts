import { sql, type SQL, type Table } from 'drizzle-orm'
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
import { findRevocations } from './revocations.ts'

/**
 * Reads the rows that a receipt is computed from: participants, leases, logout tokens, and the
 * acknowledgment. Keeps since when each participant is known to enforce the revocation.
 */

const acknowledged = command((p: Takes<{ list: string }>) => {
  const { rows, row } = rowsOf(p.list, { seq: 'bigint', atMs: 'bigint' })
  return sql`UPDATE ${revocations} SET ${assign(revocations, { acknowledgedAtMs: row.atMs })} FROM ${rows}
    WHERE ${revocations.seq} = ${row.seq} AND ${revocations.acknowledgedAtMs} IS NULL`
})
/** The revocations whose rows are read, with what a narrow one covers. */
const READ = { seq: 'bigint', sid: 'text', sub: 'text' } as const
// A subject's sessions that the fan-out has not reached are open, and those that it has are in the
// user's history.
const partsOf = query(
  {
    seq: sql<number>`its.seq`,
    sid: sql<string>`its.sid`,
    clientId: sql<string | null>`${participants.clientId}`,
  },
  (p: Takes<{ list: string }>, f) => {
    const { rows, row } = rowsOf(p.list, READ)
    const its = sql`SELECT ${row.seq}, ${sessions.sid} FROM ${rows}`
    return sql`SELECT DISTINCT ${f} FROM (${its} CROSS JOIN ${sessions} WHERE ${sessions.sid} = ${row.sid}
      UNION ${its} CROSS JOIN ${sessions} WHERE ${sessions.sub} = ${row.sub} AND ${sessions.endedSeq} IS NULL AND ${sessions.openedSeq} < ${row.seq}
      UNION ${its} CROSS JOIN ${securityEvents} CROSS JOIN ${sessions} WHERE ${securityEvents.sub} = ${row.sub} AND ${securityEvents.seq} = ${row.seq}
        AND ${securityEvents.kind} = 'ended' AND ${sessions.sid} = ${securityEvents.sid}) AS its
      LEFT JOIN ${participants} ON ${participants.sid} = its.sid`
  },
)
const guardsIf = (condition: SQL): SQL<number> =>
  sql<number>`count(DISTINCT CASE WHEN ${guardLeases.guardId} <> '' AND ${condition} THEN ${guardLeases.guardId} END)`
/** Rows of streams and pollers, and doubts: not those of a registration. */
const isStream = sql`(${guardLeases.guardId} <> '' OR ${guardLeases.reportedSeq} < 0)`
const seq = sql<number>`listed.seq`
const leaseFields = {
  seq,
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
/** The rows of these revocations beside those of another table that concern them. */
const beside = (p: Takes<{ list: string }>, table: Table, concerns: SQL): SQL =>
  sql`${rowsOf(p.list, READ).rows} CROSS JOIN ${table} WHERE ${concerns}`
const mayHaveRun = (p: Takes<{ list: string }>): SQL =>
  beside(p, guardLeases, sql`${guardLeases.firstSeq} < ${seq} AND ${guardLeases.lastSeq} >= ${seq}`)
const leases = query(
  leaseFields,
  (p: Takes<{ list: string }>, f) =>
    sql`SELECT ${f} FROM ${mayHaveRun(p)} GROUP BY ${seq}, ${guardLeases.clientId}`,
)
const termFields = {
  seq,
  ...columnsOf(guardLeases, 'clientId', 'ownSessions', 'tokenSeconds', 'formerTokensUntilMs'),
  /** 1: the registration is in force. */
  isNow: sql<number>`CASE WHEN ${guardLeases.holder} <> '' THEN 1 ELSE 0 END`,
}
const terms = query(
  termFields,
  (p: Takes<{ list: string }>, f) => sql`SELECT ${f} FROM ${mayHaveRun(p)} AND NOT ${isStream}`,
)
const tokens = query(
  {
    seq,
    ...columnsOf(deliveries, 'clientId'),
    undelivered: sql<number>`sum(CASE WHEN coalesce(later.state, ${deliveries.state}) = 'delivered' THEN 0 ELSE 1 END)`,
    deliveredAtMs: sql<number>`max(coalesce(later.settled_at_ms, ${deliveries.settledAtMs}, 0))`,
  },
  (p: Takes<{ list: string }>, f) =>
    sql`SELECT ${f} FROM ${rowsOf(p.list, READ).rows} CROSS JOIN ${deliveries} LEFT JOIN deliveries AS later ON later.id = ${deliveries.supersededBy}
      WHERE ${deliveries.seq} = ${seq} AND ${deliveries.kind} = 'logout_token' GROUP BY ${seq}, ${deliveries.clientId}`,
)
const addressed = query(
  { seq, ...columnsOf(targets, 'clientId') },
  (p: Takes<{ list: string }>, f) =>
    sql`SELECT DISTINCT ${f} FROM ${beside(p, targets, sql`${targets.addedSeq} < ${seq} AND (${targets.removedSeq} IS NULL OR ${targets.removedSeq} >= ${seq})`)}`,
)

/**
 * The proofs of a participant. The first that is written stays, whatever another broker's clock
 * says: a time may be late, but none is too early.
 */
const PROOFS = ['tokensBy', 'tokensAtMs', 'sessionsBy', 'sessionsAtMs'] as const
const kept = query(
  columnsOf(enforcements, 'seq', 'clientId', ...PROOFS),
  (p: Takes<{ list: string }>, f) =>
    sql`SELECT ${f} FROM ${beside(p, enforcements, sql`${enforcements.seq} = ${seq}`)}`,
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

const isNarrow = ({ selector }: Revocation): boolean => 'sid' in selector || 'sub' in selector

/** Returns the rows by their revocation. */
function bySeq<R extends { seq: number }>(rows: readonly R[]): (seq: number) => R[] {
  const found = Map.groupBy(rows, (row) => row.seq)
  return (seq) => found.get(seq) ?? []
}

/**
 * Returns what the receipts of revocations are computed from, with one statement of each kind for
 * all. It leaves out a revocation that is not in the log, or whose sessions are no longer kept.
 */
export function* receiptRows(seqs: readonly number[]): Act<ReceiptRows[]> {
  const found = yield* findRevocations(seqs)
  const listFor = (some: LoggedRevocation[]) => ({
    list: listOf(
      some.map(({ seq, selector }) => ({
        seq,
        sid: 'sid' in selector ? selector.sid : null,
        sub: 'sub' in selector ? selector.sub : null,
      })),
    ),
  })
  const [narrow, wide] = [
    found.filter(isNarrow),
    found.filter((revocation) => !isNarrow(revocation)),
  ]
  const partsFor = bySeq(narrow.length > 0 ? yield* partsOf.all(listFor(narrow)) : [])
  const leasesFor = bySeq(yield* leases.all(listFor(found)))
  const termsFor = bySeq(yield* terms.all(listFor(found)))
  const tokensFor = bySeq(narrow.length > 0 ? yield* tokens.all(listFor(narrow)) : [])
  const addressedFor = bySeq(wide.length > 0 ? yield* addressed.all(listFor(wide)) : [])
  const keptFor = bySeq(yield* enforcementsOf(seqs))
  return found.flatMap((revocation): ReceiptRows[] => {
    const { seq, sessions: ended } = revocation
    const parts = partsFor(seq)
    if (isNarrow(revocation) && new Set(parts.map(({ sid }) => sid)).size < ended) return []
    return [
      {
        revocation,
        clientIds: isNarrow(revocation)
          ? [...new Set(parts.flatMap(({ clientId }) => clientId ?? []))]
          : undefined,
        leases: leasesFor(seq),
        terms: termsFor(seq),
        tokens: tokensFor(seq),
        addressed: addressedFor(seq).map(({ clientId }) => clientId),
        kept: keptFor(seq),
      },
    ]
  })
}

/** Returns what is kept of revocations. */
function* enforcementsOf(seqs: readonly number[]): Act<Enforcement[]> {
  return (yield* kept.all({ list: listOf(seqs.map((number) => ({ seq: number }))) })).map(optionals)
}

/** Keeps what was found of participants of revocations, and returns all that is kept of them. */
export function* keepEnforcements(list: Enforcement[]): Act<Enforcement[]> {
  yield* keep.run({ list: listOf(list) })
  return yield* enforcementsOf([...new Set(list.map((row) => row.seq))])
}
