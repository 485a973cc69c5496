import type { Delivery, DeliveryKind, DeliveryRef, DeliveryState, Priority } from '../types.ts'
import { optional } from './core.ts'

/** A delivery as the table has it. */

export interface DeliveryRow {
  id: string
  kind: DeliveryKind
  seq: number | null
  client_id: string
  target_id: string
  uri: string
  sid: string | null
  sub: string | null
  payload: string | null
  priority: number
  state: DeliveryState
  attempts: number
  created_at_ms: number
  next_attempt_at_ms: number
  leased_until_ms: number
  settled_at_ms: number | null
  superseded_by: string | null
  last_status: number | null
  last_error: string | null
}

/** A delivery knows its address by its target, which is kept when it is removed. */
export const DELIVERY_FROM = 'deliveries d JOIN targets t ON t.target_id = d.target_id'

export const deliveryOf = (row: DeliveryRow): Delivery => ({
  id: row.id,
  kind: row.kind,
  seq: optional(row.seq),
  clientId: row.client_id,
  targetId: row.target_id,
  uri: row.uri,
  payload: optional(row.payload),
  sid: optional(row.sid),
  sub: optional(row.sub),
  state: row.state,
  attempts: row.attempts,
  createdAtMs: row.created_at_ms,
  nextAttemptAtMs: row.state === 'pending' ? Math.max(row.next_attempt_at_ms, row.created_at_ms) : undefined,
  settledAtMs: optional(row.settled_at_ms),
  supersededBy: optional(row.superseded_by),
  lastStatus: optional(row.last_status),
  lastError: optional(row.last_error),
})

/** In the order in which lanes take them; the column holds the index. */
export const PRIORITIES: readonly Priority[] = ['urgent', 'bulk', 'background']
export const priorityNumber = (priority: Priority): number => PRIORITIES.indexOf(priority)

export interface RefRow {
  id: string
  attempts: number
  target_id: string
  priority: number
  seq: number | null
  next_attempt_at_ms: number
}

export const refOf = (row: Omit<RefRow, 'next_attempt_at_ms'>): DeliveryRef => ({
  id: row.id,
  attempt: row.attempts + 1,
  targetId: row.target_id,
  priority: PRIORITIES[row.priority] ?? 'background',
  seq: optional(row.seq),
})
