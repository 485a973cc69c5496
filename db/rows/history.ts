import { sql, type SQL } from 'drizzle-orm'
import type { Actor, Reason } from '../../src/protocol/revocation.ts'
import { type Act, newId } from '../engine/act.ts'
import {
  assign,
  columnsOf,
  command,
  insertInto,
  keysOf,
  names,
  pick,
  query,
  type RowOf,
  type Takes,
} from '../engine/statement.ts'
import { optionals } from '../engine/values.ts'
import { securityEvents, sessions, subjects } from '../schema.ts'
import type { SecurityEvent, Session } from '../types.ts'

/**
 * The security histories of users. Each entry is written in the transaction of the act that it
 * records.
 */

const fields = {
  ...columnsOf(
    securityEvents,
    'sub',
    'at',
    'id',
    'kind',
    'sid',
    'device',
    'address',
    'clientId',
    'why',
  ),
  ...columnsOf(securityEvents, 'actorKind', 'actorId', 'seq', 'doneAt'),
}
type Row = RowOf<typeof fields>
type Values = Omit<SecurityEvent, 'actor'> & {
  actorKind: Actor['kind'] | undefined
  actorId: string | undefined
}

const insert = command((p: Takes<Values>) => insertInto(securityEvents, pick(p, ...keysOf(fields))))

type End = {
  id: string
  sid: string
  clientId: string | undefined
  seq: number
  at: number
  reason: string
  actorKind: string
  actorId: string
}
// Takes the user and the device from the session's own row.
const insertEnd = command(
  (p: Takes<End>) => sql`INSERT INTO ${securityEvents}
    (${names(securityEvents.sub, securityEvents.at, securityEvents.id, securityEvents.kind, securityEvents.sid, securityEvents.device)},
      ${names(securityEvents.clientId, securityEvents.why, securityEvents.actorKind, securityEvents.actorId, securityEvents.seq)})
    SELECT ${sessions.sub}, CAST(${p.at} AS bigint), CAST(${p.id} AS text), 'ended', ${sessions.sid}, ${sessions.device},
      CAST(${p.clientId} AS text), CAST(${p.reason} AS text), CAST(${p.actorKind} AS text), CAST(${p.actorId} AS text), CAST(${p.seq} AS bigint)
    FROM ${sessions} WHERE ${sessions.sid} = ${p.sid}`,
)
const newest = query(
  fields,
  (p: Takes<{ sub: string; at: number; id: string; limit: number }>, f) =>
    sql`SELECT ${f} FROM ${securityEvents} WHERE ${securityEvents.sub} = ${p.sub} AND (${securityEvents.at}, ${securityEvents.id}) < (${p.at}, ${p.id})
      ORDER BY ${securityEvents.at} DESC, ${securityEvents.id} DESC LIMIT ${p.limit}`,
)

type Reports = { since: number; done: number; limit: number }
/** The reports since a time that were marked as acted on, or those that were not. */
const isReport = (p: Takes<Reports>): SQL =>
  sql`${securityEvents.kind} = 'reported' AND ${securityEvents.at} > ${p.since} AND CASE WHEN ${securityEvents.doneAt} IS NULL THEN 0 ELSE 1 END = ${p.done}`
const latestReports = query(
  fields,
  (p: Takes<Reports>, f) =>
    sql`SELECT ${f} FROM ${securityEvents} WHERE ${isReport(p)}
      ORDER BY ${securityEvents.at} DESC LIMIT ${p.limit}`,
)

/** The reports of all tenants that a search for those of one reads. */
const MOST_REPORTS = sql.raw('2000')
const latestOfTenant = query(
  fields,
  (p: Takes<Reports & { tid: string }>, f) =>
    sql`SELECT ${f} FROM (SELECT * FROM ${securityEvents} WHERE ${isReport(p)}
      ORDER BY ${securityEvents.at} DESC LIMIT ${MOST_REPORTS}) AS ${securityEvents}
      WHERE EXISTS (SELECT 1 FROM ${subjects} WHERE ${subjects.sub} = ${securityEvents.sub} AND ${subjects.tid} = ${p.tid})
      ORDER BY ${securityEvents.at} DESC LIMIT ${p.limit}`,
)

const signInOf = query(
  columnsOf(securityEvents, 'address'),
  (p: Takes<{ sub: string; sid: string }>, f) =>
    sql`SELECT ${f} FROM ${securityEvents} WHERE ${securityEvents.sub} = ${p.sub} AND ${securityEvents.sid} = ${p.sid}
      AND ${securityEvents.kind} IN ('signed_in', 'renewed') ORDER BY ${securityEvents.at} DESC, ${securityEvents.id} DESC LIMIT 1`,
)

