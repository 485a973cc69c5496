import { sql } from 'drizzle-orm'
import type { Act, Ambient } from '../engine/act.ts'
import { forUpdate, hidden } from '../engine/dialect.ts'
import { assign, columnsOf, command, insertInto, query } from '../engine/statement.ts'
import type { RowOf, Takes } from '../engine/statement.ts'
import { clients, deliveries, participants, targets } from '../schema.ts'
import type { DeliveryRef, Priority } from '../types.ts'
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
  seq: number
  clientId: string
  targetId: string
  sid: string | null
  sub: string | null
  priority: number
  atMs: number
}
const insert = command(
  (p: Takes<{ [K in keyof NewDelivery]: NewDelivery[K] }>) =>
    sql`${insertInto(deliveries, {
      ...{ id: p.id, kind: 'logout_token', seq: p.seq, clientId: p.clientId, targetId: p.targetId, sid: p.sid, sub: p.sub },
      ...{ priority: p.priority, state: 'pending', attempts: 0, createdAtMs: p.atMs, nextAttemptAtMs: AT_ONCE },
    })} ON CONFLICT DO NOTHING`,
)

// The newer delivery says all that these would: they close at once, and it is the one that is retried, fails or is redriven.
const olderFields = columnsOf(deliveries, 'id', 'seq', 'clientId', 'state')
const older = (which: 'sid' | 'sub') =>
  query(
    olderFields,
    (p: Takes<{ targetId: string; who: string; seq: number }>, f) =>
      sql`SELECT ${f} FROM ${deliveries} WHERE ${deliveries.targetId} = ${p.targetId} AND ${deliveries[which]} = ${p.who}
        AND ${deliveries.seq} < ${p.seq} AND ${deliveries.state} IN ('pending', 'failed', 'rejected')${forUpdate(deliveries)}`,
  )
const olderBySid = older('sid')
const olderBySub = older('sub')
const supersede = command(
  (p: Takes<{ id: string; by: string; atMs: number }>) =>
    sql`UPDATE ${deliveries} SET ${assign(deliveries, { state: 'superseded', supersededBy: p.by, settledAtMs: p.atMs })} WHERE ${deliveries.id} = ${p.id}`,
)

/** @param moves takes the changes of states */
function* addDelivery(ambient: Ambient, target: TargetRow, what: DeliveriesFor, moves: Move[]): Act<DeliveryRef | undefined> {
  const bySub = what.wide && target.logoutBy === 'sub'
  const id = ambient.newId()
  const { seq, atMs } = what
  const { clientId, targetId } = target
  const who = bySub ? { sid: null, sub: what.sub } : { sid: what.sid, sub: null }
  const written = yield* insert.run({ id, seq, clientId, targetId, ...who, priority: priorityNumber(what.priority), atMs })
  // By `sub`, another session of the same user has written it already.
  if (written === 0) return undefined
  moves.push({ clientId, seq, from: undefined, to: 'pending' })
  for (const one of yield* (bySub ? olderBySub : olderBySid).all({ targetId, who: bySub ? what.sub : what.sid, seq })) {
    yield* supersede.run({ id: one.id, by: id, atMs: ambient.nowMs() })
    moves.push({ ...one, from: one.state, to: 'superseded' })
  }
  return { id, attempt: 1, targetId, priority: what.priority, seq }
}

/** What a revocation sends to the targets that took part in a session. @param moves takes the changes of states: `moved` has to be run with them */
export function* addUncounted(ambient: Ambient, what: DeliveriesFor, moves: Move[]): Act<DeliveryRef[]> {
  const { sid, seq, clientId } = what
  const refs: DeliveryRef[] = []
  for (const target of yield* clientId === undefined ? ofAll.all({ sid, seq }) : ofOne.all({ sid, seq, clientId })) {
    const ref = yield* addDelivery(ambient, target, what, moves)
    if (ref !== undefined) refs.push(ref)
  }
  return refs
}
