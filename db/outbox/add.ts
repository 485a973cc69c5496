import { sql } from 'drizzle-orm'
import type { SQL } from 'drizzle-orm'
import type { Act, Ambient } from '../engine/act.ts'
import { forUpdate, hidden, isOneOf, rowsOf } from '../engine/dialect.ts'
import { assign, castTo, columnsOf, command, insertEach, query } from '../engine/statement.ts'
import type { RowOf, Takes } from '../engine/statement.ts'
import { listOf } from '../engine/values.ts'
import { clients, deliveries, participants, targets } from '../schema.ts'
import type { DeliveryRef, DeliveryState, Priority } from '../types.ts'
import type { Move } from './counts.ts'
import { priorityNumber } from './row.ts'

/** Adds deliveries: one for each logout address of each client that took part. It never decides whether a revocation covers. */

/** As `nextAttemptAtMs`: due whatever the clock says, so that a step of the clock delays no delivery. */
export const AT_ONCE = 0

export interface DeliveriesFor {
  seq: number
  /** When the revocation was committed: its deliveries are pending since then, however late a batch writes them. */
  atMs: number
  sid: string
  sub: string
  /** Only this participant (a grant, a client); else all of the session's. */
  clientId?: string | undefined
  /** A wide revocation: a client that asked for it gets one message a user, by `sub`. */
  wide: boolean
  priority: Priority
}

const targetFields = { ...columnsOf(targets, 'targetId', 'clientId'), logoutBy: clients.logoutBy }
type TargetRow = RowOf<typeof targetFields>

// A target that was removed still gets what was revoked before it went.
const targetsOf = (seq: ReturnType<typeof sql>, sid: ReturnType<typeof sql>) =>
  sql`FROM ${participants} JOIN ${clients} ON ${clients.clientId} = ${participants.clientId}
    JOIN ${targets} ON ${targets.clientId} = ${participants.clientId} AND (${targets.removedSeq} IS NULL OR ${targets.removedSeq} >= ${hidden(seq)})
    WHERE ${participants.sid} = ${hidden(sid)}`
const ofAll = query(targetFields, (p: Takes<{ sid: string; seq: number }>, f) => sql`SELECT ${f} ${targetsOf(p.seq, p.sid)}`)
const ofOne = query(
  targetFields,
  (p: Takes<{ sid: string; seq: number; clientId: string }>, f) =>
    sql`SELECT ${f} ${targetsOf(p.seq, p.sid)} AND ${participants.clientId} = ${hidden(p.clientId)}`,
)

interface NewDelivery {
  id: string
  target: TargetRow
  /** By `sub`, for all sessions of the user; else by `sid`. */
  bySub: boolean
}
type Of = { seq: number; sid: string; sub: string; priority: number; atMs: number }
// For all targets at once: while a revocation is written, every other one waits for it.
const insert = query(columnsOf(deliveries, 'id'), (p: Takes<Of & { list: string }>, f) => {
  const { rows, row } = rowsOf(p.list, { id: 'text', clientId: 'text', targetId: 'text', bySub: 'bigint' })
  const who = (is: number, value: SQL): SQL => sql`CASE WHEN ${row.bySub} = ${sql.raw(String(is))} THEN ${value} END`
  const values = {
    ...{ id: row.id, kind: 'logout_token' as const, seq: castTo('bigint', p.seq), clientId: row.clientId, targetId: row.targetId },
    ...{ sid: who(0, castTo('text', p.sid)), sub: who(1, castTo('text', p.sub)), priority: castTo('bigint', p.priority) },
    ...{ state: 'pending' as const, attempts: 0, createdAtMs: castTo('bigint', p.atMs), nextAttemptAtMs: AT_ONCE },
  }
  return sql`${insertEach(deliveries, values, rows)} ON CONFLICT DO NOTHING RETURNING ${f}`
})

