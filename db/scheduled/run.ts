import { sql } from 'drizzle-orm'
import type { Actor } from '../../src/protocol/revocation.ts'
import type { Act, Ambient } from '../engine/act.ts'
import { assign, command } from '../engine/statement.ts'
import type { Takes } from '../engine/statement.ts'
import { lock } from '../locks/lock.ts'
import { appendAudit, concludeAudit } from '../operator/audit.ts'
import { lockHead } from '../revocation/log.ts'
import { revoke } from '../revocation/revoke.ts'
import { scheduledActs } from '../schema.ts'
import type { ScheduledAct, ScheduledState } from '../types.ts'
import { stillMay } from './rights.ts'
import { findScheduledAct, lockScheduled, targetOfWhat, whatOf } from './row.ts'
import type { ScheduledRow } from './row.ts'

/** Does what was scheduled: once, in the commit that says so. */

const settle = command(
  (p: Takes<{ id: string; state: ScheduledState; at: number; byKind: string; byId: string; result: string }>) =>
    sql`UPDATE ${scheduledActs} SET ${assign(scheduledActs, {
      ...{ state: p.state, settledAt: p.at, settledByKind: p.byKind, settledById: p.byId, result: p.result },
    })} WHERE ${scheduledActs.id} = ${p.id}`,
)

interface End {
  state: 'done' | 'failed' | 'cancelled' | 'expired'
  result: Record<string, unknown>
}
export const settleAs = (id: string, { state, result }: End, { actor, now }: { actor: Actor; now: number }): Act<number> =>
  settle.run({ id, state, at: now, byKind: actor.kind, byId: actor.id, result: JSON.stringify(result) })

export const WORKER: Actor = { kind: 'broker', id: 'run-scheduled' }

interface When {
  operatorTenant: string | undefined
  now: number
}

function* carryOut(ambient: Ambient, row: ScheduledRow, { operatorTenant, now }: When): Act<End> {
  const what = whatOf(row)
  const actor: Actor = { kind: row.actorKind, id: row.actorId }
  const said = { caseReference: row.caseReference ?? undefined, comment: row.comment ?? undefined }
  if (what.act === 'revoke') {
    const answer = yield* revoke(ambient, { selector: what.selector, reason: 'administrator', actor, ...said, now })
    if (answer.outcome === 'revoked') return { state: 'done', result: { seq: answer.committed.revocation.seq } }
    return { state: answer.outcome === 'unknown' ? 'failed' : 'done', result: { outcome: answer.outcome } }
  }
  const answer = yield* lock(ambient, { target: what.target, endsAt: what.endsAt, actor, may: row.may, operatorTenant, ...said, now })
  if (answer.outcome === 'locked') return { state: 'done', result: { lock: answer.lock.id, seq: answer.lock.seq ?? null } }
  if (answer.outcome === 'already') return { state: 'done', result: { outcome: 'already', lock: answer.lock.id } }
  return { state: 'failed', result: answer.outcome === 'rejected' ? { outcome: 'rejected', why: answer.why } : { outcome: answer.outcome } }
}

function* mayStill(row: ScheduledRow, operatorTenant: string | undefined): Act<boolean> {
  const creator = { actor: { kind: row.actorKind, id: row.actorId }, via: row.via, may: row.may }
  if (!(yield* stillMay(creator, operatorTenant))) return false
  if (row.confirmedByKind === null || row.confirmedById === null || row.confirmedVia === null) return row.wide === 0
  const second = { actor: { kind: row.confirmedByKind, id: row.confirmedById }, via: row.confirmedVia, may: 'administer' } as const
  return yield* stillMay(second, operatorTenant)
}

/**
 * With its audit entry, in one transaction.
 * @param row locked, after the head of the log: that is the order of every act that revokes
 */
export function* perform(ambient: Ambient, row: ScheduledRow, when: When): Act<void> {
  const what = whatOf(row)
  const may = yield* mayStill(row, when.operatorTenant)
  const end: End = may ? yield* carryOut(ambient, row, when) : { state: 'failed', result: { outcome: 'rejected', why: 'right_lost' } }
  yield* settleAs(row.id, end, { actor: WORKER, now: when.now })
  const id = yield* appendAudit(ambient, {
    actor: { kind: row.actorKind, id: row.actorId },
    via: row.via,
    act: 'scheduled.run',
    target: targetOfWhat(what),
    caseReference: row.caseReference ?? undefined,
    comment: row.comment ?? undefined,
    details: { scheduled: row.id, act: what.act, due_at: row.dueAt, confirmed_by: row.confirmedById },
  })
  yield* concludeAudit(ambient, { id, outcome: end.state === 'done' ? 'done' : 'rejected', result: end.result })
}

export function* runDueAct(ambient: Ambient, { id, ...when }: When & { id: string }): Act<ScheduledAct | undefined> {
  yield* lockHead()
  const row = yield* lockScheduled(id)
  if (row?.state !== 'scheduled' || row.dueAt === null || row.dueAt > when.now) return undefined
  yield* perform(ambient, row, when)
  return yield* findScheduledAct(id)
}
