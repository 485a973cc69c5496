import { sql, type AnyColumn, type SQL } from 'drizzle-orm'
import { columnsOf, type RowOf } from '../engine/statement.ts'
import { optional } from '../engine/values.ts'
import type { Reason } from '../../src/protocol/revocation.ts'
import { deliveries, revocations, targets } from '../schema.ts'
import type { Delivery, DeliveryRef, Priority } from '../types.ts'

/** A delivery as a row of its table. */

/** A `nextAttemptAtMs` of a delivery that waits for its stream, however long. No lane leases it. */
export const HELD = 8_000_000_000_000_000

const ofRevocation = <T extends string>(column: AnyColumn): SQL<T | null> =>
  sql<T | null>`(SELECT ${column} FROM ${revocations} WHERE ${revocations.seq} = ${deliveries.seq})`

/** The fields of a delivery. */
export const deliveryFields = {
  ...columnsOf(
    deliveries,
    'id',
    'kind',
    'seq',
    'clientId',
    'targetId',
    'sid',
    'sub',
    'payload',
    'priority',
    'state',
    'attempts',
    'createdAtMs',
  ),
  ...columnsOf(
    deliveries,
    'nextAttemptAtMs',
    'leasedUntilMs',
    'settledAtMs',
    'supersededBy',
    'lastStatus',
    'lastError',
  ),
  // A removed target keeps its row.
  uri: sql<string>`(SELECT ${targets.uri} FROM ${targets} WHERE ${targets.targetId} = ${deliveries.targetId})`,
  // The revocation's row is kept as long as any of its deliveries.
  reason: ofRevocation<Reason>(revocations.reason),
  traceparent: sql<
    string | null
  >`coalesce(${deliveries.traceparent}, ${ofRevocation<string>(revocations.traceparent)})`,
}
export type DeliveryRow = RowOf<typeof deliveryFields>

export const deliveryOf = (row: DeliveryRow): Delivery => ({
  id: row.id,
  kind: row.kind,
  seq: optional(row.seq),
  reason: optional(row.reason),
  traceparent: optional(row.traceparent),
  clientId: row.clientId,
  targetId: row.targetId,
  uri: row.uri,
  payload: optional(row.payload),
  sid: optional(row.sid),
  sub: optional(row.sub),
  priority: PRIORITIES[row.priority] ?? 'background',
  state: row.state,
  attempts: row.attempts,
  createdAtMs: row.createdAtMs,
  nextAttemptAtMs:
    row.state === 'pending' && row.nextAttemptAtMs < HELD
      ? Math.max(row.nextAttemptAtMs, row.createdAtMs)
      : undefined,
  settledAtMs: optional(row.settledAtMs),
  supersededBy: optional(row.supersededBy),
  lastStatus: optional(row.lastStatus),
  lastError: optional(row.lastError),
})

/** Priorities in the order in which lanes take them. The column holds the index. */
export const PRIORITIES: readonly Priority[] = ['urgent', 'bulk', 'background']
export const priorityNumber = (priority: Priority): number => PRIORITIES.indexOf(priority)

export const refFields = columnsOf(
  deliveries,
  'id',
  'attempts',
  'targetId',
  'priority',
  'seq',
  'nextAttemptAtMs',
)

export const refOf = (row: Omit<RowOf<typeof refFields>, 'nextAttemptAtMs'>): DeliveryRef => ({
  id: row.id,
  attempt: row.attempts + 1,
  targetId: row.targetId,
  priority: PRIORITIES[row.priority] ?? 'background',
  seq: optional(row.seq),
})
