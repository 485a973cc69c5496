import { sql, type SQL } from 'drizzle-orm'
import { decodeSelector } from '../../src/protocol/selector.ts'
import type { Act, Engine } from '../engine/act.ts'
import { indexedBy, rowsOf, withoutReprepare } from '../engine/dialect.ts'
import { CLOCK_BACK_SECONDS, searchBack, WINDOW, type Window } from '../engine/search-back.ts'
import { columnsOf, orAny, query, type Param, type RowOf, type Takes } from '../engine/statement.ts'
import { listOf, optional, parseList } from '../engine/values.ts'
import { cutoffs, revocations, revocationTotals, securityEvents } from '../schema.ts'
import {
  DELIVERY_STATES,
  type DeliveryState,
  type DeliveryTotals,
  type LoggedRevocation,
  type Revocation,
  type RevocationFilter,
  type Searched,
} from '../types.ts'

/** The log of revocations as operators read it: one entry, or a filtered list, newest first. */

export const revocationFields = {
  ...columnsOf(
    revocations,
    'seq',
    'kind',
    'sid',
    'sub',
    'clientId',
    'tid',
    'reason',
    'actorKind',
    'actorId',
    'at',
    'atMs',
    'caseReference',
  ),
  ...columnsOf(revocations, 'comment', 'fanOut', 'sessions', 'traceparent'),
  ...columnsOf(revocations, 'sessionsUntil', 'sessionClients'),
}
export type RevocationRow = RowOf<typeof revocationFields>

export const revocationOf = (row: RevocationRow): Revocation => ({
  seq: row.seq,
  // A row without the member that its kind needs counts as `everything`: it revokes too much, never
  // too little.
  selector: decodeSelector({ ...row, client_id: row.clientId }) ?? { kind: 'everything' },
  tid: optional(row.tid),
  reason: row.reason,
  actor: { kind: row.actorKind, id: row.actorId },
  at: row.at,
  caseReference: optional(row.caseReference),
  comment: optional(row.comment),
  fanOut: row.fanOut,
  sessions: row.sessions,
  sessionsUntil: optional(row.sessionsUntil),
  sessionClients: parseList(row.sessionClients),
  traceparent: optional(row.traceparent),
})

/** Returns the fields that the hash of a row covers in clear, and those that it covers salted. */
export const linkOfRevocation = (
  row: Omit<
    RevocationRow,
    'fanOut' | 'sessions' | 'sessionsUntil' | 'sessionClients' | 'traceparent'
  >,
) => ({
  fields: {
    seq: row.seq,
    kind: row.kind,
    sid: row.sid,
    client_id: row.clientId,
    tid: row.tid,
    reason: row.reason,
    actor_kind: row.actorKind,
    at: row.at,
    at_ms: row.atMs,
    case_reference: row.caseReference,
  },
  personal: { sub: row.sub, actor_id: row.actorId, comment: row.comment },
})

const totals = Object.fromEntries(
  DELIVERY_STATES.map((state) => [state, sql<number>`coalesce(${revocationTotals[state]}, 0)`]),
) as Record<DeliveryState, ReturnType<typeof sql<number>>>
const loggedFields = {
  ...revocationFields,
  ...columnsOf(revocations, 'acknowledgedAtMs'),
  ...totals,
}
const joined = (index: SQL = sql.empty()): SQL =>
  sql`${revocations}${index} LEFT JOIN ${revocationTotals} ON ${revocationTotals.seq} = ${revocations.seq}`

const bySeq = query(
  loggedFields,
  (p: Takes<{ seq: number }>, f) =>
    sql`SELECT ${f} FROM ${joined()} WHERE ${revocations.seq} = ${withoutReprepare(p.seq)}`,
)
const bySeqs = query(loggedFields, (p: Takes<{ list: string }>, f) => {
  const { rows, row } = rowsOf(p.list, { seq: 'bigint' })
  return sql`SELECT ${f} FROM ${joined()} WHERE ${revocations.seq} IN (SELECT ${row.seq} FROM ${rows})`
})
const everythingAt = query(
  columnsOf(revocations, 'at'),
  (_, f) =>
    sql`SELECT ${f} FROM ${cutoffs} JOIN ${revocations} ON ${revocations.seq} = ${cutoffs.seq} WHERE ${cutoffs.kind} = 'everything' AND ${cutoffs.key} = ''`,
)

