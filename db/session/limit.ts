import { sql } from 'drizzle-orm'
import type { Act } from '../engine/act.ts'
import { forUpdate, withoutReprepare } from '../engine/dialect.ts'
import { query } from '../engine/statement.ts'
import type { Takes } from '../engine/statement.ts'
import { lockHead } from '../log/head.ts'
import { revoke } from '../revocation/revoke.ts'
import { covers, grantCutoff } from '../rows/covers.ts'
import {
  isLive,
  joinUser,
  sessionBySid,
  sessionFields,
  sessionsAndUsers,
  validSession,
} from '../rows/session.ts'
import type { SessionRow } from '../rows/session.ts'
import { lockSubject } from '../rows/user.ts'
import { participants, sessions } from '../schema.ts'
import type { Committed, Session, SessionLimit } from '../types.ts'

/**
 * How many sessions a user may have at once, and in how many of them a client may take part. Both
 * are counted while the subject's row is locked: of two sign-ins at once, the second sees the
 * first. It refuses to end a session that the user did not choose, where they are to be asked.
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
// A client that took part by token exchange alone has no sign-in of its own.
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

/** By how many sessions one more would be too many. */
const excess = (live: readonly unknown[], { most }: SessionLimit): number =>
  Math.max(0, live.length + 1 - most)

/** Before the head of the log is shared: where sessions may have to end, it is taken first. */
export function* mayHaveToEnd(
  sub: string,
  limit: SessionLimit | undefined,
  now: number,
): Act<boolean> {
  return limit !== undefined && excess(yield* liveOf(sub, now), limit) > 0
}

type Room =
  | { room: true; committed: Committed[] }
  /** The user has to choose so many of these, or does not sign in. */
  | { room: false; choose: number; among: Session[] }

/**
 * Once the head of the log is held. Ends the sessions beyond the limit that a new one would exceed.
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
  // What the user chose does not end where the limit is not reached by now.
  for (const { sid } of over === 0 ? [] : ended)
    committed.push(yield* end({ kind: 'session', sid }, sub, now))
  return { room: true, committed }
}

type Narrow = { kind: 'session'; sid: string } | { kind: 'grant'; sid: string; clientId: string }
const end = (selector: Narrow, sub: string, now: number): Act<Committed> =>
  revoke({ selector, reason: 'session_limit', actor: { kind: 'user', id: sub }, now })

/** Before the session is locked, as every act that revokes. */
export function* lockForClient(sid: string): Act<void> {
  const row = yield* sessionBySid(sid)
  if (row !== undefined) yield* lockSubject(row.sub)
  yield* lockHead()
}

/**
 * A client takes part in one more session of a user, once `lockForClient` is held: its oldest
 * grants end, where they are too many.
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
