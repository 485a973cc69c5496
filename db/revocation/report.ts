import { sql } from 'drizzle-orm'
import type { Act, Ambient } from '../engine/act.ts'
import { query } from '../engine/statement.ts'
import type { Takes } from '../engine/statement.ts'
import { optional } from '../engine/values.ts'
import { askMicrosoft } from '../microsoft/work.ts'
import { securityEvents } from '../schema.ts'
import { recordEvent } from '../session/history.ts'
import { isLive, isRevoked, sessionBySid } from '../session/row.ts'
import { findSubject } from '../session/user.ts'
import type { RevocationActs } from '../store.ts'
import type { Committed } from '../types.ts'
import { emit } from '../webhook/emit.ts'
import { append, lockHead } from './log.ts'

/** "This wasn't me": ends what the user does not recognize. It refuses another user's session. */

const sidOfEvent = query(
  { sid: sql<string | null>`${securityEvents.sid}` },
  (p: Takes<{ sub: string; at: number; id: string }>, f) =>
    sql`SELECT ${f} FROM ${securityEvents} WHERE ${securityEvents.sub} = ${p.sub} AND ${securityEvents.at} = ${p.at} AND ${securityEvents.id} = ${p.id}`,
)

type Input = Parameters<RevocationActs['reportByUser']>[0]
type Outcome = Awaited<ReturnType<RevocationActs['reportByUser']>>

/** The session that is meant; `none` where the entry tells of a sign-in that was rejected. */
function* reportedSid({ sub, what }: Input): Act<string | 'none' | undefined> {
  if ('sid' in what) return what.sid
  const found = yield* sidOfEvent.get({ sub, ...what.event })
  return found === undefined ? undefined : (found.sid ?? 'none')
}

interface Reported {
  sid: string | 'none'
  /** The acting session: its user has just entered the password. */
  isFresh: boolean
}

const entryOf = (sub: string, now: number) => ({ reason: 'reported_by_user', actor: { kind: 'user', id: sub }, now }) as const

function* endSessions(ambient: Ambient, input: Input, { sid, isFresh }: Reported): Act<Committed[]> {
  const { sub, acting, everywhere, now } = input
  if (isFresh && everywhere) return [yield* append(ambient, { ...entryOf(sub, now), selector: { kind: 'subject', sub } })]
  const named = yield* endOne(ambient, input, sid)
  // An attacker at an open session gains nothing by a report: the session that acts ends too, unless it is fresh. Where nothing else was left to
  // end, it ends as well: a revocation is what raises the floor, so that the attacker's cookie at Microsoft opens no session.
  return isFresh && named.length > 0 ? named : [...named, ...(yield* endOne(ambient, input, acting))]
}

function* endOne(ambient: Ambient, { sub, now }: Input, sid: string): Act<Committed[]> {
  const row = yield* sessionBySid(sid)
  if (row?.sub !== sub || isRevoked(row)) return []
  return [yield* append(ambient, { ...entryOf(sub, now), selector: { kind: 'session', sid } })]
}

export function* reportByUser(ambient: Ambient, input: Input): Act<Outcome> {
  const { sub, acting, freshSince, atMicrosoft, address, now } = input
  yield* lockHead()
  const [row, subject, sid] = [yield* sessionBySid(acting), yield* findSubject(sub), yield* reportedSid(input)]
  if (row?.sub !== sub || !isLive(row, now) || subject === undefined || sid === undefined) return { outcome: 'unknown' }
  const session = sid === 'none' ? undefined : yield* sessionBySid(sid)
  if (session !== undefined && session.sub !== sub) return { outcome: 'unknown' }
  const isFresh = row.authTime > 0 && row.authTime >= freshSince
  const committed = yield* endSessions(ambient, input, { sid, isFresh })
  if (isFresh && atMicrosoft) yield* askMicrosoft([{ kind: 'revoke_sessions', tid: subject.tid, oid: subject.oid }], ambient.nowMs())
  const named = sid === 'none' ? undefined : sid
  yield* recordEvent(ambient, { sub, at: now, kind: 'reported', sid: named, device: session?.device, address })
  const about = { sub, tid: subject.tid, sid: named, seq: committed[0]?.revocation.seq, name: optional(row.name), username: optional(row.username) }
  const pending = yield* emit(ambient, { type: 'user.reported_sign_in', data: { ...about, ip_address: address } })
  const after = yield* sessionBySid(acting)
  return { outcome: 'reported', committed, pending, sid: named, actingEnded: after === undefined || isRevoked(after) }
}
