import { getTableColumns, sql, type Column, type SQL, type Table } from 'drizzle-orm'
import type { Act } from '../engine/act.ts'
import { query, type Fields, type Takes } from '../engine/statement.ts'
import { findSubject } from '../rows/user.ts'
import {
  audit,
  consents,
  deliveries,
  floors,
  locks,
  microsoftWork,
  participants,
  rejectedSignIns,
  revocations,
  securityEvents,
  sessions,
  subjects,
} from '../schema.ts'
import type { HeldRecord } from '../types.ts'

/**
 * Exports the data about one user in pages: one table after the other, by an index on the user or
 * by bounded pages of the whole table. It leaves out secrets: sealed values, and the hashes of
 * cookies and of the chains.
 */

const SECRET = /(^|_)(sealed|hash|salt)$/
const fieldsOf = (table: Table): Fields =>
  Object.fromEntries(
    Object.values(getTableColumns(table)).flatMap((column: Column) =>
      SECRET.test(column.name) ? [] : [[column.name, column]],
    ),
  )

type UserKey = { sub: string; tid: string; oid: string; target: string }
type Page = { records: HeldRecord[]; next: string | undefined }
/**
 * One stage of an export: returns one page of a table's rows about the user.
 * @param after where the page before ended; '' at first
 */
type Stage = (who: UserKey, after: string, limit: number) => Act<Page>
type Kind = HeldRecord['kind']

const held = (kind: Kind, rows: unknown[]): HeldRecord[] =>
  (rows as HeldRecord['values'][]).map((values) => ({ kind, values }))

/** Exports a table in which a user has few rows, in one page. */
function whole(kind: Kind, table: Table, isTheirs: (p: Takes<UserKey>) => SQL): Stage {
  const rows = query(
    fieldsOf(table),
    (p: Takes<UserKey>, f) => sql`SELECT ${f} FROM ${table} WHERE ${isTheirs(p)}`,
  )
  return function* (who) {
    return { records: held(kind, yield* rows.all(who)), next: undefined }
  }
}

/** Exports a table by an index on the user and a rising id. */
function along(kind: Kind, table: Table, id: Column, isTheirs: (p: Takes<UserKey>) => SQL): Stage {
  const rows = query(
    fieldsOf(table),
    (p: Takes<UserKey & { after: number; limit: number }>, f) =>
      sql`SELECT ${f} FROM ${table} WHERE ${isTheirs(p)} AND ${id} > ${p.after} ORDER BY ${id} LIMIT ${p.limit}`,
  )
  return function* (who, after, limit) {
    const found = yield* rows.all({ ...who, after: Number(after), limit })
    return {
      records: held(kind, found),
      next: found.length < limit ? undefined : String(found.at(-1)?.[id.name]),
    }
  }
}

/** Exports the user's rows from bounded pages of the whole table, in the order of its key. */
function through(
  kind: Kind,
  table: Table,
  key: Column,
  isTheirs: (p: Takes<UserKey>) => SQL,
): Stage {
  const isNumber = key.dataType === 'number'
  const end = query(
    { last: sql<string | number | null>`max(page.place)`, count: sql<number>`count(*)` },
    (p: Takes<{ after: string | number; limit: number }>, f) =>
      sql`SELECT ${f} FROM (SELECT ${key} AS place FROM ${table} WHERE ${key} > ${p.after} ORDER BY ${key} LIMIT ${p.limit}) AS page`,
  )
  const rows = query(
    fieldsOf(table),
    (p: Takes<UserKey & { after: string | number; to: string | number }>, f) =>
      sql`SELECT ${f} FROM ${table} WHERE ${key} > ${p.after} AND ${key} <= ${p.to} AND ${isTheirs(p)} ORDER BY ${key}`,
  )
  return function* (who, cursor, limit) {
    const after = isNumber ? Number(cursor) : cursor
    const page = yield* end.get({ after, limit })
    if (page === undefined || page.last === null) return { records: [], next: undefined }
    const records = held(kind, yield* rows.all({ ...who, after, to: page.last }))
    return { records, next: page.count < limit ? undefined : String(page.last) }
  }
}

