import { sql } from 'drizzle-orm'
import type { Actor, Reason } from '../../src/protocol/revocation.ts'
import { type Act, newId } from '../engine/act.ts'
import {
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
  ...columnsOf(securityEvents, 'actorKind', 'actorId', 'seq'),
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

const latestReports = query(
  fields,
  (p: Takes<{ since: number; limit: number }>, f) =>
    sql`SELECT ${f} FROM ${securityEvents} WHERE ${securityEvents.kind} = 'reported' AND ${securityEvents.at} > ${p.since}
      ORDER BY ${securityEvents.at} DESC LIMIT ${p.limit}`,
)

/** The reports of all tenants that a search for those of one reads. */
const MOST_REPORTS = sql.raw('2000')
const latestOfTenant = query(
  fields,
  (p: Takes<{ tid: string; since: number; limit: number }>, f) =>
    sql`SELECT ${f} FROM (SELECT * FROM ${securityEvents} WHERE ${securityEvents.kind} = 'reported' AND ${securityEvents.at} > ${p.since}
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

/** Returns what users, or those of one tenant, have reported after `since`, newest first. */
export function* userReports({
  tid,
  ...asked
}: {
  tid?: string | undefined
  since: number
  limit: number
}): Act<SecurityEvent[]> {
  const found = tid === undefined ? latestReports.all(asked) : latestOfTenant.all({ ...asked, tid })
  return (yield* found).map(eventOf)
}

/** Returns the address of a session's latest sign-in, while the history has it. */
export function* signInAddress({
  sub,
  sid,
}: Pick<Session, 'sub' | 'sid'>): Act<string | undefined> {
  return (yield* signInOf.get({ sub, sid }))?.address ?? undefined
}
