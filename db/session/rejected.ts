import { sql, type SQL } from 'drizzle-orm'
import type { Act, Engine, Statement } from '../engine/act.ts'
import { has, withoutReprepare } from '../engine/dialect.ts'
import { CLOCK_BACK_SECONDS, searchBack, WINDOW, type Window } from '../engine/search-back.ts'
import {
  columnsOf,
  command,
  lockByName,
  names,
  orAny,
  query,
  type RowOf,
  type Takes,
} from '../engine/statement.ts'
import { optional } from '../engine/values.ts'
import { recordEvent } from '../rows/history.ts'
import { findSubjectByUser } from '../rows/user.ts'
import { rejectedSignIns, subjects } from '../schema.ts'
import type {
  RejectedSignIn,
  RejectedSignInFilter,
  RejectedVisit,
  Searched,
  SignInFrom,
  User,
} from '../types.ts'

/**
 * Rejected sign-ins, one row a visit to Microsoft, of which the latest are kept: for each user, for
 * each tenant, in all, and of visits in which Microsoft identified no user of a registered tenant.
 */
export const MOST_REJECTED = { user: 100, tenant: 10_000, unproved: 10_000, all: 1_000_000 }

/** The `tid` of rows without a user. */
const UNPROVED = ''

const t = rejectedSignIns
type Row = {
  reference: string
  at: number
  tid: string
  oid: string | undefined
  username: string | undefined
  clientId: string | undefined
  reason: string
  code: number | undefined
}

const VISITS = 7_404
/** One act at a time numbers the rows, so that the bounds are exact. */
const lockVisits = lockByName(VISITS, 'alone')
const dropUnproved = command(
  (p: Takes<{ reference: string }>) =>
    sql`DELETE FROM ${t} WHERE ${t.reference} = ${p.reference} AND ${t.tid} = ''`,
)
const columns = [
  t.reference,
  t.at,
  t.tid,
  t.number,
  t.oid,
  t.username,
  t.clientId,
  t.reason,
  t.code,
]
const insert = command(
  (p: Takes<Row>) => sql`INSERT INTO ${t} (${names(...columns)}) VALUES (
    ${p.reference}, ${p.at}, ${p.tid},
    coalesce((SELECT ${t.number} FROM ${t} WHERE ${t.tid} = ${p.tid} ORDER BY ${t.number} DESC LIMIT 1), 0) + 1,
    ${p.oid}, ${p.username}, ${p.clientId}, ${p.reason}, ${p.code}) ON CONFLICT (${names(t.reference)}) DO NOTHING`,
)
const dropOfTenant = command(
  (p: Takes<{ tid: string; most: number }>) =>
    sql`DELETE FROM ${t} WHERE ${t.tid} = ${p.tid}
      AND ${t.number} <= (SELECT ${t.number} FROM ${t} WHERE ${t.tid} = ${p.tid} ORDER BY ${t.number} DESC LIMIT 1) - ${p.most}`,
)
const dropOfUser = command(
  (p: Takes<{ tid: string; oid: string; most: number }>) =>
    sql`DELETE FROM ${t} WHERE ${t.tid} = ${p.tid} AND ${t.oid} = ${p.oid} AND ${t.id} <=
      (SELECT ${t.id} FROM ${t} WHERE ${t.tid} = ${p.tid} AND ${t.oid} = ${p.oid} ORDER BY ${t.id} DESC LIMIT 1 OFFSET ${p.most})`,
)
const dropOfAll = command(
  (p: Takes<{ most: number }>) =>
    sql`DELETE FROM ${t} WHERE ${t.id} <= (SELECT ${t.id} FROM ${t} ORDER BY ${t.id} DESC LIMIT 1) - ${p.most}`,
)

/** Records visits in which Microsoft identified no user of a registered tenant. */
export function* recordRejectedVisits(visits: readonly RejectedVisit[]): Act<void> {
  yield* lockVisits.get({ name: '' })
  for (const { reference, at, clientId, reason, code } of visits)
    yield* insert.run({
      reference,
      at,
      clientId,
      reason,
      code,
      tid: UNPROVED,
      oid: undefined,
      username: undefined,
    })
  yield* dropOfTenant.run({ tid: UNPROVED, most: MOST_REJECTED.unproved })
  yield* dropOfAll.run({ most: MOST_REJECTED.all })
}

type Rejected = {
  user: Pick<User, 'tid' | 'oid' | 'username'>
  why: string
  reference: string
  device: string
  from?: SignInFrom | undefined
  now: number
}

/**
 * Records a sign-in that was rejected after Microsoft named its user, of a registered tenant, once
 * for each visit. The user's history gets an entry too, where they have signed in before.
 */
