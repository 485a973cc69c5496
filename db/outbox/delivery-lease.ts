import { sql, type SQL } from 'drizzle-orm'
import { type Act, currentMs } from '../engine/act.ts'
import { withoutReprepare } from '../engine/dialect.ts'
import { isFree } from '../engine/lease.ts'
import { assign, command, query, type Param, type RowOf, type Takes } from '../engine/statement.ts'
import { isCovered, sessionIsCovered } from '../rows/covers.ts'
import { deliveries, participants, sessions } from '../schema.ts'
import type { Delivery } from '../types.ts'
import { deliveryFields, deliveryOf, HELD } from './row.ts'

/**
 * The lease of one attempt, which one process at a time can hold. An attempt that is not the next,
 * or not due, gets no lease.
 */

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

/** The conditions that a lease sets on a row of `deliveries`. */
export type Wanted = {
  /** The number of attempts made before this one. */
  made: number
  nowMs: number
  dueByMs: number
}
export const wanted = ({ attempt, nowMs, early }: LeaseInput): Wanted => ({
  made: attempt - 1,
  nowMs,
  dueByMs: early === true ? HELD - 1 : nowMs,
})

/** Tests whether the attempt may be leased, for a row of `deliveries`. */
export const mayLease = (p: Takes<Wanted>): SQL =>
  sql`${deliveries.state} = 'pending' AND ${deliveries.attempts} = ${p.made} AND ${isFree(deliveries.leasedUntilMs, p.nowMs, 'delivery')}
    AND ${deliveries.nextAttemptAtMs} <= ${p.dueByMs}`
/** The assignment that takes a lease. */
export const leasedUntil = (untilMs: Param<number>): SQL =>
  assign(deliveries, { leasedUntilMs: untilMs })

const joinedHere = sql`(SELECT ${participants.joinedSeq} FROM ${participants}
  WHERE ${participants.sid} = ${sessions.sid} AND ${participants.clientId} = ${deliveries.clientId})`

/**
 * For a row of `deliveries`: 1 where a logout token by `sub` would also end a live participation of
 * its user at that client that began after the revocation; else 0. It is written so that the
 * planner uses the keys, even without statistics.
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
    sql`SELECT ${f} FROM ${deliveries} WHERE ${deliveries.id} = ${withoutReprepare(p.id)}`,
)
// Compare-and-set: if two brokers lease at once, one of them changes the row.
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
 * Takes a delivery for one attempt until `untilMs`, only if it is pending, `attempt` is the next
 * one, and no other worker has it. `endsNewer`: the delivery is a logout token by `sub` that would
 * end a newer session of its user at that client, and has to be split. With `early` the delivery
 * need not be due: the attempt probes a target that was down.
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