const entries = query(
  fieldsOf(securityEvents),
  (p: Takes<UserKey & { at: number; id: string; limit: number }>, f) =>
    sql`SELECT ${f} FROM ${securityEvents} WHERE ${securityEvents.sub} = ${p.sub} AND (${securityEvents.at}, ${securityEvents.id}) > (${p.at}, ${p.id})
      ORDER BY ${securityEvents.at}, ${securityEvents.id} LIMIT ${p.limit}`,
)
function* history(who: UserKey, after: string, limit: number): Act<Page> {
  const [at, id = ''] = after.split(' ')
  const rows = (yield* entries.all({ ...who, at: Number(at), id, limit })) as unknown as {
    at: number
    id: string
  }[]
  const last = rows.length < limit ? undefined : rows.at(-1)
  return { records: held('history', rows), next: last && `${last.at} ${last.id}` }
}

const ofSession = (sid: Column, p: Takes<UserKey>): SQL =>
  sql`EXISTS (SELECT 1 FROM ${sessions} WHERE ${sessions.sid} = ${sid} AND ${sessions.sub} = ${p.sub})`

const STAGES: readonly Stage[] = [
  whole('user', subjects, (p) => sql`${subjects.sub} = ${p.sub}`),
  whole(
    'floor',
    floors,
    (p) =>
      sql`(${floors.kind} = 'subject' AND ${floors.key} = ${p.sub} OR ${floors.kind} = 'home' AND ${floors.key} = (SELECT ${subjects.homeId} FROM ${subjects} WHERE ${subjects.sub} = ${p.sub}))`,
  ),
  whole(
    'lock',
    locks,
    // Includes locks of the user as a guest of another tenant, which cover the user here too.
    (p) => sql`(${locks.kind} = 'user' AND ${locks.key} = ${p.tid} AND ${locks.oid} = ${p.oid}
    OR ${locks.homeId} = (SELECT ${subjects.homeId} FROM ${subjects} WHERE ${subjects.sub} = ${p.sub}))`,
  ),
  whole('consent', consents, (p) => sql`${consents.sub} = ${p.sub}`),
  whole(
    'microsoft_work',
    microsoftWork,
    (p) => sql`${microsoftWork.tid} = ${p.tid} AND ${microsoftWork.oid} = ${p.oid}
    AND ${microsoftWork.kind} IN ('check_user', 'revoke_sessions', 'revoke_reported')`,
  ),
  along('audit', audit, audit.id, (p) => sql`${audit.actorId} = ${p.sub}`),
  along('audit', audit, audit.id, (p) => sql`${audit.target} = ${p.target}`),
  whole(
    'rejected_sign_in',
    rejectedSignIns,
    (p) => sql`${rejectedSignIns.tid} = ${p.tid} AND ${rejectedSignIns.oid} = ${p.oid}`,
  ),
  history,
  through('session', sessions, sessions.sid, (p) => sql`${sessions.sub} = ${p.sub}`),
  through('participation', participants, participants.sid, (p) => ofSession(participants.sid, p)),
  through(
    'delivery',
    deliveries,
    deliveries.id,
    (p) => sql`(${deliveries.sub} = ${p.sub} OR ${ofSession(deliveries.sid, p)})`,
  ),
  through(
    'revocation',
    revocations,
    revocations.seq,
    (p) =>
      sql`(${revocations.sub} = ${p.sub} OR ${revocations.actorId} = ${p.sub} OR ${ofSession(revocations.sid, p)})`,
  ),
]

/**
 * Exports the data about a user, without secrets. Looks at up to `limit` rows a page and returns
 * where the next begins. A page may be empty and have a next. Returns undefined where the user or
 * the cursor is unknown.
 */
export function* exportUser({
  sub,
  cursor,
  limit,
}: {
  sub: string
  cursor?: string | undefined
  limit: number
}): Act<{ records: HeldRecord[]; next: string | undefined } | undefined> {
  const subject = yield* findSubject(sub)
  const [, at = '', after = ''] = /^(\d+):(.*)$/.exec(cursor ?? '0:') ?? []
  const stage = STAGES[Number(at)]
  if (subject === undefined || at === '' || stage === undefined) return undefined
  const { tid, oid } = subject
  const page = yield* stage({ sub, tid, oid, target: `subject ${sub}` }, after, limit)
  const next = page.next === undefined ? Number(at) + 1 : Number(at)
  return {
    records: page.records,
    next: next < STAGES.length ? `${next}:${page.next ?? ''}` : undefined,
  }
}