export function* recordRejectedSignIn({
  user: { tid, oid, username },
  why,
  reference,
  device,
  from,
  now,
}: Rejected): Act<void> {
  yield* lockVisits.get({ name: '' })
  // An error that the browser brought from Microsoft does not end its visit.
  yield* dropUnproved.run({ reference })
  const added = yield* insert.run({
    reference,
    at: now,
    tid,
    oid,
    username,
    clientId: from?.clientId,
    reason: why,
    code: undefined,
  })
  if (added === 0) return
  yield* dropOfUser.run({ tid, oid, most: MOST_REJECTED.user })
  yield* dropOfTenant.run({ tid, most: MOST_REJECTED.tenant })
  yield* dropOfAll.run({ most: MOST_REJECTED.all })
  const subject = yield* findSubjectByUser(tid, oid)
  if (subject === undefined) return
  yield* recordEvent({ sub: subject.sub, at: now, kind: 'sign_in_rejected', why, device, ...from })
}

const forget = command(
  (p: Takes<{ sub: string }>) =>
    sql`DELETE FROM ${t} WHERE (${t.tid}, ${t.oid}) IN
      (SELECT ${subjects.tid}, ${subjects.oid} FROM ${subjects} WHERE ${subjects.sub} = ${p.sub}) AND ${t.oid} IS NOT NULL`,
)
/** Deletes a user's rejected sign-ins. Their number is bounded. */
export const forgetRejectedSignIns = (sub: string): Act<number> => forget.run({ sub })

const fields = {
  ...columnsOf(t, 'id', 'reference', 'at', 'tid', 'oid', 'username', 'clientId', 'reason', 'code'),
  sub: sql<string | null>`${subjects.sub}`,
  name: sql<string | null>`${subjects.name}`,
}
const joined = sql`${t} LEFT JOIN ${subjects} ON ${subjects.tid} = ${t.tid} AND ${subjects.oid} = ${t.oid}`

const rejectedOf = (row: RowOf<typeof fields>): RejectedSignIn => ({
  id: row.id,
  reference: row.reference,
  at: row.at,
  reason: row.reason,
  clientId: optional(row.clientId),
  code: optional(row.code),
  ...(row.oid !== null && {
    user: {
      tid: row.tid,
      oid: row.oid,
      sub: optional(row.sub),
      name: optional(row.name),
      username: optional(row.username),
    },
  }),
})

const byReference = query(
  fields,
  (p: Takes<{ reference: string }>, f) =>
    sql`SELECT ${f} FROM ${joined} WHERE ${t.reference} = ${withoutReprepare(p.reference)}`,
)
/** Returns the rejected sign-in with a reference, while it is kept. */
export function* findRejectedSignIn(reference: string): Act<RejectedSignIn | undefined> {
  const row = yield* byReference.get({ reference })
  return row && rejectedOf(row)
}

type Wanted = {
  tid: string | null
  oid: string | null
  who: string | null
  clientId: string | null
  reason: string | null
  since: number
  until: number
  before: number
  after: number
  limit: number
}
const wanted = (p: Takes<Wanted>): SQL =>
  sql`${t.id} > ${p.after} AND ${t.id} < ${p.before} AND ${t.at} >= ${p.since} AND ${t.at} < ${p.until}
    AND ${orAny(t.reason, p.reason)} AND ${orAny(t.clientId, p.clientId)}
    AND (CAST(${p.who} AS text) IS NULL OR ${has(sql`lower(coalesce(${t.username}, '') || ' ' || coalesce(${t.oid}, ''))`, p.who)})`
const ofUser = query(
  fields,
  (p: Takes<Wanted>, f) =>
    sql`SELECT ${f} FROM ${joined} WHERE ${t.tid} = ${p.tid} AND ${t.oid} = ${p.oid} AND ${wanted(p)} ORDER BY ${t.id} DESC LIMIT ${p.limit}`,
)
const ofTenant = query(
  fields,
  (p: Takes<Wanted>, f) =>
    sql`SELECT ${f} FROM ${joined} WHERE ${t.tid} = ${p.tid} AND ${wanted(p)} ORDER BY ${t.number} DESC LIMIT ${p.limit}`,
)
const ofAll = query(
  fields,
  (p: Takes<Wanted>, f) =>
    sql`SELECT ${f} FROM ${joined} WHERE ${wanted(p)} ORDER BY ${t.id} DESC LIMIT ${p.limit}`,
)
const counted = query(
  { ...columnsOf(t, 'reason'), count: sql<number>`count(*)` },
  (p: Takes<Wanted>, f) => sql`SELECT ${f} FROM ${t} WHERE ${wanted(p)} GROUP BY ${t.reason}`,
)
const countedOfTenant = query(
  { ...columnsOf(t, 'reason'), count: sql<number>`count(*)` },
  (p: Takes<Wanted>, f) =>
    sql`SELECT ${f} FROM ${t} WHERE ${t.tid} = ${p.tid} AND ${wanted(p)} AND ${orAny(t.oid, p.oid)} GROUP BY ${t.reason}`,
)
/** The rows of a tenant that a look at the latest ones reads. */
const MOST_LATELY = sql.raw('2000')
const lately = query(
  { ...columnsOf(t, 'reason', 'oid'), count: sql<number>`count(*)` },
  (p: Takes<{ tid: string; since: number; until: number }>, f) =>
    sql`SELECT ${f} FROM (SELECT * FROM ${t} WHERE ${t.tid} = ${p.tid} ORDER BY ${t.number} DESC LIMIT ${MOST_LATELY}) AS ${t}
      WHERE ${t.at} >= ${p.since} AND ${t.at} < ${p.until} AND ${t.reason} NOT IN ('user_locked', 'tenant_locked', 'client_locked')
      GROUP BY ${t.reason}, ${t.oid}`,
)
/** Counts a tenant's latest rejected sign-ins by reason and user, without those of a lock. */
export const rejectedLately = (asked: {
  tid: string
  since: number
  until: number
}): Act<{ reason: string; oid: string | null; count: number }[]> => lately.all(asked)

