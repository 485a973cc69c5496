import { sql, type SQL } from 'drizzle-orm'
import { lockTarget, lockTargetName, type LockTarget } from '../../src/protocol/lock-target.ts'
import type { Actor, Selector } from '../../src/protocol/revocation.ts'
import { encodeSelector } from '../../src/protocol/selector.ts'
import type { Act, Engine } from '../engine/act.ts'
import { forUpdate, forUpdateSkipLocked } from '../engine/dialect.ts'
import { assign, columnsOf, command, query, type Takes } from '../engine/statement.ts'
import { appendAudit, concludeAudit } from '../log/audit.ts'
import { findSubject, findSubjectByUser } from '../rows/user.ts'
import { locks } from '../schema.ts'
import type { Lock } from '../types.ts'
import { emit } from '../webhook/emit.ts'
import { findLock, lockFields, lockFrom, type LockRow } from './row.ts'

/**
 * Lifts locks. An operator lifts them, or the broker when the lock's end has come; a lock whose end
 * has passed stays open until then.
 */

type Lifting = {
  id: string
  at: number
  byKind: string
  byId: string
  caseReference: string | undefined
  comment: string | undefined
}
const setLifted = command(
  (p: Takes<Lifting>) =>
    sql`UPDATE ${locks} SET ${assign(locks, {
      liftedAt: p.at,
      liftedByKind: p.byKind,
      liftedById: p.byId,
      liftCaseReference: p.caseReference,
      liftComment: p.comment,
    })} WHERE ${locks.id} = ${p.id} AND ${locks.liftedAt} IS NULL`,
)
/** Tests whether the end of an open lock has passed. */
const isToLift = (now: SQL): SQL =>
  sql`${locks.liftedAt} IS NULL AND ${locks.endsAt} IS NOT NULL AND ${locks.endsAt} <= ${now}`
const oneDue = query(
  columnsOf(locks, 'id'),
  (p: Takes<{ now: number }>, f) => sql`SELECT ${f} FROM ${locks} WHERE ${isToLift(p.now)} LIMIT 1`,
)
const due = query(
  lockFields,
  (p: Takes<{ now: number; limit: number }>, f) =>
    sql`SELECT ${f} FROM ${locks} WHERE ${isToLift(p.now)} ORDER BY ${locks.endsAt} LIMIT ${p.limit}${forUpdateSkipLocked(locks)}`,
)
const byIdLocked = query(
  lockFields,
  (p: Takes<{ id: string }>, f) =>
    sql`SELECT ${f} FROM ${locks} WHERE ${locks.id} = ${p.id}${forUpdate(locks)}`,
)

/**
 * Returns the selector that webhooks name a lock's target by. A user who never signed in has no
 * `sub`, so webhooks do not report their lock.
 */
export const selectorOf = (target: LockTarget, sub: string | undefined): Selector | undefined => {
  if (target.kind === 'client') return { kind: 'client', clientId: target.clientId }
  if (target.kind === 'tenant') return { kind: 'tenant', tid: target.tid }
  return sub === undefined ? undefined : { kind: 'subject', sub }
}

interface LockEvent {
  actor: Actor
  caseReference?: string | undefined
  comment?: string | undefined
  until?: number | undefined
}

/** Writes the webhook event of a lock. */
export function* emitLockEvent(
  type: 'lock.placed' | 'lock.lifted',
  selector: Selector | undefined,
  about: LockEvent,
): Act<void> {
  if (selector === undefined) return
  const { actor, caseReference, comment, until } = about
  const data = {
    selector: encodeSelector(selector),
    actor_kind: actor.kind,
    actor: actor.id,
    case_reference: caseReference,
    comment,
  }
  yield* emit(type === 'lock.placed' ? { type, data: { ...data, until } } : { type, data })
}

interface LiftInput {
  actor: Actor
  caseReference?: string | undefined
  comment?: string | undefined
  now: number
}

/**
 * Lifts a lock.
 * @param row an open lock, locked by this act
 */
export function* lift(row: LockRow, { actor, caseReference, comment, now }: LiftInput): Act<void> {
  yield* setLifted.run({
    id: row.id,
    at: now,
    byKind: actor.kind,
    byId: actor.id,
    caseReference,
    comment,
  })
  const target = lockTarget(row)
  const sub =
    target.kind === 'user' ? (yield* findSubjectByUser(target.tid, target.oid))?.sub : undefined
  yield* emitLockEvent('lock.lifted', selectorOf(target, sub), { actor, caseReference, comment })
}

/**
 * Returns true if an administrator of a tenant may not lift this lock. They may lift a lock that an
 * administrator of the same tenant placed on one of its users; only operators lift the locks of
 * operators.
 */
function* isNotTheirs({ kind, key, actorId }: LockRow, { tid }: Actor): Act<boolean> {
  if (tid === undefined) return false
  return kind !== 'user' || key !== tid || (yield* findSubject(actorId))?.tid !== tid
}

type Answer = { outcome: 'lifted' | 'already'; lock: Lock } | { outcome: 'unknown' }

/**
 * Lifts a lock. If two operators do so at once, one gets `lifted` and the other `already`, with who
 * lifted it.
 */
export function* liftLock({ id, ...how }: LiftInput & { id: string }): Act<Answer> {
  const row = yield* byIdLocked.get({ id })
  if (row === undefined || (yield* isNotTheirs(row, how.actor))) return { outcome: 'unknown' }
  if (row.liftedAt !== null) return { outcome: 'already', lock: lockFrom(row) }
  yield* lift(row, how)
  return { outcome: 'lifted', lock: (yield* findLock(id)) ?? lockFrom(row) }
}

const WORKER: Actor = { kind: 'broker', id: 'lift-locks' }

function* record({ id: lock, target, caseReference, endsAt }: Lock): Act<void> {
  const details = { lock, ends_at: endsAt ?? null }
  const id = yield* appendAudit({
    actor: WORKER,
    via: 'broker',
    act: 'lock.lift',
    target: lockTargetName(target),
    caseReference,
    details,
  })
  yield* concludeAudit({ id, outcome: 'done' })
}

function* anyDue({ now }: { now: number }): Act<boolean> {
  return (yield* oneDue.get({ now })) !== undefined
}

type Due = { now: number; limit: number }

/**
 * Lifts the locks whose end has come. If several brokers run it at once, each lock is lifted by one
 * of them.
 */
function* liftDue({ now, limit }: Due): Act<Lock[]> {
  const rows = yield* due.all({ now, limit })
  for (const row of rows) yield* lift(row, { actor: WORKER, now })
  const lifted = rows.map((row): Lock => ({
    ...lockFrom(row),
    lifted: { at: now, actor: WORKER, caseReference: undefined, comment: undefined },
  }))
  // The audit entries come last: every act that sends messages locks their endpoints before the
  // chain, so that two acts cannot deadlock.
  for (const lock of lifted) yield* record(lock)
  return lifted
}

/**
 * Lifts locks whose end has come, each with its audit entry. It writes nothing while there is none.
 */
export async function liftDueLocks({ read, write }: Engine, input: Due): Promise<Lock[]> {
  return (await read(() => anyDue(input))) ? write(() => liftDue(input)) : []
}
