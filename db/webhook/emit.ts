import { sql } from 'drizzle-orm'
import { dataFor, type WebhookEvent } from '../../src/protocol/webhook-event.ts'
import type { Act, Ambient } from '../engine/act.ts'
import { assign, columnsOf, command, insertInto, query } from '../engine/statement.ts'
import type { RowOf, Takes } from '../engine/statement.ts'
import { parseList } from '../engine/values.ts'
import { AT_ONCE } from '../outbox/add.ts'
import { moved } from '../outbox/counts.ts'
import type { Move } from '../outbox/counts.ts'
import { priorityNumber } from '../outbox/row.ts'
import { deliveries, webhookEndpoints } from '../schema.ts'
import type { DeliveryRef } from '../types.ts'

/** Writes an event to the outbox, once for each endpoint that wants it, inside the transaction of the act that causes it. */

const endpointFields = columnsOf(webhookEndpoints, 'endpointId', 'events', 'include')
type Endpoint = RowOf<typeof endpointFields>
// In one order, so that two acts do not wait for each other's endpoints.
const enabled = query(
  endpointFields,
  (_, f) => sql`SELECT ${f} FROM ${webhookEndpoints} WHERE ${webhookEndpoints.state} = 'enabled' ORDER BY ${webhookEndpoints.endpointId}`,
)
const advance = query(
  columnsOf(webhookEndpoints, 'position'),
  (p: Takes<{ endpointId: string }>, f) =>
    sql`UPDATE ${webhookEndpoints} SET ${assign(webhookEndpoints, { position: sql`${webhookEndpoints.position} + 1` })}
      WHERE ${webhookEndpoints.endpointId} = ${p.endpointId} AND ${webhookEndpoints.state} = 'enabled' RETURNING ${f}`,
)
const insert = command((p: Takes<{ id: string; endpointId: string; sub: string | null; payload: string; priority: number; atMs: number }>) =>
  insertInto(deliveries, {
    ...{ id: p.id, kind: 'webhook', clientId: p.endpointId, targetId: p.endpointId, sub: p.sub, payload: p.payload, priority: p.priority },
    ...{ state: 'pending', attempts: 0, createdAtMs: p.atMs, nextAttemptAtMs: AT_ONCE },
  }),
)

/** The user whom an event is about: erasing them erases it. */
const subjectOf = ({ data }: WebhookEvent): string | null => ('sub' in data ? data.sub : undefined) ?? null

/** @param moves takes the changes of states; not given: they are counted here */
export function* emit(ambient: Ambient, event: WebhookEvent, moves?: Move[]): Act<DeliveryRef[]> {
  const refs: DeliveryRef[] = []
  for (const endpoint of yield* enabled.all({})) {
    if (parseList(endpoint.events)?.includes(event.type) !== true) continue
    const ref = yield* write(ambient, endpoint, event)
    if (ref !== undefined) refs.push(ref)
  }
  const written: Move[] = refs.map(({ targetId }) => ({ clientId: targetId, seq: null, from: undefined, to: 'pending' }))
  if (moves === undefined) yield* moved(written)
  else moves.push(...written)
  return refs
}

/** Of one endpoint. Undefined: it was disabled or removed meanwhile. */
export function* write(
  ambient: Ambient,
  { endpointId, include }: Pick<Endpoint, 'endpointId' | 'include'>,
  event: WebhookEvent,
): Act<DeliveryRef | undefined> {
  const position = (yield* advance.get({ endpointId }))?.position
  if (position === undefined) return undefined
  const [id, atMs] = [ambient.newId(), ambient.nowMs()]
  const data = dataFor(event, parseList(include) as Parameters<typeof dataFor>[1])
  const payload = JSON.stringify({ type: event.type, timestamp: new Date(atMs).toISOString(), endpoint_id: endpointId, position, data })
  yield* insert.run({ id, endpointId, sub: subjectOf(event), payload, priority: priorityNumber('background'), atMs })
  return { id, attempt: 1, targetId: endpointId, priority: 'background' }
}