const newestBefore = query(
  columnsOf(t, 'id', 'at'),
  (p: Takes<{ before: number }>, f) =>
    sql`SELECT ${f} FROM ${t} WHERE ${t.id} < ${p.before} ORDER BY ${t.id} DESC LIMIT 1`,
)

type Asked = RejectedSignInFilter & { before?: number | undefined; limit: number }
const wantedOf = ({ before = Number.MAX_SAFE_INTEGER, limit, ...filter }: Asked): Wanted => ({
  tid: filter.tid ?? null,
  oid: filter.oid ?? null,
  clientId: filter.clientId ?? null,
  reason: filter.reason ?? null,
  who: filter.who?.toLowerCase() ?? null,
  since: filter.since ?? 0,
  until: filter.until ?? Number.MAX_SAFE_INTEGER,
  before,
  after: 0,
  limit,
})

type Place = Pick<RejectedSignIn, 'id' | 'at'>

/** Returns what a statement finds in one window of ids before a place. */
function* windowOf<T>(
  statement: Statement<Wanted, T>,
  asked: Wanted,
  { id: before }: Place,
): Act<Window<T, Place>> {
  const after = ((yield* newestBefore.get({ before }))?.id ?? 0) - WINDOW
  const found = yield* statement.all({ ...asked, before, after })
  const next = yield* newestBefore.get({ before: after + 1 })
  const isOlder = next !== undefined && next.at >= asked.since - CLOCK_BACK_SECONDS
  return { found, reached: isOlder ? { ...next, id: after + 1 } : undefined, entries: WINDOW }
}

/**
 * Lists rejected sign-ins, newest first, from before the id `before`. Without a tenant it looks at
 * about `most` rows, and returns how far it came where that was not enough.
 */
export async function listRejectedSignIns(
  { read }: Pick<Engine, 'read'>,
  { most, ...asked }: Asked & { most: number },
): Promise<Searched<RejectedSignIn, Place>> {
  const rows = wantedOf(asked)
  if (rows.tid !== null) {
    const list = rows.oid === null ? ofTenant : ofUser
    return { found: (await read(() => list.all(rows))).map(rejectedOf), searchedTo: undefined }
  }
  const bounds = { limit: asked.limit, most }
  const { found, searchedTo } = await searchBack(
    { id: rows.before, at: 0 },
    bounds,
    (from, limit) => read(() => windowOf(ofAll, { ...rows, limit }, from)),
  )
  return { found: found.map(rejectedOf), searchedTo }
}

/**
 * Counts rejected sign-ins by their reason, most first. Without a tenant it counts among the newest
 * rows, about `most`.
 */
export async function rejectedByReason(
  { read }: Pick<Engine, 'read'>,
  { most, ...filter }: RejectedSignInFilter & { most: number },
): Promise<{ reason: string; count: number }[]> {
  const rows = wantedOf({ ...filter, limit: 0 })
  const bounds = { limit: Infinity, most }
  const all =
    rows.tid === null
      ? (
          await searchBack({ id: rows.before, at: 0 }, bounds, (from) =>
            read(() => windowOf(counted, rows, from)),
          )
        ).found
      : await read(() => countedOfTenant.all(rows))
  const counts = new Map<string, number>()
  for (const { reason, count } of all) counts.set(reason, (counts.get(reason) ?? 0) + count)
  return [...counts]
    .map(([reason, count]) => ({ reason, count }))
    .toSorted((a, b) => b.count - a.count || (a.reason < b.reason ? -1 : 1))
}