// The newest delivery says all that the others would: they close at once, and it is the one that is retried, fails or is redriven.
const otherFields = { ...columnsOf(deliveries, 'id', 'clientId', 'targetId', 'state'), seq: sql<number>`${deliveries.seq}` }
const others = (which: 'sid' | 'sub') =>
  query(
    otherFields,
    (p: Takes<{ targetIds: string; who: string; seq: number }>, f) =>
      sql`SELECT ${f} FROM ${deliveries} WHERE ${deliveries[which]} = ${p.who} AND ${isOneOf(deliveries.targetId, p.targetIds)}
        AND ${deliveries.seq} <> ${p.seq} AND ${deliveries.state} IN ('pending', 'failed', 'rejected') ORDER BY ${deliveries.id}${forUpdate(deliveries)}`,
  )
const othersBySid = others('sid')
const othersBySub = others('sub')
const supersede = command(
  (p: Takes<{ id: string; by: string; atMs: number }>) =>
    sql`UPDATE ${deliveries} SET ${assign(deliveries, { state: 'superseded', supersededBy: p.by, settledAtMs: p.atMs })} WHERE ${deliveries.id} = ${p.id}`,
)

interface Superseded {
  id: string
  clientId: string
  seq: number
  state: DeliveryState
}
function* close(ambient: Ambient, one: Superseded, by: string, moves: Move[]): Act<void> {
  yield* supersede.run({ id: one.id, by, atMs: ambient.nowMs() })
  moves.push({ clientId: one.clientId, seq: one.seq, from: one.state, to: 'superseded' })
}

/**
 * Wide revocations are written in batches, by turns: an older one may come to a session after a newer one, whose delivery then says all.
 * @param added all by `sub`, or all by `sid` @returns those that no newer one supersedes
 */
function* supersedeAllButNewest(
  ambient: Ambient,
  added: readonly NewDelivery[],
  { seq, sid, sub }: DeliveriesFor,
  moves: Move[],
): Act<NewDelivery[]> {
  const [first] = added
  if (first === undefined) return []
  const own = new Map(added.map(({ id, target }) => [target.targetId, id]))
  const newer = new Map<string, string>()
  const asked = { targetIds: listOf([...own.keys()]), seq }
  for (const other of yield* first.bySub ? othersBySub.all({ ...asked, who: sub }) : othersBySid.all({ ...asked, who: sid })) {
    if (other.seq > seq) newer.set(other.targetId, other.id)
    else yield* close(ambient, other, own.get(other.targetId) ?? '', moves)
  }
  for (const { id, target } of added) {
    const by = newer.get(target.targetId)
    if (by !== undefined) yield* close(ambient, { id, clientId: target.clientId, seq, state: 'pending' }, by, moves)
  }
  return added.filter(({ target }) => !newer.has(target.targetId))
}

/** What a revocation sends to the targets that took part in a session. @param moves takes the changes of states: `moved` has to be run with them */
export function* addUncounted(ambient: Ambient, what: DeliveriesFor, moves: Move[]): Act<DeliveryRef[]> {
  const { sid, sub, seq, atMs, clientId, wide, priority } = what
  const found = yield* clientId === undefined ? ofAll.all({ sid, seq }) : ofOne.all({ sid, seq, clientId })
  if (found.length === 0) return []
  const asked = found.map((target): NewDelivery => ({ id: ambient.newId(), target, bySub: wide && target.logoutBy === 'sub' }))
  const list = asked.map(({ id, target, bySub }) => ({ id, clientId: target.clientId, targetId: target.targetId, bySub: Number(bySub) }))
  const written = yield* insert.all({ list: listOf(list), seq, sid, sub, priority: priorityNumber(priority), atMs })
  const ids = new Set(written.map(({ id }) => id))
  // By `sub`, another session of the same user has written it already.
  const added = asked.filter(({ id }) => ids.has(id))
  for (const { target } of added) moves.push({ clientId: target.clientId, seq, from: undefined, to: 'pending' })
  const newest: NewDelivery[] = []
  for (const isBySub of [false, true]) {
    const some = added.filter(({ bySub }) => bySub === isBySub)
    newest.push(...(yield* supersedeAllButNewest(ambient, some, what, moves)))
  }
  return newest.map(({ id, target }) => ({ id, attempt: 1, targetId: target.targetId, priority, seq }))
}
