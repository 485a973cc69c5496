import { Hono } from 'hono'
import { z } from 'zod'
import type { Delivery, DeliveryAttempt } from '../../../db/types.ts'
import type { Deps } from '../deps.ts'
import { milliseconds } from '../../protocol/described.ts'
import type { AdminEnv } from './caller.ts'
import { limit, ok, route, seqNumber, shape } from './route.ts'
import { noSuchClient } from '../acts/clients.ts'
import { Problem } from '../../clients/problem.ts'
import { closeAs, redriveAs, tryNowAs, type WhichDeliveries } from '../acts/deliveries.ts'
import { storedText } from '../../protocol/stored-text.ts'

/** Deliveries to instances and their outcomes; and the redrive of failed ones. */

const STATES = ['pending', 'delivered', 'rejected', 'failed', 'superseded', 'closed'] as const
export const deliveryCursor = storedText().min(1).max(200).optional().meta({ description: 'the next of the page before' })
const listing = z.strictObject({
  state: z.enum(STATES).optional(),
  client_id: storedText().max(100).optional(),
  seq: seqNumber.optional(),
  before: deliveryCursor,
  limit,
})
const one = storedText().min(1).max(200)
const redriving = z.union(
  [z.strictObject({ id: one }), z.strictObject({ target_id: one }), z.strictObject({ client_id: one }), z.strictObject({ all: z.literal(true) })],
  'name exactly one of id, target_id, client_id, or all: true',
)
const why = { reason: storedText().trim().min(1).max(500), case_reference: storedText().max(200).optional() }
const closing = z.union(
  [z.strictObject({ id: one, ...why }), z.strictObject({ target_id: one, ...why }), z.strictObject({ client_id: one, ...why })],
  'name exactly one of id, target_id, client_id, and a reason',
)

const attempt = shape('Attempt', {
  attempt: z.int(),
  at_ms: milliseconds,
  outcome: z.enum(['delivered', 'retry', 'rejected', 'failed', 'superseded', 'closed']),
  status: z.int().optional().meta({ description: 'HTTP status' }),
  latency_ms: z.int(),
  jti: z.string().optional().meta({ description: 'of the logout token; of a webhook, its webhook-id' }),
  error: z.string().optional().meta({ description: 'what went wrong; of closed, the reason that was given' }),
})
export const deliverySchema = shape('Delivery', {
  id: z.string(),
  kind: z.enum(['logout_token', 'webhook', 'set']),
  seq: z.int().nullable().meta({ description: 'of the revocation that caused it' }),
  client_id: z.string().meta({ description: 'of a webhook, its endpoint’s id; of a security event, its stream’s id' }),
  target_id: z.string(),
  uri: z.string(),
  sid: z.string().optional().meta({ description: 'the session that the logout token names; else sub' }),
  sub: z.string().optional(),
  state: z.enum(STATES),
  attempts_made: z.int(),
  created_at_ms: milliseconds,
  next_attempt_at_ms: milliseconds.nullable(),
  settled_at_ms: milliseconds.nullable(),
  superseded_by: z.string().nullable(),
  last_status: z.int().nullable().meta({ description: 'HTTP status' }),
  last_error: z.string().nullable(),
  attempts: z.array(attempt).optional(),
})
const page = z.object({ deliveries: z.array(deliverySchema), next: deliveryCursor.nullable() })
type Wanted = Parameters<Deps['store']['listDeliveries']>[0]

/** A page and the cursor of the next. @throws Problem 404 where the cursor is unknown */
export async function deliveryPage(deps: Deps, wanted: Wanted): Promise<{ found: Delivery[]; next: string | null }> {
  if (wanted.before !== undefined && (await deps.store.findDelivery(wanted.before)) === undefined)
    throw new Problem(404, 'No such delivery', 'The parameter before names an unknown delivery. Start again without before.')
  const found = await deps.store.listDeliveries({ ...wanted, limit: wanted.limit + 1 })
  const shown = found.slice(0, wanted.limit)
  return { found: shown, next: found.length > wanted.limit ? (shown.at(-1)?.id ?? null) : null }
}