const loggedOf = (row: RowOf<typeof loggedFields>): LoggedRevocation => ({
  ...revocationOf(row),
  acknowledgedAtMs: optional(row.acknowledgedAtMs),
  totals: Object.fromEntries(DELIVERY_STATES.map((state) => [state, row[state]])) as DeliveryTotals,
})

const newest = query(
  columnsOf(revocations, 'at', 'atMs'),
  (_, f) => sql`SELECT ${f} FROM ${revocations} ORDER BY ${revocations.seq} DESC LIMIT 1`,
)
/** Returns the times of the newest entry, in epoch seconds and milliseconds. */
export function* newestTimes(): Act<{ at: number; atMs: number } | undefined> {
  return yield* newest.get({})
}

export function* findRevocation(seq: number): Act<LoggedRevocation | undefined> {
  const row = yield* bySeq.get({ seq })
  return row && loggedOf(row)
}
/** Returns those of these revocations that are kept, in any order. */
export function* findRevocations(seqs: readonly number[]): Act<LoggedRevocation[]> {
  return (yield* bySeqs.all({ list: listOf(seqs.map((seq) => ({ seq }))) })).map(loggedOf)
}
/**
 * Returns when everything was last revoked, in epoch seconds: no session is older. Undefined: the
 * log has no such entry.
 */
export function* everythingRevokedAt(): Act<number | undefined> {
  return (yield* everythingAt.get({}))?.at
}

type Wanted = {
  after: number
  before: number
  limit: number
  sub: string | null
  clientId: string | null
  caseReference: string | null
  tid: string | null
  reason: string | null
  actorId: string | null
  since: number
  until: number
}
type By = 'clientId' | 'caseReference' | 'tid' | 'none'
type Filters = Omit<Wanted, 'after' | 'before' | 'limit'>
type Input = { before?: number | undefined; limit: number; most: number } & RevocationFilter
type Place = { seq: number; at: number }

const inWindow = (p: Takes<Wanted>): SQL =>
  sql`${revocations.seq} > ${p.after} AND ${revocations.seq} < ${p.before}`
/**
 * Revocations that name a user, or that ended a session or grant of theirs by their security
 * history.
 */
const ofUser = (p: Takes<Wanted>): SQL => sql`${revocations.seq} IN (
  SELECT ${securityEvents.seq} FROM ${securityEvents} WHERE ${securityEvents.sub} = ${p.sub} AND ${securityEvents.seq} IS NOT NULL
  UNION SELECT own.seq FROM ${revocations} AS own WHERE own.sub = ${p.sub} AND own.sub IS NOT NULL)`
const equals = (column: SQL | typeof revocations.clientId, wanted: Param<string | null>): SQL =>
  sql`${column} = ${wanted} AND ${column} IS NOT NULL`
/** The index by which a window is read, for each filter. */
const sources: Record<By, { index: SQL; where: (p: Takes<Wanted>) => SQL }> = {
  clientId: {
    index: indexedBy('revocations_by_client'),
    where: (p) => equals(revocations.clientId, p.clientId),
  },
  caseReference: {
    index: indexedBy('revocations_by_case'),
    where: (p) => equals(sql`${revocations.caseReference}`, p.caseReference),
  },
  tid: {
    index: indexedBy('revocations_by_tenant'),
    where: (p) => equals(sql`${revocations.tid}`, p.tid),
  },
  none: { index: sql.empty(), where: () => sql`true` },
}
const listed = (from: SQL, where: (p: Takes<Wanted>) => SQL) =>
  query(
    loggedFields,
    (
      p: Takes<Wanted>,
      f,
    ) => sql`SELECT ${f} FROM ${from} WHERE ${where(p)} AND ${inWindow(p)} AND ${orAny(revocations.reason, p.reason)}
      AND ${orAny(revocations.clientId, p.clientId)} AND ${orAny(revocations.caseReference, p.caseReference)}
      AND ${orAny(revocations.actorId, p.actorId)} AND ${orAny(revocations.tid, p.tid)} AND ${revocations.at} >= ${p.since} AND ${revocations.at} < ${p.until}
      ORDER BY ${revocations.seq} DESC LIMIT ${p.limit}`,
  )
