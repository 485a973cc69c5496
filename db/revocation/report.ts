import { sql } from 'drizzle-orm'
import { type Act, currentMs } from '../engine/act.ts'
import { query, type Takes } from '../engine/statement.ts'
import { optional } from '../engine/values.ts'
import { lockHead } from '../log/head.ts'
import { askMicrosoft } from '../outbox/microsoft-work.ts'
import { recordEvent } from '../rows/history.ts'
import { isLive, isRevoked, sessionBySid } from '../rows/session.ts'
import { findSubject } from '../rows/user.ts'
import { securityEvents } from '../schema.ts'
import type { Committed, DeliveryRef, SecurityEvent } from '../types.ts'
import { emit } from '../webhook/emit.ts'
import { appendRevocation } from './revoke.ts'

/**
 * A user's report of a device or a sign-in: ends what the user does not recognize. A session of
 * another user is `unknown`.
 */

const sidOfEvent = query(
  { sid: sql<string | null>`${securityEvents.sid}` },
  (p: Takes<{ sub: string; at: number; id: string }>, f) =>
    sql`SELECT ${f} FROM ${securityEvents} WHERE ${securityEvents.sub} = ${p.sub} AND ${securityEvents.at} = ${p.at} AND ${securityEvents.id} = ${p.id}`,
)

type Input = {
  sub: string
  acting: string
  what: { sid: string } | { event: Pick<SecurityEvent, 'at' | 'id'> }
  everywhere: boolean
  atMicrosoft: boolean
  freshSince: number
  /**
   * The IP address of the browser that reports, for the history and the webhooks that may have it.
   */
  address?: string | undefined
  now: number
}
type Outcome =
  | {
      outcome: 'reported'
      committed: Committed[]
      pending: DeliveryRef[]
      sid: string | undefined
      actingEnded: boolean
    }
  | { outcome: 'unknown' }

/**
 * Returns the sid of the reported session; null for an entry of a rejected sign-in. Undefined:
 * there is no such entry.
 */
function* reportedSid({ sub, what }: Input): Act<{ sid: string | null } | undefined> {
  return 'sid' in what ? what : yield* sidOfEvent.get({ sub, ...what.event })
}

interface Reported {
  sid: string | undefined
  /** True if the user of the acting session has just entered the password. */
  isFresh: boolean
}

const entryOf = (sub: string, now: number) =>
  ({ reason: 'reported_by_user', actor: { kind: 'user', id: sub }, now }) as const

function* endSessions(input: Input, { sid, isFresh }: Reported): Act<Committed[]> {
  const { sub, acting, everywhere, now } = input
  if (isFresh && everywhere)
    return [yield* appendRevocation({ ...entryOf(sub, now), selector: { kind: 'subject', sub } })]
  const named = yield* endOne(input, sid)
  // An attacker at an open session gains nothing by a report: the acting session ends too, unless
  // it is fresh. If no other session ended, it ends as well, because only a revocation raises the
  // floor that keeps the attacker's Microsoft cookie from opening a session.
  return isFresh && named.length > 0 ? named : [...named, ...(yield* endOne(input, acting))]
}

function* endOne({ sub, now }: Input, sid: string | undefined): Act<Committed[]> {
  const row = sid === undefined ? undefined : yield* sessionBySid(sid)
  if (sid === undefined || row?.sub !== sub || isRevoked(row)) return []
  return [yield* appendRevocation({ ...entryOf(sub, now), selector: { kind: 'session', sid } })]
}

/**
 * Reports one of a user's sessions, or an entry of their history, as not theirs. In one transaction
 * that session ends, the history gets the report, and webhooks are written. The acting session ends
 * too, unless it is fresh (authenticated at or after `freshSince`) and the report has ended another
 * session. Only a fresh acting session ends all sessions (`everywhere`) and has the user signed out
 * at Microsoft (`atMicrosoft`). `unknown`: the reported session is not the user's, or the acting
 * session has ended.
 */
export function* reportByUser(input: Input): Act<Outcome> {
  const { sub, acting, what, freshSince, atMicrosoft, address, now } = input
  yield* lockHead()
  const [row, subject, found] = [
    yield* sessionBySid(acting),
    yield* findSubject(sub),
    yield* reportedSid(input),
  ]
  if (row?.sub !== sub || !isLive(row, now) || subject === undefined || found === undefined)
    return { outcome: 'unknown' }
  const sid = optional(found.sid)
  const session = sid === undefined ? undefined : yield* sessionBySid(sid)
  // Retention may have deleted the session of an entry.
  if (session === undefined ? 'sid' in what : session.sub !== sub) return { outcome: 'unknown' }
  const isFresh = row.authTime > 0 && row.authTime >= freshSince
  const committed = yield* endSessions(input, { sid, isFresh })
  if (isFresh && atMicrosoft)
    yield* askMicrosoft(
      [{ kind: 'revoke_reported', tid: subject.tid, oid: subject.oid }],
      yield* currentMs(),
    )
  const seq = committed[0]?.revocation.seq
  const device = session?.device
  yield* recordEvent({ sub, at: now, kind: 'reported', sid, device, address, seq })
  const about = {
    sub,
    tid: subject.tid,
    sid,
    seq,
    name: optional(row.name),
    username: optional(row.username),
  }
  const pending = yield* emit({
    type: 'user.reported_sign_in',
    data: { ...about, ip_address: address },
  })
  const after = yield* sessionBySid(acting)
  return {
    outcome: 'reported',
    committed,
    pending,
    sid,
    actingEnded: after === undefined || isRevoked(after),
  }
}
