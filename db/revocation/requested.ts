import { sql } from 'drizzle-orm'
import type { Actor, Selector } from '../../src/protocol/revocation.ts'
import { type Act, currentMs } from '../engine/act.ts'
import { columnsOf, query } from '../engine/statement.ts'
import type { Takes } from '../engine/statement.ts'
import { lockHead } from '../log/head.ts'
import { askMicrosoft } from '../outbox/microsoft-work.ts'
import { dropCodes } from '../rows/code.ts'
import { covers, grantCutoff } from '../rows/covers.ts'
import { isRevoked, sessionBySid } from '../rows/session.ts'
import { findSubject } from '../rows/user.ts'
import { clients, participants } from '../schema.ts'
import type { Committed, RevokeInput } from '../types.ts'
import { revoke } from './revoke.ts'

/**
 * Revokes what an operator, a user or a client asks for. It refuses what covers nothing: the log
 * holds no entry without an effect.
 */

const grant = query(
  {
    joinedSeq: participants.joinedSeq,
    cutoff: grantCutoff(sql`${sql.placeholder('sid')}`, sql`${sql.placeholder('clientId')}`),
  },
  (p: Takes<{ sid: string; clientId: string }>, f) =>
    sql`SELECT ${f} FROM ${participants} WHERE ${participants.sid} = ${p.sid} AND ${participants.clientId} = ${p.clientId}`,
)
const client = query(
  columnsOf(clients, 'clientId'),
  (p: Takes<{ clientId: string }>, f) =>
    sql`SELECT ${f} FROM ${clients} WHERE ${clients.clientId} = ${p.clientId}`,
)

type Outcome = { outcome: 'revoked'; committed: Committed } | { outcome: 'already' | 'unknown' }

/** Why a revocation would have no effect. */
function* ineffective(selector: Selector): Act<'already' | 'unknown' | undefined> {
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
  const found = yield* grant.get(selector)
  return found === undefined || covers(found.cutoff, found.joinedSeq) ? 'already' : undefined
}

/** Of the administrator of a tenant: a session, a grant or a user of it, and nothing wider. */
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
 * Revokes what callers of the store ask for. `already`: the selector of a session or grant covers
 * nothing that had not ended before, and nothing is appended. `unknown`: there is no such session,
 * subject or client.
 */
export function* revokeRequested(input: RevokeInput): Act<Outcome> {
  if (yield* isOutside(input.selector, input.actor)) return { outcome: 'unknown' }
  if (input.selector.kind === 'grant') yield* dropCodes(input.selector)
  // Before it is decided: of two revocations of one session at once, the second finds what the
  // first has done.
  yield* lockHead()
  const outcome = yield* ineffective(input.selector)
  if (outcome !== undefined) return { outcome }
  if (input.selector.kind === 'subject')
    yield* signOutAtMicrosoft(input.selector.sub, input.alsoAtMicrosoft, yield* currentMs())
  return { outcome: 'revoked', committed: yield* revoke(input) }
}