/** The last entry of a window: the one `skip` entries of the index before a place. */
const ending = ({ index, where }: (typeof sources)[By]) =>
  query(
    columnsOf(revocations, 'seq', 'at'),
    (
      p: Takes<Wanted & { skip: number }>,
      f,
    ) => sql`SELECT ${f} FROM ${revocations}${index} WHERE ${where(p)} AND ${revocations.seq} < ${p.before}
      ORDER BY ${revocations.seq} DESC LIMIT 1 OFFSET ${p.skip}`,
  )
const both = (by: By) => ({
  list: listed(joined(sources[by].index), sources[by].where),
  end: ending(sources[by]),
})
const windows = {
  clientId: both('clientId'),
  caseReference: both('caseReference'),
  tid: both('tid'),
  none: both('none'),
}
const listOfUser = listed(joined(), ofUser)
const firstAt = query(
  columnsOf(revocations, 'seq'),
  (p: Takes<{ at: number }>, f) =>
    sql`SELECT ${f} FROM ${revocations} WHERE ${revocations.at} >= ${p.at} ORDER BY ${revocations.at} LIMIT 1`,
)

/** Returns the entries of one window before a place. */
function* windowOf(
  by: By,
  filters: Filters,
  before: number,
  { room, size }: { room: number; size: number },
): Act<Window<LoggedRevocation, Place>> {
  const { list, end } = windows[by]
  const wanted = { ...filters, after: 0, before, limit: room }
  const last = yield* end.get({ ...wanted, skip: size - 1 })
  const rows = yield* list.all({ ...wanted, after: (last?.seq ?? 0) - 1 })
  const older = last !== undefined && last.at >= filters.since - CLOCK_BACK_SECONDS
  return { found: rows.map(loggedOf), reached: older ? last : undefined, entries: size }
}

/**
 * Returns the `seq` before which the search begins: every entry from there on is later than the
 * filter wants.
 */
function* beginning(before: number, until: number): Act<number> {
  const later =
    until < Number.MAX_SAFE_INTEGER
      ? yield* firstAt.get({ at: until + CLOCK_BACK_SECONDS })
      : undefined
  return Math.min(before, later?.seq ?? before)
}

const filtersOf = ({
  sub,
  clientId,
  caseReference,
  tid,
  reason,
  actorId,
  since,
  until,
}: Input): Filters => ({
  sub: sub ?? null,
  clientId: clientId ?? null,
  caseReference: caseReference ?? null,
  tid: tid ?? null,
  reason: reason ?? null,
  actorId: actorId ?? null,
  since: since ?? 0,
  until: until ?? Number.MAX_SAFE_INTEGER,
})

/**
 * Returns one page of `listRevocations`. It looks at about `most` entries, and returns how far it
 * came where that was not enough.
 */
export async function pageOfRevocations(
  { read }: Pick<Engine, 'read'>,
  input: Input,
): Promise<Searched<LoggedRevocation, { seq: number; at: number }>> {
  const { before = Number.MAX_SAFE_INTEGER, limit, most } = input
  const filters = filtersOf(input)
  if (filters.sub !== null)
    return {
      found: (await read(() => listOfUser.all({ ...filters, after: 0, before, limit }))).map(
        loggedOf,
      ),
      searchedTo: undefined,
    }
  const by =
    (['caseReference', 'clientId', 'tid'] as const).find(
      (candidate) => filters[candidate] !== null,
    ) ?? 'none'
  const size = Math.min(WINDOW, most)
  const from = { seq: await read(() => beginning(before, filters.until)), at: 0 }
  return searchBack<LoggedRevocation, Place>(from, { limit, most }, ({ seq }, room) =>
    read(() => windowOf(by, filters, seq, { room, size })),
  )
}

/**
 * Lists revocations, newest first. What one turn of the event loop reads is bounded, whatever the
 * filter.
 */
export const listRevocations = async (
  engine: Engine,
  input: Omit<Input, 'most'>,
): Promise<LoggedRevocation[]> =>
  (await pageOfRevocations(engine, { ...input, most: Infinity })).found
