import { Hono } from 'hono'
import { z } from 'zod'
import type { Delivery, DeliveryAttempt } from '../../db/types.ts'
import type { Deps } from '../deps.ts'
import { jsonBody, limit, query, seqNumber, shaped } from './body.ts'
import { callerOf, type AdminEnv } from './caller.ts'
import { Problem } from '../acts/problem.ts'
import { redriveAs } from '../acts/deliveries.ts'

/** What is owed to instances and what came of it; and trying again what was given up. */

const STATES = ['owed', 'delivered', 'refused', 'dead', 'superseded'] as const
const listing = z.object({
  state: z.enum(STATES).optional(),
  client_id: z.string().max(64).optional(),
  seq: seqNumber.optional(),
  limit,
})
const one = z.string().min(1).max(200).optional()
const redriving = z
  .strictObject({ id: one, target_id: one, client_id: one, all: z.literal(true).optional() })
  .refine((wanted) => Object.keys(wanted).length === 1, 'name exactly one of id, target_id, client_id, or all: true')

export function deliveryRoutes(deps: Deps): Hono<AdminEnv> {
  const routes = new Hono<AdminEnv>()
  routes.get('/deliveries', async (c) => {
    callerOf(c, 'operate')
    const { state, client_id: clientId, seq, limit: most } = query(c, listing)
    const found = await deps.store.listDeliveries({ state, clientId, seq, limit: most + 1 })
    return c.json({ deliveries: found.slice(0, most).map((each) => deliveryShown(each)), more: found.length > most })
  })
  routes.get('/deliveries/:id', async (c) => {
    callerOf(c, 'operate')
    const delivery = await deps.store.findDelivery(c.req.param('id'))
    if (delivery === undefined) throw new Problem(404, 'No such delivery', 'There is no delivery of that id; GET /admin/v1/deliveries lists them.')
    return c.json(deliveryShown(delivery, await deps.store.attemptsOf(delivery.id)))
  })
  routes.post('/deliveries/redrive', async (c) => {
    const caller = callerOf(c, 'operate')
    const wanted = shaped(redriving, await jsonBody(c))
    if (wanted.client_id !== undefined && (await deps.store.findClient(wanted.client_id)) === undefined)
      throw new Problem(404, 'No such client', 'There is no such client; GET /admin/v1/clients (cmb clients list) lists them.')
    if (wanted.id !== undefined && (await deps.store.findDelivery(wanted.id)) === undefined)
      throw new Problem(404, 'No such delivery', 'There is no delivery of that id; GET /admin/v1/deliveries (cmb deliveries list) lists them.')
    return c.json({ redriven: await redriveAs(deps, caller, wanted) })
  })
  return routes
}

export function deliveryShown(delivery: Delivery, attempts?: DeliveryAttempt[]): Record<string, unknown> {
  return {
    id: delivery.id,
    seq: delivery.seq,
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
