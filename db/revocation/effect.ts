import { sql } from 'drizzle-orm'
import type { Actor, Reason, Selector } from '../../src/protocol/revocation.ts'
import type { Act } from '../engine/act.ts'
import {
  assign,
  command,
  excluded,
  insertInto,
  names,
  pick,
  type Takes,
} from '../engine/statement.ts'
import { recordEnd } from '../rows/history.ts'
import { lockSession } from '../rows/session.ts'
import { cutoffs, participants, sessions } from '../schema.ts'

/**
 * Writes the effect of a revocation. A wide one sets a cutoff; a narrow one sets the row of its
 * session or grant, with an entry in its user's history.
 */

const setCutoff = command(
  (p: Takes<{ kind: string; key: string; seq: number }>) =>
    sql`${insertInto(cutoffs, pick(p, 'kind', 'key', 'seq'))} ON CONFLICT (${names(cutoffs.kind, cutoffs.key)})
      DO UPDATE SET ${assign(cutoffs, { seq: excluded(cutoffs.seq) })}`,
)
const writeEnd = command(
  (p: Takes<{ sid: string; seq: number; at: number; reason: string }>) =>
    sql`UPDATE ${sessions} SET ${assign(sessions, { endedSeq: p.seq, endedAt: p.at, endedReason: p.reason, microsoftCacheSealed: null })}
      WHERE ${sessions.sid} = ${p.sid} AND ${sessions.endedSeq} IS NULL`,
)
const endGrant = command(
  (p: Takes<{ sid: string; clientId: string; seq: number }>) =>
    sql`UPDATE ${participants} SET ${assign(participants, { grantCutoff: p.seq })}
      WHERE ${participants.sid} = ${p.sid} AND ${participants.clientId} = ${p.clientId}`,
)

interface End {
  seq: number
  at: number
  reason: Reason
  actor: Actor
}
/**
 * Ends a session and records it in the user's history.
 * @returns false where another act has already ended it
 */
export function* endSession(sid: string, end: End): Act<boolean> {
  const { seq, at, reason } = end
  if ((yield* writeEnd.run({ sid, seq, at, reason })) === 0) return false
  yield* recordEnd({ sid, ...end })
  return true
}

type Narrow = Extract<Selector, { sid: string }>
export const isNarrow = (selector: Selector): selector is Narrow =>
  selector.kind === 'session' || selector.kind === 'grant'

/** Returns the key of a wide revocation's cutoff. */
function keyOf(selector: Exclude<Selector, Narrow>): string {
  if (selector.kind === 'subject') return selector.sub
  if (selector.kind === 'client') return selector.clientId
  return selector.kind === 'tenant' ? selector.tid : ''
}

export function* writeEffect({
  selector,
  seq,
  at,
  reason,
  actor,
}: End & { selector: Selector }): Act<void> {
  if (!isNarrow(selector))
    return void (yield* setCutoff.run({ kind: selector.kind, key: keyOf(selector), seq }))
  const { sid } = selector
  const end = { seq, at, reason, actor }
  yield* lockSession(sid)
  if (selector.kind === 'session') return void (yield* endSession(sid, end))
  const { clientId } = selector
  yield* endGrant.run({ sid, clientId, seq })
  yield* recordEnd({ sid, clientId, ...end })
}
