import { setImmediate as turn } from 'node:timers/promises'
import { sql } from 'drizzle-orm'
import type { SQL } from 'drizzle-orm'
import type { Act, Engine } from '../engine/act.ts'
import { indexedBy } from '../engine/dialect.ts'
import { columnsOf, orAny, query } from '../engine/statement.ts'
import type { Param, Takes } from '../engine/statement.ts'
import { revocations, revocationTotals, securityEvents } from '../schema.ts'
import type { RevocationActs } from '../store.ts'
import type { LoggedRevocation } from '../types.ts'
import { loggedFields, loggedOf } from './lists.ts'

/** The log as operators read it, the newest first, narrowed by whatever they look for: window by window, with the event loop let in between. */

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
type By = 'sub' | 'clientId' | 'caseReference' | 'tid' | 'none'

const inWindow = (p: Takes<Wanted>): SQL => sql`${revocations.seq} > ${p.after} AND ${revocations.seq} < ${p.before}`
const joined = (index: SQL = sql.empty()): SQL =>
  sql`${revocations}${index} LEFT JOIN ${revocationTotals} ON ${revocationTotals.seq} = ${revocations.seq}`
/** What was revoked for a user, and what has ended a session or a grant of theirs, as their security history has it. */
const ofUser = (p: Takes<Wanted>): SQL => sql`${revocations.seq} IN (
  SELECT ${securityEvents.seq} FROM ${securityEvents} WHERE ${securityEvents.sub} = ${p.sub} AND ${securityEvents.seq} IS NOT NULL
  UNION SELECT own.seq FROM ${revocations} AS own WHERE own.sub = ${p.sub} AND own.sub IS NOT NULL)`
const equals = (column: SQL | typeof revocations.clientId, wanted: Param<string | null>): SQL => sql`${column} = ${wanted} AND ${column} IS NOT NULL`
const sources: Record<By, (p: Takes<Wanted>) => { from: SQL; where: SQL }> = {
  sub: (p) => ({ from: joined(), where: ofUser(p) }),
  clientId: (p) => ({ from: joined(indexedBy('revocations_by_client')), where: equals(revocations.clientId, p.clientId) }),
  caseReference: (p) => ({ from: joined(indexedBy('revocations_by_case')), where: equals(sql`${revocations.caseReference}`, p.caseReference) }),
  tid: (p) => ({ from: joined(indexedBy('revocations_by_tenant')), where: equals(sql`${revocations.tid}`, p.tid) }),
  none: () => ({ from: joined(), where: sql`true` }),
}
const listed = (by: By) =>
  query(loggedFields, (p: Takes<Wanted>, f) => {
    const { from, where } = sources[by](p)
    return sql`SELECT ${f} FROM ${from} WHERE ${where} AND ${inWindow(p)} AND ${orAny(revocations.reason, p.reason)}
      AND ${orAny(revocations.clientId, p.clientId)} AND ${orAny(revocations.caseReference, p.caseReference)}
      AND ${orAny(revocations.actorId, p.actorId)} AND ${orAny(revocations.tid, p.tid)} AND ${revocations.at} >= ${p.since} AND ${revocations.at} < ${p.until}
      ORDER BY ${revocations.seq} DESC LIMIT ${p.limit}`
  })
const lists = { sub: listed('sub'), clientId: listed('clientId'), caseReference: listed('caseReference'), tid: listed('tid'), none: listed('none') }
const edge = (order: 'ASC' | 'DESC') =>
  query(
    columnsOf(revocations, 'seq', 'at'),
    (p: Takes<{ before: number }>, f) =>
      sql`SELECT ${f} FROM ${revocations} WHERE ${revocations.seq} < ${p.before} ORDER BY ${revocations.seq} ${sql.raw(order)} LIMIT 1`,
  )
const [oldest, newest] = [edge('ASC'), edge('DESC')]

/** Entries of the log that one turn looks at: of an index that holds few of them, more. */
const WINDOW: Record<By, number> = { none: 2_000, clientId: 10_000, tid: 10_000, caseReference: 50_000, sub: Number.MAX_SAFE_INTEGER }
/** The log is in the order of commits. Its times go back by no more than this, where a clock was set back. */
const CLOCK_SECONDS = 86_400

function* begins(before: number): Act<{ first: number; last: { seq: number; at: number } | undefined }> {
  const last = yield* newest.get({ before })
  return { first: (yield* oldest.get({ before }))?.seq ?? 0, last }
}

export async function listRevocations({ read }: Engine, input: Parameters<RevocationActs['listRevocations']>[0]): Promise<LoggedRevocation[]> {
  const { before = Number.MAX_SAFE_INTEGER, limit, sub = null, clientId = null, caseReference = null, reason = null, actorId = null } = input
  const filters = {
    sub,
    clientId,
    caseReference,
    reason,
    actorId,
    tid: input.tid ?? null,
    since: input.since ?? 0,
    until: input.until ?? Number.MAX_SAFE_INTEGER,
  }
  const by = (['sub', 'caseReference', 'clientId', 'tid'] as const).find((one) => filters[one] !== null) ?? 'none'
  const found: LoggedRevocation[] = []
  for (let to = before; ;) {
    const place = await read(() => begins(to))
    if (place.last === undefined || place.last.at < filters.since - CLOCK_SECONDS) return found
    const after = Math.max(place.first - 1, place.last.seq - WINDOW[by])
    const window = { ...filters, after, before: place.last.seq + 1, limit: limit - found.length }
    found.push(...(await read(() => lists[by].all(window))).map(loggedOf))
    if (found.length >= limit || after < place.first) return found
    to = after + 1
    await turn()
  }
}
