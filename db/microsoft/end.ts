import { sql } from 'drizzle-orm'
import type { Actor, Reason } from '../../src/protocol/revocation.ts'
import type { Act } from '../engine/act.ts'
import { forUpdate, withoutReprepare } from '../engine/dialect.ts'
import { columnsOf, query, type RowOf, type Takes } from '../engine/statement.ts'
import { lockHead } from '../log/head.ts'
import { demandAfterEnd } from '../revocation/requested.ts'
import { appendRevocation } from '../revocation/revoke.ts'
import { voidAuthentications } from '../rows/required-freshness.ts'
import { isLive, sessionFields, sessionsAndUsers, type SessionRow } from '../rows/session.ts'
import { sessions } from '../schema.ts'
import type { Committed } from '../types.ts'

/**
 * Ends sessions for events that Microsoft reports. An event before a session's latest sign-in does
 * not end it.
 */

const fields = { ...sessionFields, ...columnsOf(sessions, 'visitStartedAt', 'visitEndedAt') }
type Row = RowOf<typeof fields>
// Locks the sessions after the head, so that a concurrent sign-in has opened or renewed its session
// before this act compares times of authentication.
const openOf = query(
  fields,
  (p: Takes<{ sub: string }>, f) =>
    sql`SELECT ${f} FROM ${sessionsAndUsers} WHERE ${sessions.sub} = ${withoutReprepare(p.sub)} AND ${sessions.endedSeq} IS NULL
      ORDER BY ${sessions.sid}${forUpdate(sessions)}`,
)
const anyByMicrosoft = query(
  columnsOf(sessions, 'sid'),
  (p: Takes<{ microsoftSid: string }>, f) =>
    sql`SELECT ${f} FROM ${sessions} WHERE ${sessions.microsoftSid} = ${p.microsoftSid} AND ${sessions.endedSeq} IS NULL LIMIT 1`,
)
const byMicrosoft = query(
  sessionFields,
  (p: Takes<{ microsoftSid: string }>, f) =>
    sql`SELECT ${f} FROM ${sessionsAndUsers} WHERE ${sessions.microsoftSid} = ${withoutReprepare(p.microsoftSid)} AND ${sessions.endedSeq} IS NULL
      ORDER BY ${sessions.sid}${forUpdate(sessions)}`,
)

const isConcerned = (row: SessionRow, until: number | undefined): boolean =>
  until === undefined || row.authenticatedAt <= until

/**
 * Returns whether a moment falls into the session's visit to Microsoft. An event during the sign-in
 * itself, such as a password change that Microsoft demanded, does not end the session.
 */
const spans = (
  { visitStartedAt: from, visitEndedAt: to }: Row,
  moment: number | undefined,
): boolean => moment !== undefined && from <= moment && moment <= to

interface Why {
  reason: Reason
  actor: Actor
  now: number
}

function* endEach(rows: SessionRow[], { reason, actor, now }: Why): Act<Committed[]> {
  const committed: Committed[] = []
  for (const { sid } of rows)
    committed.push(
      yield* appendRevocation({ selector: { kind: 'session', sid }, reason, actor, now }),
    )
  return committed
}

interface Authenticated extends Why {
  sub: string
  sid?: string | undefined
  until?: number | undefined
  /** A moment. Sessions whose visit to Microsoft it falls into are kept. */
  sparing?: number | undefined
  /** The sid of a session that ends whatever the times, because the report was about it. */
  surely?: string
}

/**
 * Ends a user's live sessions that were authenticated at or before `until` (undefined: all), or one
 * of them where `sid` is given. Where that is all of them, the user is revoked. A session without a
 * time of authentication counts from its opening. Where none ends, a sign-in that was authenticated
 * by then and is still under way opens none either.
 */
export function* endAuthenticated(input: Authenticated): Act<Committed[]> {
  const { sub, sid, until, sparing, surely, reason, actor, now } = input
  yield* lockHead()
  const live = (yield* openOf.all({ sub })).filter((row) => isLive(row, now))
  const meant = live.filter(
    (row) =>
      (sid === undefined || row.sid === sid) &&
      (row.sid === surely || (isConcerned(row, until) && !spans(row, sparing))),
  )
  if (meant.length === 0) {
    const times = { until: until ?? now, now }
    if (sid !== undefined) yield* demandAfterEnd({ sid, reason }, times)
    // A password that was changed during a sign-in does not void that sign-in.
    else if (sparing === undefined) yield* voidAuthentications({ sub, reason }, times)
    return []
  }
  if (meant.length === live.length && sid === undefined)
    return [yield* appendRevocation({ selector: { kind: 'subject', sub }, reason, actor, now })]
  return yield* endEach(meant, input)
}

/**
 * Ends every live session that Entra's own `sid` names and that was authenticated at or before
 * `until` (undefined: all). Where no tenant is named and sessions of several tenants have that
 * `sid`, none ends. The head is locked only where some session has the `sid`: any browser may send
 * one, and the lock would delay every revocation.
 */
export function* endMicrosoftSession(
  input: Why & { microsoftSid: string; tid?: string | undefined; until?: number | undefined },
): Act<Committed[]> {
  const { microsoftSid, tid, until, now } = input
  if ((yield* anyByMicrosoft.get({ microsoftSid })) === undefined) return []
  yield* lockHead()
  const named = yield* byMicrosoft.all({ microsoftSid })
  const meant = named.filter(
    (row) => isLive(row, now) && (tid === undefined || row.tid === tid) && isConcerned(row, until),
  )
  return new Set(meant.map((row) => row.tid)).size > 1 ? [] : yield* endEach(meant, input)
}
