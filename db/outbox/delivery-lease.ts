import { sql } from 'drizzle-orm'
import type { SQL } from 'drizzle-orm'
import { type Act, currentMs } from '../engine/act.ts'
import { withoutReprepare } from '../engine/dialect.ts'
import { isFree } from '../engine/lease.ts'
import { assign, command, query } from '../engine/statement.ts'
import type { Param, RowOf, Takes } from '../engine/statement.ts'
import { isCovered, sessionIsCovered } from '../rows/covers.ts'
import { deliveries, participants, sessions } from '../schema.ts'
import type { Delivery } from '../types.ts'
import { deliveriesAndTargets, deliveryFields, deliveryOf, HELD } from './row.ts'

/**
 * The lease of one attempt: one process at a time. It refuses an attempt that is not the next, and
 * one that is not due.
 */

/**
 * Clocks of queue and broker may differ a little: a job that comes this much early is still leased.
 */
const EARLY_MS = 100

export type LeaseInput = {
  id: string
  attempt: number
  nowMs: number
  untilMs: number
  early?: boolean | undefined
}
export type Leased =
  | { outcome: 'leased'; delivery: Delivery; endsNewer: boolean }
  | { outcome: 'not_due' | 'taken' | 'settled' | 'unknown' }

/** What a lease asks of a row of `deliveries`. */
export type Wanted = {
  /** Attempts that were made before. */
  made: number
  nowMs: number
  dueByMs: number
}
export const wanted = ({ attempt, nowMs, early }: LeaseInput): Wanted => ({
  made: attempt - 1,
  nowMs,
  dueByMs: early === true ? HELD - 1 : nowMs + EARLY_MS,
})

/** Of a row of `deliveries`: whether the attempt may be leased. */
export const mayLease = (p: Takes<Wanted>): SQL =>
  sql`${deliveries.state} = 'pending' AND ${deliveries.attempts} = ${p.made} AND ${isFree(deliveries.leasedUntilMs, p.nowMs, 'delivery')}
    AND ${deliveries.nextAttemptAtMs} <= ${p.dueByMs}`
/** What a lease writes. */
export const leasedUntil = (untilMs: Param<number>): SQL =>
  assign(deliveries, { leasedUntilMs: untilMs })

const joinedHere = sql`(SELECT ${participants.joinedSeq} FROM ${participants}
  WHERE ${participants.sid} = ${sessions.sid} AND ${participants.clientId} = ${deliveries.clientId})`

/**
 * Of a row of `deliveries`: 1 where it is a logout token by `sub` and its user has a live
 * participation at that client that began after the revocation, which the token would end as well;
 * else 0. It goes by the keys, whatever the planner knows of the tables.
 */
export const endsNewer = (now: Param<number>): SQL<number> =>
  sql<number>`CASE WHEN ${deliveries.seq} IS NOT NULL AND ${deliveries.sub} IS NOT NULL AND EXISTS (
      SELECT 1 FROM ${sessions} WHERE ${sessions.sub} = ${deliveries.sub} AND ${sessions.endedSeq} IS NULL
      AND ${sessions.deadlineAt} + 0 > ${now} AND NOT ${sessionIsCovered}
      AND NOT ${isCovered(sql`${deliveries.seq}`, joinedHere)}) THEN 1 ELSE 0 END`

const leasedFields = {
  ...deliveryFields,
  endsNewer: endsNewer(sql<number>`${sql.placeholder('now')}`),
}
type LeasedRow = RowOf<typeof leasedFields>
const byId = query(
  leasedFields,
  (p: Takes<{ id: string; now: number }>, f) =>
    sql`SELECT ${f} FROM ${deliveriesAndTargets} WHERE ${deliveries.id} = ${withoutReprepare(p.id)}`,
)
// Compare-and-set: of two brokers that lease at once, one changes the row.
const take = command(
  (p: Takes<Wanted & { id: string; untilMs: number }>) =>
    sql`UPDATE ${deliveries} SET ${leasedUntil(p.untilMs)} WHERE ${deliveries.id} = ${p.id} AND ${mayLease(p)}`,
)

export const leased = (row: LeasedRow): Leased => ({
  outcome: 'leased',
  delivery: deliveryOf(row),
  endsNewer: row.endsNewer === 1,
})

/**
 * Takes a delivery for one attempt until `untilMs`: only if it is pending, `attempt` is the one
 * that comes next, and no other worker has it. `endsNewer`: it is a logout token by `sub` that
 * would end a newer session of its user at that client, and has to be split. With `early` it need
 * not be due: it probes a target that was down.
 */
export function* leaseDelivery(input: LeaseInput): Act<Leased> {
  const { id, attempt, nowMs, untilMs } = input
  const taken = yield* take.run({ ...wanted(input), id, untilMs })
  const row = yield* byId.get({ id, now: Math.floor((yield* currentMs()) / 1000) })
  if (row === undefined) return { outcome: 'unknown' }
  if (taken === 1) return leased(row)
  if (row.state !== 'pending') return { outcome: 'settled' }
  if (row.attempts + 1 !== attempt) return { outcome: 'not_due' }
  return { outcome: row.leasedUntilMs > nowMs ? 'taken' : 'not_due' }
}
