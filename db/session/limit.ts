import { sql } from 'drizzle-orm'
import type { Act } from '../engine/act.ts'
import { forUpdate, withoutReprepare } from '../engine/dialect.ts'
import { query, type Takes } from '../engine/statement.ts'
import { lockHead } from '../log/head.ts'
import { appendRevocation } from '../revocation/revoke.ts'
import { covers, grantCutoff } from '../rows/covers.ts'
import {
  isLive,
  joinUser,
  sessionBySid,
  sessionFields,
  sessionsAndUsers,
  validSession,
  type SessionRow,
} from '../rows/session.ts'
import { lockSubject } from '../rows/user.ts'
import { participants, sessions } from '../schema.ts'
import type { Committed, Session, SessionLimit } from '../types.ts'

/**
 * The limits on a user's sessions, and on those in which one client takes part. Both are counted
 * while the subject's row is locked, so that of two concurrent sign-ins the second sees the first.
 * Where the user has to be asked, only sessions that they chose are ended.
 */

const oldestFirst = sql`ORDER BY ${sessions.openedAt}, ${sessions.sid}`
const openOf = query(
  sessionFields,
  (p: Takes<{ sub: string }>, f) =>
    sql`SELECT ${f} FROM ${sessionsAndUsers} WHERE ${sessions.sub} = ${withoutReprepare(p.sub)} AND ${sessions.endedSeq} IS NULL ${oldestFirst}`,
)
const grantFields = {
  ...sessionFields,
  joinedSeq: participants.joinedSeq,
  grantCutoff: grantCutoff(sessions.sid, sql`${sql.placeholder('clientId')}`),
}
// Participations with a sign-in of their own. A client that took part by token exchange alone has
// none.
const grantsOf = query(
  grantFields,
  (p: Takes<{ sub: string; sid: string; clientId: string }>, f) =>
    sql`SELECT ${f} FROM ${sessions} ${joinUser} JOIN ${participants} ON ${participants.sid} = ${sessions.sid} AND ${participants.clientId} = ${withoutReprepare(p.clientId)}
      WHERE ${sessions.sub} = ${withoutReprepare(p.sub)} AND ${sessions.endedSeq} IS NULL AND ${sessions.sid} <> ${withoutReprepare(p.sid)} AND ${participants.signedInAt} IS NOT NULL
      ORDER BY ${participants.signedInAt}, ${sessions.sid}${forUpdate(sessions)}`,
)

const liveOf = function* (sub: string, now: number): Act<SessionRow[]> {
  return (yield* openOf.all({ sub })).filter((row) => isLive(row, now))
}

/** Returns how many sessions have to end before one more may open. */
const excess = (live: readonly unknown[], { most }: SessionLimit): number =>
  Math.max(0, live.length + 1 - most)

/**
 * Returns whether sessions have to end before one opens. The caller then locks the head of the log,
 * before it would share it.
 */
export function* mayHaveToEnd(
  sub: string,
  limit: SessionLimit | undefined,
  now: number,
): Act<boolean> {
  return limit !== undefined && excess(yield* liveOf(sub, now), limit) > 0
}

type Room =
  | { room: true; committed: Committed[] }
  /** The user has to choose `choose` of these sessions, or is not signed in. */
  | { room: false; choose: number; among: Session[] }

/**
 * Ends the sessions beyond the limit that a new one would exceed. The caller holds the head of the
 * log.
 */
export function* makeRoom(sub: string, limit: SessionLimit | undefined, now: number): Act<Room> {
  if (limit === undefined) return { room: true, committed: [] }
  const live = yield* liveOf(sub, now)
  const over = excess(live, limit)
  const ended =
    limit.whenFull === 'ask'
      ? live.filter(({ sid }) => limit.end?.includes(sid))
      : live.slice(0, over)
  if (ended.length < over) return { room: false, choose: over, among: live.map(validSession) }
  const committed: Committed[] = []
  // The sessions that the user chose are kept where the limit is no longer reached.
  for (const { sid } of over === 0 ? [] : ended)
    committed.push(yield* end({ kind: 'session', sid }, sub, now))
  return { room: true, committed }
}

type Narrow = { kind: 'session'; sid: string } | { kind: 'grant'; sid: string; clientId: string }
const end = (selector: Narrow, sub: string, now: number): Act<Committed> =>
  appendRevocation({ selector, reason: 'session_limit', actor: { kind: 'user', id: sub }, now })

/**
 * Locks the user and the head of the log. It must run before the session is locked, in the order of
 * every act that revokes.
 */
export function* lockForClient(sid: string): Act<void> {
  const row = yield* sessionBySid(sid)
  if (row !== undefined) yield* lockSubject(row.sub)
  yield* lockHead()
}

/**
 * Ends a client's oldest grants in a user's sessions, where one more would exceed the limit. The
 * caller holds `lockForClient`.
 */
export function* makeRoomAtClient({
  sid,
  sub,
  clientId,
  most,
  now,
}: {
  sid: string
  sub: string
  clientId: string
  most: number
  now: number
}): Act<void> {
  const grants = (yield* grantsOf.all({ sub, sid, clientId })).filter(
    (row) => isLive(row, now) && !covers(row.grantCutoff, row.joinedSeq),
  )
  for (const row of grants.slice(0, Math.max(0, grants.length + 1 - most)))
    yield* end({ kind: 'grant', sid: row.sid, clientId }, sub, now)
}
