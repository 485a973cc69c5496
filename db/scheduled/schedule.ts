import { sql } from 'drizzle-orm'
import type { Act, Ambient } from '../engine/act.ts'
import { forUpdateSkipLocked } from '../engine/dialect.ts'
import { assign, command, insertInto, query } from '../engine/statement.ts'
import type { Takes } from '../engine/statement.ts'
import { encodeSelector } from '../../src/protocol/selector.ts'
import { optional } from '../engine/values.ts'
import { appendAudit, concludeAudit } from '../operator/audit.ts'
import { selectorOf } from '../locks/webhooks.ts'
import { lockHead } from '../revocation/log.ts'
import { scheduledActs } from '../schema.ts'
import type { ScheduledActs } from '../store.ts'
import type { AuditWay, ScheduledAct, ScheduledWhat } from '../types.ts'
import { emit } from '../webhook/emit.ts'
import { findScheduledAct, isToAnnounce, isToExpire, lockScheduled, scheduledFields, scheduledFrom, targetOfWhat, whatOf } from './row.ts'
import type { ScheduledRow } from './row.ts'
import { perform, settleAs, WORKER } from './run.ts'

/** Scheduling, confirming and canceling. A wide act is done only after a second administrator has confirmed it. */

/** A proposal, or one that was not confirmed by its time, can be confirmed for so long. */
const CONFIRM_SECONDS = 86_400

const WIDE = new Set(['client', 'tenant', 'everything'])
const isWide = (what: ScheduledWhat): boolean => WIDE.has(what.act === 'revoke' ? what.selector.kind : what.target.kind)

type New = Pick<
  ScheduledRow,
  | 'id'
  | 'act'
  | 'target'
  | 'wide'
  | 'caseReference'
  | 'comment'
  | 'endsAt'
  | 'dueAt'
  | 'state'
  | 'actorKind'
  | 'actorId'
  | 'via'
  | 'may'
  | 'createdAt'
  | 'confirmUntil'
>
const insert = command((p: Takes<{ [K in keyof New]: New[K] }>) => {
  const { id, act, target, wide, caseReference, comment, endsAt, dueAt, state, actorKind, actorId, via, may, createdAt, confirmUntil } = p
  const by = { actorKind, actorId, via, may, createdAt, confirmUntil }
  return insertInto(scheduledActs, { id, act, target, wide, caseReference, comment, endsAt, dueAt, state, ...by })
})
const confirm = command(
  (p: Takes<{ id: string; at: number; byKind: string; byId: string; via: AuditWay }>) =>
    sql`UPDATE ${scheduledActs} SET ${assign(scheduledActs, {
      ...{ state: 'scheduled', confirmedAt: p.at, confirmedByKind: p.byKind, confirmedById: p.byId, confirmedVia: p.via },
    })} WHERE ${scheduledActs.id} = ${p.id}`,
)
const toAnnounce = query(
  scheduledFields,
  (p: Takes<{ until: number; limit: number }>, f) => sql`SELECT ${f} FROM ${scheduledActs}
    WHERE ${isToAnnounce(p.until)} ORDER BY ${scheduledActs.dueAt} LIMIT ${p.limit}${forUpdateSkipLocked(scheduledActs)}`,
)
const toExpire = query(
  scheduledFields,
  (p: Takes<{ now: number; limit: number }>, f) => sql`SELECT ${f} FROM ${scheduledActs}
    WHERE ${isToExpire(p.now)} ORDER BY ${scheduledActs.confirmUntil} LIMIT ${p.limit}${forUpdateSkipLocked(scheduledActs)}`,
)
const announced = command(
  (p: Takes<{ id: string; now: number }>) =>
    sql`UPDATE ${scheduledActs} SET ${assign(scheduledActs, { announcedAt: p.now })} WHERE ${scheduledActs.id} = ${p.id}`,
)
const hold = command(
  () => sql`UPDATE ${scheduledActs} SET ${assign(scheduledActs, { state: 'held' })} WHERE ${scheduledActs.state} IN ('proposed', 'scheduled')`,
)

/** In a restored store: what waited may have been done, or canceled, since the backup was made. */
export const holdAll = (): Act<number> => hold.run({})

type Input<K extends keyof ScheduledActs> = Parameters<ScheduledActs[K]>[0]
type Answer<K extends keyof ScheduledActs> = Awaited<ReturnType<ScheduledActs[K]>>

const found = (act: ScheduledAct | undefined): ScheduledAct => {
  if (act === undefined) throw new Error('The scheduled act that was just written is not there.')
  return act
}

