import { sql } from 'drizzle-orm'
import { isPushing } from '../../src/protocol/stream-event.ts'
import type { Act } from '../engine/act.ts'
import { forUpdate, indexedBy, isOneOf } from '../engine/dialect.ts'
import { assign, columnsOf, command, query, type Takes } from '../engine/statement.ts'
import { optional } from '../engine/values.ts'
import { AT_ONCE } from '../outbox/add.ts'
import { recordAll } from '../outbox/attempts.ts'
import { closeRows } from '../outbox/decisions.ts'
import { HELD, priorityNumber, refFields, refOf } from '../outbox/row.ts'
import { deliveries } from '../schema.ts'
import type { Delivery, DeliveryRef } from '../types.ts'
import { lockedStream } from './row.ts'

/** The events that a stream holds until they are polled, or until it is enabled or verified. */

/**
 * More than a stream may have pending (workers/tend-streams.ts). Callers close any others with
 * closeDeliveries.
 */
const MOST = 2_000

type Page = {
  streamId: string
  limit: number
}
const heldBy = (p: Takes<{ streamId: string }>) =>
  sql`FROM ${deliveries}${indexedBy('deliveries_due_by_target')} WHERE ${deliveries.state} = 'pending' AND ${deliveries.targetId} = ${p.streamId}
    AND ${deliveries.priority} = ${sql.raw(String(priorityNumber('background')))} AND ${deliveries.nextAttemptAtMs} = ${sql.raw(String(HELD))}`
const inOrder = (p: Takes<Page>) =>
  sql`ORDER BY ${deliveries.createdAtMs}, ${deliveries.id} LIMIT ${p.limit}`

const heldRefs = query(
  refFields,
  (p: Takes<Page>, f) => sql`SELECT ${f} ${heldBy(p)} ${inOrder(p)}${forUpdate(deliveries)}`,
)
const heldMessages = query(
  columnsOf(deliveries, 'id', 'payload', 'createdAtMs'),
  (p: Takes<Page>, f) => sql`SELECT ${f} ${heldBy(p)} ${inOrder(p)}`,
)
const pendingRows = query(
  columnsOf(deliveries, 'id', 'clientId', 'seq', 'state'),
  (p: Takes<Page>, f) =>
    sql`SELECT ${f} FROM ${deliveries}${indexedBy('deliveries_due_by_target')} WHERE ${deliveries.state} = 'pending'
      AND ${deliveries.targetId} = ${p.streamId} ORDER BY ${deliveries.priority}, ${deliveries.nextAttemptAtMs}, ${deliveries.createdAtMs} LIMIT ${p.limit}${forUpdate(deliveries)}`,
)
const makeDue = command(
  (p: Takes<{ ids: string }>) =>
    sql`UPDATE ${deliveries} SET ${assign(deliveries, { nextAttemptAtMs: AT_ONCE })} WHERE ${isOneOf(deliveries.id, p.ids)}`,
)
const ownAttempts = query(
  columnsOf(deliveries, 'attempts'),
  (p: Takes<{ id: string; streamId: string }>, f) =>
    sql`SELECT ${f} FROM ${deliveries} WHERE ${deliveries.id} = ${p.id} AND ${deliveries.targetId} = ${p.streamId} AND ${deliveries.state} = 'pending'`,
)

/**
 * Makes a page of held events due, after a push stream was paused or not verified. Nothing changes
 * unless the stream pushes now.
 */
export function* releaseStream({
  id: streamId,
  limit,
}: {
  id: string
  limit: number
}): Act<DeliveryRef[]> {
  const stream = yield* lockedStream(streamId)
  if (stream === undefined || !isPushing(stream)) return []
  const rows = yield* heldRefs.all({ streamId, limit })
  if (rows.length > 0) yield* makeDue.run({ ids: JSON.stringify(rows.map(({ id }) => id)) })
  return rows.map(refOf)
}

/** Closes all pending events of a stream that is disabled or removed. */
export function* closeAll(streamId: string): Act<void> {
  const rows = yield* pendingRows.all({ streamId, limit: MOST })
  if (rows.length > 0) yield* closeRows(rows, 'The stream was disabled or removed.')
}

type Polled = { deliveries: Pick<Delivery, 'id' | 'payload' | 'createdAtMs'>[]; more: boolean }

/** Returns the events to be polled, oldest first, and whether there are more. */
export function* pollStream({ id: streamId, limit }: { id: string; limit: number }): Act<Polled> {
  const rows = yield* heldMessages.all({ streamId, limit: limit + 1 })
  return {
    deliveries: rows.slice(0, limit).map((row) => ({ ...row, payload: optional(row.payload) })),
    more: rows.length > limit,
  }
}

/**
 * Settles events that a receiver polled and then acknowledged or rejected. Ids of other streams and
 * settled events are ignored.
 * @returns how many were settled
 */
export function* settlePolled({
  id: streamId,
  results,
  nowMs: atMs,
}: {
  id: string
  results: { delivery: string; error?: string | undefined }[]
  nowMs: number
}): Act<number> {
  const recorded: Parameters<typeof recordAll>[0][number][] = []
  for (const { delivery: id, error } of results) {
    const attempts = (yield* ownAttempts.get({ id, streamId }))?.attempts
    if (attempts === undefined) continue
    const outcome = error === undefined ? ('delivered' as const) : ('rejected' as const)
    recorded.push({
      id,
      result: {
        outcome,
        attempt: { attempt: attempts + 1, atMs, outcome, latencyMs: 0, jti: id, error },
      },
    })
  }
  return (yield* recordAll(recorded)).filter(Boolean).length
}
