import { sql } from 'drizzle-orm'
import {
  RAISES_FLOOR,
  type Actor,
  type Reason,
  type Selector,
} from '../../src/protocol/revocation.ts'
import { type Act, currentMs } from '../engine/act.ts'
import { columnsOf, query, type Takes } from '../engine/statement.ts'
import { lockHead } from '../log/head.ts'
import { askMicrosoft } from '../outbox/microsoft-work.ts'
import { dropCodes } from '../rows/code.ts'
import { covers, rowGrantCutoff } from '../rows/covers.ts'
import { voidAuthentications } from '../rows/required-freshness.ts'
import { isRevoked, sessionBySid, sessionOf } from '../rows/session.ts'
import { findSubject } from '../rows/user.ts'
import { clients, participants } from '../schema.ts'
import type { Committed, RevokeInput } from '../types.ts'
import { appendRevocation } from './revoke.ts'

/**
 * Revokes on request of an operator, a user or a client. A request that can cover nothing is not
 * appended.
 */

const participant = query(
  { cutoff: rowGrantCutoff },
  (p: Takes<{ sid: string; clientId: string }>, f) =>
    sql`SELECT ${f} FROM ${participants} WHERE ${participants.sid} = ${p.sid} AND ${participants.clientId} = ${p.clientId}`,
)
const client = query(
  columnsOf(clients, 'clientId'),
  (p: Takes<{ clientId: string }>, f) =>
    sql`SELECT ${f} FROM ${clients} WHERE ${clients.clientId} = ${p.clientId}`,
)

type Outcome = { outcome: 'revoked'; committed: Committed } | { outcome: 'already' | 'unknown' }

/** Returns why a revocation would have no effect; undefined where it has one. */
function* ineffective({
  selector,
  presentedSeq,
}: RevokeInput): Act<'already' | 'unknown' | undefined> {
  if (selector.kind === 'subject')
    return (yield* findSubject(selector.sub)) === undefined ? 'unknown' : undefined
  if (selector.kind === 'client')
    return (yield* client.get(selector)) === undefined ? 'unknown' : undefined
  if (selector.kind !== 'session' && selector.kind !== 'grant') return undefined
  const row = yield* sessionBySid(selector.sid)
  if (row === undefined) return 'unknown'
  if (isRevoked(row)) return 'already'
  if (selector.kind === 'session') return undefined
  if ((yield* client.get(selector)) === undefined) return 'unknown'
  // A client whose access was ended gets new access by token exchange without joining again, so an
  // earlier revocation of the grant covers a presented token at most.
  const found = yield* participant.get(selector)
  if (found === undefined) return 'already'
  return presentedSeq !== undefined && covers(found.cutoff, presentedSeq) ? 'already' : undefined
}

/**
 * Returns whether a tenant's administrator may not revoke this: they may revoke a session, a grant
 * or a user of the tenant, and nothing wider.
 */
function* isOutside(selector: Selector, { tid }: Actor): Act<boolean> {
  if (tid === undefined) return false
  if (selector.kind === 'subject') return (yield* findSubject(selector.sub))?.tid !== tid
  return !('sid' in selector) || (yield* sessionBySid(selector.sid))?.tid !== tid
}

function* signOutAtMicrosoft(
  sub: string,
  tenants: RevokeInput['alsoAtMicrosoft'] = [],
  nowMs: number,
): Act<void> {
  const user = yield* findSubject(sub)
  if (user === undefined || (tenants !== 'all' && !tenants.includes(user.tid))) return
  yield* askMicrosoft([{ kind: 'revoke_sessions', tid: user.tid, oid: user.oid }], nowMs)
}

/**
 * Demands a fresh sign-in of a user whose session had ended without that demand, by a sign-out for
 * example: a thief may sign out before the session is revoked.
 */
export function* demandAfterEnd(
  { sid, reason }: { sid: string; reason: Reason },
  times: { until: number; now: number },
): Act<void> {
  const row = yield* sessionBySid(sid)
  const ended = row && (yield* sessionOf(row)).ended
  if (row !== undefined && ended !== undefined && RAISES_FLOOR[ended.reason] === false)
    yield* voidAuthentications({ sub: row.sub, reason }, times)
}

/**
 * Revokes what a caller of the store requests. `already`: the session has ended, the client has
 * never taken part in it, or the token that it presents is revoked, and nothing is appended. `unknown`: there is no such session, subject or client.
 */
export function* revokeRequested(input: RevokeInput): Act<Outcome> {
  if (yield* isOutside(input.selector, input.actor)) return { outcome: 'unknown' }
  if (input.selector.kind === 'grant') yield* dropCodes(input.selector)
  // The head is locked before the decision: of two concurrent revocations of one session, the
  // second sees the effect of the first.
  yield* lockHead()
  const outcome = yield* ineffective(input)
  const { selector, reason, now } = input
  if (outcome === 'already' && selector.kind === 'session')
    yield* demandAfterEnd({ sid: selector.sid, reason }, { until: now, now })
  if (outcome !== undefined) return { outcome }
  if (input.selector.kind === 'subject')
    yield* signOutAtMicrosoft(input.selector.sub, input.alsoAtMicrosoft, yield* currentMs())
  return { outcome: 'revoked', committed: yield* appendRevocation(input) }
}