export function deliveryRoutes(deps: Deps): Hono<AdminEnv> {
  const routes = new Hono<AdminEnv>()
  const list = {
    id: 'listDeliveries',
    summary: 'Lists deliveries, newest first',
    may: 'operate' as const,
    query: listing,
    answers: { 200: ok('A page.', page) },
    rejects: [404] as const,
  }
  route(routes, 'get', '/deliveries', list, async ({ query: { client_id: clientId, ...wanted } }, c) => {
    const { found, next } = await deliveryPage(deps, { ...wanted, clientId })
    return c.json({ deliveries: found.map((each) => deliveryShown(each)), next })
  })
  const read = {
    id: 'readDelivery',
    summary: 'Shows one delivery with its attempts',
    may: 'operate' as const,
    params: z.strictObject({ id: storedText().min(8).max(200) }),
    answers: { 200: ok('The delivery.', deliverySchema) },
    rejects: [404] as const,
  }
  // Longer than `redrive`, whose path is its own.
  route(routes, 'get', '/deliveries/:id{.{8,}}', read, async ({ params }, c) => {
    const delivery = await knownDelivery(deps, params.id)
    return c.json(deliveryShown(delivery, await deps.store.attemptsOf(delivery.id)))
  })
  redriveRoute(deps, routes)
  tryNowRoute(deps, routes)
  closeRoute(deps, routes)
  return routes
}

function redriveRoute(deps: Deps, routes: Hono<AdminEnv>): void {
  const about = {
    id: 'redrive',
    summary: 'Retries rejected and failed deliveries',
    may: 'operate' as const,
    body: redriving,
    answers: { 200: ok('How many.', z.object({ redriven: z.int() })) },
    rejects: [404] as const,
  }
  route(routes, 'post', '/deliveries/redrive', about, async ({ caller, body: wanted }, c) => {
    await mustExist(deps, wanted)
    return c.json({ redriven: await redriveAs(deps, caller, wanted) })
  })
}

function tryNowRoute(deps: Deps, routes: Hono<AdminEnv>): void {
  const about = {
    id: 'tryDeliveryNow',
    summary: 'Brings the next attempt of a pending delivery forward; other deliveries keep their order and their times',
    may: 'operate' as const,
    body: z.strictObject({ id: one }),
    answers: { 200: ok('Its next attempt is due now.', z.object({ id: z.string() })) },
    rejects: [404, 409] as const,
  }
  route(routes, 'post', '/deliveries/try', about, async ({ caller, body: { id } }, c) => {
    await knownDelivery(deps, id)
    if (await tryNowAs(deps, caller, id)) return c.json({ id })
    throw new Problem(
      409,
      'Not pending',
      'Only a pending delivery can be tried now; POST /admin/v1/deliveries/redrive retries a rejected or failed one.',
    )
  })
}

function closeRoute(deps: Deps, routes: Hono<AdminEnv>): void {
  const about = {
    id: 'closeDeliveries',
    summary: 'Closes pending, rejected and failed deliveries: the broker no longer sends them',
    may: 'administer' as const,
    body: closing,
    answers: { 200: ok('How many.', z.object({ closed: z.int() })) },
    rejects: [404] as const,
  }
  route(routes, 'post', '/deliveries/close', about, async ({ caller, body: { reason, case_reference: caseReference, ...which } }, c) => {
    await mustExist(deps, which)
    return c.json({ closed: await closeAs(deps, caller, { ...which, reason, caseReference }) })
  })
}

/** @throws Problem 404 where the client or the delivery that is named is unknown. A client that was removed may have deliveries. */
async function mustExist({ store }: Deps, { client_id: clientId, id }: WhichDeliveries): Promise<void> {
  if (clientId !== undefined && (await store.findClient(clientId)) === undefined) throw noSuchClient()
  if (id !== undefined) await knownDelivery({ store }, id)
}

/** @throws Problem 404 */
async function knownDelivery({ store }: Pick<Deps, 'store'>, id: string): Promise<Delivery> {
  const delivery = await store.findDelivery(id)
  if (delivery !== undefined) return delivery
  throw new Problem(404, 'No such delivery', 'There is no delivery of that id; GET /admin/v1/deliveries (cmb deliveries list) lists them.')
}

export function deliveryShown(delivery: Delivery, attempts?: DeliveryAttempt[]): Record<string, unknown> {
  return {
    id: delivery.id,
    kind: delivery.kind,
    seq: delivery.seq ?? null,
    client_id: delivery.clientId,
    target_id: delivery.targetId,
    uri: delivery.uri,
    ...(delivery.sid === undefined ? { sub: delivery.sub } : { sid: delivery.sid }),
    state: delivery.state,
    attempts_made: delivery.attempts,
    created_at_ms: delivery.createdAtMs,
    next_attempt_at_ms: delivery.nextAttemptAtMs ?? null,
    settled_at_ms: delivery.settledAtMs ?? null,
    superseded_by: delivery.supersededBy ?? null,
    last_status: delivery.lastStatus ?? null,
    last_error: delivery.lastError ?? null,
    ...(attempts === undefined ? {} : { attempts: attempts.map(attemptShown) }),
  }
}

function attemptShown(attempt: DeliveryAttempt): Record<string, unknown> {
  const { atMs, latencyMs, ...rest } = attempt
  return { ...rest, at_ms: atMs, latency_ms: latencyMs }
}
