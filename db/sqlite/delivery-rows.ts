import type { Delivery, DeliveryRef, DeliveryState } from '../types.ts'
import { optional } from './core.ts'

/** A delivery as the table has it. */

export interface DeliveryRow {
  id: string
  seq: number
  client_id: string
  target_id: string
  uri: string
  sid: string | null
  sub: string | null
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
  seq: row.seq,
  clientId: row.client_id,
  targetId: row.target_id,
  uri: row.uri,
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

export const refOf = (row: { id: string; attempts: number; target_id: string }): DeliveryRef => ({
  id: row.id,
  attempt: row.attempts + 1,
  targetId: row.target_id,
})
