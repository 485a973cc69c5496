import { sql } from 'drizzle-orm'
import type { Act, Ambient } from '../engine/act.ts'
import { forUpdate, hidden } from '../engine/dialect.ts'
import { assign, columnsOf, command, insertInto, query } from '../engine/statement.ts'
import type { RowOf, Takes } from '../engine/statement.ts'
import { optional } from '../engine/values.ts'
import { sessionCutoff } from '../revocation/covers.ts'
import { deliveries, deliveryAttempts, participants, sessions } from '../schema.ts'
import type { DeliveryActs } from '../store.ts'
import type { AttemptResult, Delivery, DeliveryAttempt, DeliveryState } from '../types.ts'
import { moved } from './counts.ts'
import type { Move } from './counts.ts'
import { deliveriesAndTargets, deliveryFields, deliveryOf } from './row.ts'
import type { DeliveryRow } from './row.ts'

/** One attempt at a time, and its proof. It refuses an attempt that is not the next, and never leaves `delivered`. */

/** Clocks of queue and broker may differ a little: a job that comes this much early is still leased. */
const EARLY_MS = 100

const byId = query(
  deliveryFields,
  (p: Takes<{ id: string }>, f) => sql`SELECT ${f} FROM ${deliveriesAndTargets} WHERE ${deliveries.id} = ${hidden(p.id)}`,
)
const byIdLocked = query(
  deliveryFields,
  (p: Takes<{ id: string }>, f) => sql`SELECT ${f} FROM ${deliveriesAndTargets} WHERE ${deliveries.id} = ${hidden(p.id)}${forUpdate(deliveries)}`,
)
// Compare-and-set: of two brokers that lease at once, one changes the row.
const take = command(
  (p: Takes<{ id: string; made: number; nowMs: number; dueByMs: number; untilMs: number }>) =>
    sql`UPDATE ${deliveries} SET ${assign(deliveries, { leasedUntilMs: p.untilMs })} WHERE ${deliveries.id} = ${p.id} AND ${deliveries.state} = 'pending'
      AND ${deliveries.attempts} = ${p.made} AND ${deliveries.leasedUntilMs} <= ${p.nowMs} AND ${deliveries.nextAttemptAtMs} <= ${p.dueByMs}`,
)
// A live participation that began after the revocation: a token for the same `sub` or `sid` would end that one.
const newer = (which: 'sub' | 'sid') =>
  query(
    columnsOf(sessions, 'sid'),
    (p: Takes<{ who: string; clientId: string; seq: number; now: number }>, f) =>
      sql`SELECT ${f} FROM ${sessions} JOIN ${participants} ON ${participants.sid} = ${sessions.sid}
        WHERE ${sessions[which]} = ${hidden(p.who)} AND ${sessions.endedSeq} IS NULL AND ${sessions.deadlineAt} > ${hidden(p.now)}
          AND ${participants.clientId} = ${hidden(p.clientId)} AND ${participants.joinedSeq} >= ${hidden(p.seq)} AND ${sessions.openedSeq} >= ${sessionCutoff} LIMIT 1`,
  )
const newerBySub = newer('sub')
const newerBySid = newer('sid')

interface Recorded {
  id: string
  state: string
  attempt: number
  nextAttemptAtMs: number
  settledAtMs: number | null
  status: number | null
  error: string | null
}
const settle = command(
  (p: Takes<{ [K in keyof Recorded]: Recorded[K] }>) =>
    sql`UPDATE ${deliveries} SET ${assign(deliveries, {
      ...{ state: p.state, attempts: p.attempt, leasedUntilMs: 0, nextAttemptAtMs: p.nextAttemptAtMs },
      ...{ settledAtMs: p.settledAtMs, lastStatus: p.status, lastError: p.error },
      // What was delivered is not needed again.
      payload: sql`CASE WHEN ${p.state} = 'delivered' THEN NULL ELSE ${deliveries.payload} END`,
    })} WHERE ${deliveries.id} = ${p.id}`,
)
const attemptFields = {
  ...columnsOf(deliveryAttempts, 'attempt', 'atMs', 'status', 'latencyMs', 'jti', 'error'),
  outcome: sql<DeliveryAttempt['outcome']>`${deliveryAttempts.outcome}`,
}
type AttemptRow = RowOf<typeof attemptFields>
const prove = command((p: Takes<{ id: string } & { [K in keyof AttemptRow]: AttemptRow[K] }>) => {
  const { id: deliveryId, attempt, atMs, outcome, status, latencyMs, jti, error } = p
  return insertInto(deliveryAttempts, { deliveryId, attempt, atMs, outcome, status, latencyMs, jti, error })
})
const proofs = query(
  attemptFields,
  (p: Takes<{ id: string }>, f) =>
    sql`SELECT ${f} FROM ${deliveryAttempts} WHERE ${deliveryAttempts.deliveryId} = ${p.id} ORDER BY ${deliveryAttempts.id}`,
)
const giveBack = command(
  (p: Takes<{ id: string; made: number; nextAttemptAtMs: number }>) =>
    sql`UPDATE ${deliveries} SET ${assign(deliveries, { leasedUntilMs: 0, nextAttemptAtMs: p.nextAttemptAtMs })}
      WHERE ${deliveries.id} = ${p.id} AND ${deliveries.state} = 'pending' AND ${deliveries.attempts} = ${p.made}`,
)