export function* scheduleAct(ambient: Ambient, input: Input<'scheduleAct'>): Act<ScheduledAct> {
  const { what, actor, via, may, caseReference = null, comment = null, dueAt, confirmSeconds = CONFIRM_SECONDS, now } = input
  const wide = isWide(what)
  if (!wide && dueAt === undefined) throw new Error('An act that concerns one user is done at once, or needs a time.')
  const id = `a_${ambient.newId()}`
  const target = JSON.stringify(what.act === 'revoke' ? what.selector : what.target)
  const when = { dueAt: dueAt ?? null, endsAt: what.act === 'lock' ? (what.endsAt ?? null) : null, createdAt: now }
  const confirmUntil = wide ? (dueAt ?? now) + confirmSeconds : null
  const by = { actorKind: actor.kind, actorId: actor.id, via, may }
  const state = wide ? 'proposed' : 'scheduled'
  yield* insert.run({ id, act: what.act, target, wide: wide ? 1 : 0, caseReference, comment, ...when, confirmUntil, state, ...by })
  return found(yield* findScheduledAct(id))
}

export function* confirmAct(ambient: Ambient, input: Input<'confirmAct'>): Act<Answer<'confirmAct'>> {
  const { id, actor, via, operatorTenant, now } = input
  yield* lockHead()
  const row = yield* lockScheduled(id)
  if (row === undefined) return { outcome: 'unknown' }
  const act = scheduledFrom(row)
  if (row.state !== 'proposed') return { outcome: 'settled', act }
  if (row.actorKind === actor.kind && row.actorId === actor.id) return { outcome: 'same', act }
  if (now >= (row.confirmUntil ?? (row.dueAt ?? row.createdAt) + CONFIRM_SECONDS)) return { outcome: 'expired', act }
  yield* confirm.run({ id, at: now, byKind: actor.kind, byId: actor.id, via })
  const confirmed = { ...row, confirmedByKind: actor.kind, confirmedById: actor.id, confirmedVia: via }
  if (row.dueAt === null || row.dueAt <= now) yield* perform(ambient, confirmed, { operatorTenant, now })
  return { outcome: 'confirmed', act: found(yield* findScheduledAct(id)) }
}

export function* cancelAct({ id, actor, now }: Input<'cancelAct'>): Act<Answer<'cancelAct'>> {
  const row = yield* lockScheduled(id)
  if (row === undefined) return { outcome: 'unknown' }
  if (row.settledAt !== null) return { outcome: 'settled', act: scheduledFrom(row) }
  yield* settleAs(id, { state: 'cancelled', result: {} }, { actor, now })
  return { outcome: 'cancelled', act: found(yield* findScheduledAct(id)) }
}

export function* announceActs(ambient: Ambient, { until, now, limit }: Input<'announceActs'>): Act<ScheduledAct[]> {
  const acts: ScheduledAct[] = []
  for (const row of yield* toAnnounce.all({ until, limit })) {
    const what = whatOf(row)
    const details = { scheduled: row.id, act: what.act, due_at: row.dueAt, scheduled_by: row.actorId, confirmed_by: row.confirmedById }
    const entry = { act: 'scheduled.announce', target: targetOfWhat(what), caseReference: row.caseReference ?? undefined, details }
    const audit = yield* appendAudit(ambient, { actor: WORKER, via: 'broker', ...entry })
    yield* announced.run({ id: row.id, now })
    yield* tellOf(ambient, row, what)
    yield* concludeAudit(ambient, { id: audit, outcome: 'done' })
    acts.push({ ...scheduledFrom(row), announcedAt: now })
  }
  return acts
}

/** What was not confirmed in time is not done, and says so: an administrator may wait for it. */
export function* expireActs(ambient: Ambient, { now, limit }: Input<'expireActs'>): Act<ScheduledAct[]> {
  const acts: ScheduledAct[] = []
  for (const row of yield* toExpire.all({ now, limit })) {
    const what = whatOf(row)
    const details = { scheduled: row.id, act: what.act, proposed_by: row.actorId, confirm_until: row.confirmUntil }
    const entry = { act: 'scheduled.expire', target: targetOfWhat(what), caseReference: row.caseReference ?? undefined, details }
    const audit = yield* appendAudit(ambient, { actor: WORKER, via: 'broker', ...entry })
    yield* settleAs(row.id, { state: 'expired', result: {} }, { actor: WORKER, now })
    yield* concludeAudit(ambient, { id: audit, outcome: 'done' })
    acts.push(found(yield* findScheduledAct(row.id)))
  }
  return acts
}

function* tellOf(ambient: Ambient, row: ScheduledRow, what: ScheduledWhat): Act<void> {
  const selector = what.act === 'revoke' ? what.selector : selectorOf(what.target, undefined)
  if (selector === undefined || row.dueAt === null) return
  const words = { case_reference: optional(row.caseReference), comment: optional(row.comment) }
  const data = { id: row.id, act: what.act, selector: encodeSelector(selector), due_at: row.dueAt, actor_kind: row.actorKind, actor: row.actorId }
  yield* emit(ambient, { type: 'scheduled.announced', data: { ...data, ...words } })
}