const eventKey = [securityEvents.sub, securityEvents.at, securityEvents.id]
const eventKeys = sql.join(eventKey, sql`, `)
const forget = command(
  (p: Takes<{ sub: string; to: number; limit: number }>) =>
    sql`DELETE FROM ${securityEvents} WHERE (${eventKeys}) IN (SELECT ${eventKeys} FROM ${securityEvents}
      WHERE ${securityEvents.sub} = ${p.sub} AND ${securityEvents.at} <= ${p.to} ORDER BY ${securityEvents.at}, ${securityEvents.id} LIMIT ${p.limit})`,
)

/**
 * Deletes the entries of a user's history up to a time.
 * @returns how many entries it deleted: `limit` where there may be more
 */
export const forgetHistory = (range: { sub: string; to: number; limit: number }): Act<number> =>
  forget.run(range)

/** A new entry other than the end of a session, which `recordEnd` writes. */
type NewSecurityEvent = Omit<SecurityEvent, 'id'>

export function* recordEvent({ actor, ...event }: NewSecurityEvent): Act<void> {
  yield* insert.run({
    ...event,
    id: yield* newId(),
    actorKind: actor?.kind,
    actorId: actor?.id,
  })
}

interface Ended {
  sid: string
  /** Set where only the grant of this client has ended. */
  clientId?: string | undefined
  seq: number
  at: number
  reason: Reason
  actor: Actor
}

export function* recordEnd({ actor, clientId, ...end }: Ended): Act<void> {
  yield* insertEnd.run({
    ...end,
    clientId,
    id: yield* newId(),
    actorKind: actor.kind,
    actorId: actor.id,
  })
}

const eventOf = ({ actorKind, actorId, ...row }: Row): SecurityEvent => ({
  ...optionals(row),
  actor: actorKind === null || actorId === null ? undefined : { kind: actorKind, id: actorId },
})

const FROM_THE_NEWEST = { at: Number.MAX_SAFE_INTEGER, id: '' }

/** Returns a user's security history, newest first, from after the entry `before`. */
export function* securityHistory({
  sub,
  before,
  limit,
}: {
  sub: string
  before?: Pick<SecurityEvent, 'at' | 'id'> | undefined
  limit: number
}): Act<SecurityEvent[]> {
  return (yield* newest.all({ sub, ...(before ?? FROM_THE_NEWEST), limit })).map(eventOf)
}

/**
 * Returns what users, or those of one tenant, have reported after `since`, newest first: what is to
 * be acted on, or what was marked as done.
 */
export function* userReports({
  tid,
  done = false,
  ...bounds
}: {
  tid?: string | undefined
  since: number
  done?: boolean | undefined
  limit: number
}): Act<SecurityEvent[]> {
  const asked = { ...bounds, done: done ? 1 : 0 }
  const found = tid === undefined ? latestReports.all(asked) : latestOfTenant.all({ ...asked, tid })
  return (yield* found).map(eventOf)
}

type ReportKey = Pick<SecurityEvent, 'sub' | 'at' | 'id'>
const reportKey = (p: Takes<ReportKey>): SQL =>
  sql`${securityEvents.sub} = ${p.sub} AND ${securityEvents.at} = ${p.at} AND ${securityEvents.id} = ${p.id} AND ${securityEvents.kind} = 'reported'`
const reportBy = query(
  fields,
  (p: Takes<ReportKey>, f) => sql`SELECT ${f} FROM ${securityEvents} WHERE ${reportKey(p)}`,
)
const markDone = command(
  (p: Takes<ReportKey & { doneAt: number; actorKind: string; actorId: string }>) =>
    sql`UPDATE ${securityEvents} SET ${assign(securityEvents, pick(p, 'doneAt', 'actorKind', 'actorId'))}
      WHERE ${reportKey(p)} AND ${securityEvents.doneAt} IS NULL`,
)

/** Marks a user's report as acted on, by the first who does so. */
export function* markReportDone({
  actor,
  now,
  ...key
}: ReportKey & { actor: Actor; now: number }): Act<
  { outcome: 'done' | 'already'; report: SecurityEvent } | { outcome: 'unknown' }
> {
  const { kind: actorKind, id: actorId } = actor
  const marked = yield* markDone.run({ ...key, doneAt: now, actorKind, actorId })
  const row = yield* reportBy.get(key)
  if (row === undefined) return { outcome: 'unknown' }
  return { outcome: marked === 1 ? 'done' : 'already', report: eventOf(row) }
}

/** Returns the address of a session's latest sign-in, while the history has it. */
export function* signInAddress({
  sub,
  sid,
}: Pick<Session, 'sub' | 'sid'>): Act<string | undefined> {
  return (yield* signInOf.get({ sub, sid }))?.address ?? undefined
}