const attemptOf = (row: AttemptRow): DeliveryAttempt => ({
  ...row,
  status: optional(row.status),
  jti: optional(row.jti),
  error: optional(row.error),
})

function* isSuperseded({ nowMs }: Ambient, { sub, sid, clientId, seq }: DeliveryRow): Act<boolean> {
  if (seq === null) return false
  const at = { clientId, seq, now: Math.floor(nowMs() / 1000) }
  if (sub !== null) return (yield* newerBySub.get({ who: sub, ...at })) !== undefined
  return sid !== null && (yield* newerBySid.get({ who: sid, ...at })) !== undefined
}

type Lease = Parameters<DeliveryActs['leaseDelivery']>[0]
type Leased = Awaited<ReturnType<DeliveryActs['leaseDelivery']>>

export function* lease(ambient: Ambient, { id, attempt, nowMs, untilMs, early }: Lease): Act<Leased> {
  const dueByMs = early ? Number.MAX_SAFE_INTEGER : nowMs + EARLY_MS
  const taken = yield* take.run({ id, made: attempt - 1, nowMs, dueByMs, untilMs })
  const row = yield* byId.get({ id })
  if (row === undefined) return { outcome: 'unknown' }
  if (taken === 1) return { outcome: 'leased', delivery: deliveryOf(row), superseded: yield* isSuperseded(ambient, row) }
  if (row.state !== 'pending') return { outcome: 'settled' }
  if (row.attempts + 1 !== attempt) return { outcome: 'not_due' }
  return { outcome: row.leasedUntilMs > nowMs ? 'taken' : 'not_due' }
}

/** A superseded delivery was sent to no client, and none needed it: it closes as superseded, with the attempt as its proof. */
const RECORDABLE: readonly DeliveryState[] = ['pending', 'superseded', 'closed']
const STATE_AFTER = { delivered: 'delivered', rejected: 'rejected', failed: 'failed', superseded: 'superseded', retry: 'pending' } as const

/** Where a delivery is after an attempt. Superseded or closed while the attempt was under way: only that it was delivered counts then. */
function after(row: DeliveryRow, result: AttemptResult) {
  if (row.state !== 'pending' && result.outcome !== 'delivered') return { late: true, state: row.state, settledAtMs: row.settledAtMs }
  const state = STATE_AFTER[result.outcome]
  return { late: false, state, settledAtMs: state === 'pending' ? null : result.attempt.atMs + result.attempt.latencyMs }
}

interface Result {
  id: string
  result: AttemptResult
}

/** @returns where the delivery goes, and whether that came too late; undefined where the attempt is not the next one */
function* settled({ id, result }: Result): Act<{ move: Move; late: boolean } | undefined> {
  const { attempt, atMs, outcome, status = null, latencyMs, jti = null, error = null } = result.attempt
  const row = yield* byIdLocked.get({ id })
  if (row === undefined || row.attempts !== attempt - 1 || !RECORDABLE.includes(row.state)) return undefined
  const { late, state, settledAtMs } = after(row, result)
  const nextAttemptAtMs = result.outcome === 'retry' ? result.nextAttemptAtMs : row.nextAttemptAtMs
  yield* settle.run({ id, state, attempt, nextAttemptAtMs, settledAtMs, status, error })
  yield* prove.run({ id, attempt, atMs, outcome, status, latencyMs, jti, error })
  return { move: { ...row, from: row.state, to: state }, late }
}

/** In the order of their ids, so that two brokers do not wait for each other, and with one change of each sum. @returns which counted, by place */
export function* recordAll(results: readonly Result[]): Act<boolean[]> {
  const inOrder = [...results.entries()].sort(([, a], [, b]) => (a.id < b.id ? -1 : 1))
  const moves: Move[] = []
  const counted = results.map(() => false)
  for (const [place, one] of inOrder) {
    const done = yield* settled(one)
    if (done === undefined) continue
    moves.push(done.move)
    counted[place] = !done.late
  }
  yield* moved(moves)
  return counted
}

export function* record(result: Result): Act<boolean> {
  const [counted = false] = yield* recordAll([result])
  return counted
}

export function* release({ id, attempt, nextAttemptAtMs }: { id: string; attempt: number; nextAttemptAtMs: number }): Act<void> {
  yield* giveBack.run({ id, made: attempt - 1, nextAttemptAtMs })
}
export function* findDelivery(id: string): Act<Delivery | undefined> {
  const row = yield* byId.get({ id })
  return row && deliveryOf(row)
}
export function* attemptsOf(id: string): Act<DeliveryAttempt[]> {
  return (yield* proofs.all({ id })).map(attemptOf)
}
