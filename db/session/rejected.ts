import { sql, type SQL } from 'drizzle-orm'
import type { Act, Engine } from '../engine/act.ts'
import { withoutReprepare } from '../engine/dialect.ts'
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
      ...{ reference, at, clientId, reason, code },
      ...{ tid: UNPROVED, oid: undefined, username: undefined },
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
    ...{ reference, at: now, tid, oid, username },
    ...{ clientId: from?.clientId, reason: why, code: undefined },
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
  ...{ id: row.id, reference: row.reference, at: row.at, reason: row.reason },
  ...{ clientId: optional(row.clientId), code: optional(row.code) },
  ...(row.oid !== null && {
    user: {
      ...{ tid: row.tid, oid: row.oid, sub: optional(row.sub) },
      ...{ name: optional(row.name), username: optional(row.username) },
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
  clientId: string | null
  reason: string | null
  since: number
  before: number
  after: number
  limit: number
}
const wanted = (p: Takes<Wanted>): SQL =>
  sql`${t.id} > ${p.after} AND ${t.id} < ${p.before} AND ${t.at} >= ${p.since} AND ${orAny(t.reason, p.reason)} AND ${orAny(t.clientId, p.clientId)}`
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
const newestBefore = query(
  columnsOf(t, 'id', 'at'),
  (p: Takes<{ before: number }>, f) =>
    sql`SELECT ${f} FROM ${t} WHERE ${t.id} < ${p.before} ORDER BY ${t.id} DESC LIMIT 1`,
)

/** Returns the rows of one window of ids before a place. */
function* windowOf(
  asked: Wanted,
  before: number,
  room: number,
): Act<Window<RejectedSignIn, number>> {
  const after = ((yield* newestBefore.get({ before }))?.id ?? 0) - WINDOW
  const found = yield* ofAll.all({ ...asked, before, after, limit: room })
  const next = yield* newestBefore.get({ before: after + 1 })
  const older = next !== undefined && next.at >= asked.since - CLOCK_BACK_SECONDS
  return { found: found.map(rejectedOf), reached: older ? after + 1 : undefined, entries: WINDOW }
}

/**
 * Lists rejected sign-ins, newest first, from before the id `before`. Without a tenant it looks at
 * about `most` rows, and returns how far it came where that was not enough.
 */
export async function listRejectedSignIns(
  { read }: Pick<Engine, 'read'>,
  {
    before = Number.MAX_SAFE_INTEGER,
    limit,
    most,
    ...filter
  }: RejectedSignInFilter & { before?: number | undefined; limit: number; most: number },
): Promise<Searched<RejectedSignIn, number>> {
  const asked: Wanted = {
    ...{ tid: filter.tid ?? null, oid: filter.oid ?? null, clientId: filter.clientId ?? null },
    ...{ reason: filter.reason ?? null, since: filter.since ?? 0, before, after: 0, limit },
  }
  if (asked.tid === null)
    return searchBack(before, { limit, most }, (from, room) =>
      read(() => windowOf(asked, from, room)),
    )
  const list = asked.oid === null ? ofTenant : ofUser
  return { found: (await read(() => list.all(asked))).map(rejectedOf), searchedTo: undefined }
}

const counted = query(
  { ...columnsOf(t, 'reason'), count: sql<number>`count(*)` },
  (p: Takes<{ tid: string; since: number }>, f) =>
    sql`SELECT ${f} FROM ${t} WHERE ${t.tid} = ${p.tid} AND ${t.at} >= ${p.since} GROUP BY ${t.reason} ORDER BY 2 DESC, ${t.reason}`,
)
/** Counts the rejected sign-ins of a tenant's users since a time by their reason, most first. */
export function* rejectedByReason(asked: {
  tid: string
  since: number
}): Act<{ reason: string; count: number }[]> {
  return yield* counted.all(asked)
}
