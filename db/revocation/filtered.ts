import { sql } from 'drizzle-orm'
import type { SQL } from 'drizzle-orm'
import type { Act, Engine } from '../engine/act.ts'
import { indexedBy } from '../engine/dialect.ts'
import { CLOCK_BACK_SECONDS, searchBack, WINDOW } from '../engine/search-back.ts'
import type { Window } from '../engine/search-back.ts'
import { columnsOf, orAny, query } from '../engine/statement.ts'
import type { Param, Takes } from '../engine/statement.ts'
import { revocations, revocationTotals, securityEvents } from '../schema.ts'
import type { RevocationActs } from '../store.ts'
import type { LoggedRevocation } from '../types.ts'
import { loggedFields, loggedOf } from './lists.ts'

/** The log as operators read it, the newest first, narrowed by whatever they look for. */

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
type Input = Parameters<RevocationActs['pageOfRevocations']>[0]
type Place = { seq: number; at: number }

const inWindow = (p: Takes<Wanted>): SQL => sql`${revocations.seq} > ${p.after} AND ${revocations.seq} < ${p.before}`
const joined = (index: SQL = sql.empty()): SQL =>
  sql`${revocations}${index} LEFT JOIN ${revocationTotals} ON ${revocationTotals.seq} = ${revocations.seq}`
/** What was revoked for a user, and what has ended a session or a grant of theirs, as their security history has it. */
const ofUser = (p: Takes<Wanted>): SQL => sql`${revocations.seq} IN (
  SELECT ${securityEvents.seq} FROM ${securityEvents} WHERE ${securityEvents.sub} = ${p.sub} AND ${securityEvents.seq} IS NOT NULL
  UNION SELECT own.seq FROM ${revocations} AS own WHERE own.sub = ${p.sub} AND own.sub IS NOT NULL)`
const equals = (column: SQL | typeof revocations.clientId, wanted: Param<string | null>): SQL => sql`${column} = ${wanted} AND ${column} IS NOT NULL`
/** By which index a window is read. */
const sources: Record<By, { index: SQL; where: (p: Takes<Wanted>) => SQL }> = {
  clientId: { index: indexedBy('revocations_by_client'), where: (p) => equals(revocations.clientId, p.clientId) },
  caseReference: { index: indexedBy('revocations_by_case'), where: (p) => equals(sql`${revocations.caseReference}`, p.caseReference) },
  tid: { index: indexedBy('revocations_by_tenant'), where: (p) => equals(sql`${revocations.tid}`, p.tid) },
  none: { index: sql.empty(), where: () => sql`true` },
}
const listed = (from: SQL, where: (p: Takes<Wanted>) => SQL) =>
  query(
    loggedFields,
    (p: Takes<Wanted>, f) => sql`SELECT ${f} FROM ${from} WHERE ${where(p)} AND ${inWindow(p)} AND ${orAny(revocations.reason, p.reason)}
      AND ${orAny(revocations.clientId, p.clientId)} AND ${orAny(revocations.caseReference, p.caseReference)}
      AND ${orAny(revocations.actorId, p.actorId)} AND ${orAny(revocations.tid, p.tid)} AND ${revocations.at} >= ${p.since} AND ${revocations.at} < ${p.until}
      ORDER BY ${revocations.seq} DESC LIMIT ${p.limit}`,
  )
/** The last entry of a window: so many entries of the index before a place. */
const ending = ({ index, where }: (typeof sources)[By]) =>
  query(
    columnsOf(revocations, 'seq', 'at'),
    (p: Takes<Wanted & { skip: number }>, f) => sql`SELECT ${f} FROM ${revocations}${index} WHERE ${where(p)} AND ${revocations.seq} < ${p.before}
      ORDER BY ${revocations.seq} DESC LIMIT 1 OFFSET ${p.skip}`,
  )
const both = (by: By) => ({ list: listed(joined(sources[by].index), sources[by].where), end: ending(sources[by]) })
const windows = { clientId: both('clientId'), caseReference: both('caseReference'), tid: both('tid'), none: both('none') }
const listOfUser = listed(joined(), ofUser)
const firstAt = query(
  columnsOf(revocations, 'seq'),
  (p: Takes<{ at: number }>, f) => sql`SELECT ${f} FROM ${revocations} WHERE ${revocations.at} >= ${p.at} ORDER BY ${revocations.at} LIMIT 1`,
)

/** The entries of one window before a place. */
function* windowOf(by: By, filters: Filters, before: number, { room, size }: { room: number; size: number }): Act<Window<LoggedRevocation, Place>> {
  const { list, end } = windows[by]
  const wanted = { ...filters, after: 0, before, limit: room }
  const last = yield* end.get({ ...wanted, skip: size - 1 })
  const rows = yield* list.all({ ...wanted, after: (last?.seq ?? 0) - 1 })
  const older = last !== undefined && last.at >= filters.since - CLOCK_BACK_SECONDS
  return { found: rows.map(loggedOf), reached: older ? last : undefined, entries: size }
}

/** Every entry from this one on is later than the filter wants. */
function* beginning(before: number, until: number): Act<number> {
  const later = until < Number.MAX_SAFE_INTEGER ? yield* firstAt.get({ at: until + CLOCK_BACK_SECONDS }) : undefined
  return Math.min(before, later?.seq ?? before)
}

const filtersOf = ({ sub, clientId, caseReference, tid, reason, actorId, since, until }: Input): Filters => ({
  ...{ sub: sub ?? null, clientId: clientId ?? null, caseReference: caseReference ?? null, tid: tid ?? null },
  ...{ reason: reason ?? null, actorId: actorId ?? null, since: since ?? 0, until: until ?? Number.MAX_SAFE_INTEGER },
})

export async function pageOfRevocations({ read }: Pick<Engine, 'read'>, input: Input): ReturnType<RevocationActs['pageOfRevocations']> {
  const { before = Number.MAX_SAFE_INTEGER, limit, most } = input
  const filters = filtersOf(input)
  if (filters.sub !== null)
    return { found: (await read(() => listOfUser.all({ ...filters, after: 0, before, limit }))).map(loggedOf), searchedTo: undefined }
  const by = (['caseReference', 'clientId', 'tid'] as const).find((one) => filters[one] !== null) ?? 'none'
  const size = Math.min(WINDOW, most)
  const from = { seq: await read(() => beginning(before, filters.until)), at: 0 }
  return searchBack<LoggedRevocation, Place>(from, { limit, most }, ({ seq }, room) => read(() => windowOf(by, filters, seq, { room, size })))
}

export const listRevocations = async (engine: Engine, input: Omit<Input, 'most'>): Promise<LoggedRevocation[]> =>
  (await pageOfRevocations(engine, { ...input, most: Infinity })).found
