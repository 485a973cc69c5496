import { sql } from 'drizzle-orm'
import { concernsMany, type Reason } from '../../src/protocol/revocation.ts'
import { encodeSelector } from '../../src/protocol/selector.ts'
import { dataFor, type WebhookEvent } from '../../src/protocol/webhook-event.ts'
import { type Act, currentMs } from '../engine/act.ts'
import { assign, columnsOf, query, type RowOf, type Takes } from '../engine/statement.ts'
import { parseList } from '../engine/values.ts'
import { applyCountChanges, type Move } from '../outbox/counts.ts'
import { addMessage } from '../outbox/message.ts'
import { webhookEndpoints } from '../schema.ts'
import type { DeliveryRef, Revocation } from '../types.ts'

/**
 * Writes an event to the outbox, once for each endpoint that subscribes to it, in the transaction
 * of the act that causes it.
 */

const endpointFields = columnsOf(webhookEndpoints, 'endpointId', 'events', 'include')
type Endpoint = RowOf<typeof endpointFields>
// A fixed order, so that two acts cannot deadlock on each other's endpoints.
const enabled = query(
  endpointFields,
  (_, f) =>
    sql`SELECT ${f} FROM ${webhookEndpoints} WHERE ${webhookEndpoints.state} = 'enabled' ORDER BY ${webhookEndpoints.endpointId}`,
)
const advance = query(
  columnsOf(webhookEndpoints, 'position'),
  (p: Takes<{ endpointId: string }>, f) =>
    sql`UPDATE ${webhookEndpoints} SET ${assign(webhookEndpoints, { position: sql`${webhookEndpoints.position} + 1` })}
      WHERE ${webhookEndpoints.endpointId} = ${p.endpointId} AND ${webhookEndpoints.state} = 'enabled' RETURNING ${f}`,
)

/** Returns the `sub` of the user that an event is about. */
const subjectOf = ({ data }: WebhookEvent): string | null =>
  ('sub' in data ? data.sub : undefined) ?? null

/**
 * Writes an event for every enabled endpoint that subscribes to it.
 * @param moves takes the changes of state; if it is missing, they are counted here
 */
export function* emit(event: WebhookEvent, moves?: Move[]): Act<DeliveryRef[]> {
  const refs: DeliveryRef[] = []
  const written: Move[] = moves ?? []
  for (const endpoint of yield* enabled.all({})) {
    if (parseList(endpoint.events)?.includes(event.type) !== true) continue
    const ref = yield* write(endpoint, event, written)
    if (ref !== undefined) refs.push(ref)
  }
  if (moves === undefined) yield* applyCountChanges(written)
  return refs
}

/**
 * Writes an event for one endpoint. Returns undefined where the endpoint was disabled or removed
 * meanwhile.
 * @param moves takes the change of state: the caller has to run `applyCountChanges` with it
 */
export function* write(
  { endpointId, include }: Pick<Endpoint, 'endpointId' | 'include'>,
  event: WebhookEvent,
  moves: Move[],
): Act<DeliveryRef | undefined> {
  const position = (yield* advance.get({ endpointId }))?.position
  if (position === undefined) return undefined
  const atMs = yield* currentMs()
  const data = dataFor(event, parseList(include) as Parameters<typeof dataFor>[1])
  const payload = JSON.stringify({
    type: event.type,
    timestamp: new Date(atMs).toISOString(),
    endpoint_id: endpointId,
    position,
    data,
  })
  return yield* addMessage(
    { kind: 'webhook', targetId: endpointId, sub: subjectOf(event), payload, atMs },
    moves,
  )
}

const THEFT: readonly Reason[] = ['refresh_token_reuse', 'refresh_token_late', 'code_reuse']

/**
 * Reasons for which a client acts for itself (it redeems a code, refreshes, or revokes its own
 * token), so that no operator's act is reported.
 */
const OF_TOKENS: readonly Reason[] = [...THEFT, 'token_revoked']

function eventsOf(revocation: Revocation, sub: string | undefined): WebhookEvent[] {
  const { seq, tid, reason, actor, caseReference: case_reference, comment } = revocation
  const selector = encodeSelector(revocation.selector)
  const about = {
    seq,
    selector,
    tid,
    sub,
    reason,
    actor_kind: actor.kind,
    actor: actor.id,
    case_reference,
    comment,
  }
  const events: WebhookEvent[] = []
  if (reason === 'signed_out_everywhere' && sub !== undefined)
    events.push({ type: 'user.signed_out_everywhere', data: { ...about, sub } })
  if (THEFT.includes(reason)) events.push({ type: 'revocation.theft', data: about })
  if (actor.kind === 'operator' || (actor.kind === 'client' && !OF_TOKENS.includes(reason)))
    events.push({ type: 'revocation.by_operator', data: about })
  if (concernsMany(selector)) events.push({ type: 'revocation.wide', data: about })
  return events
}

/** Emits the events that a revocation causes. */
export function* emitRevocation(
  revocation: Revocation,
  sub: string | undefined,
  moves: Move[],
): Act<DeliveryRef[]> {
  const refs: DeliveryRef[] = []
  for (const event of eventsOf(revocation, sub)) refs.push(...(yield* emit(event, moves)))
  return refs
}
