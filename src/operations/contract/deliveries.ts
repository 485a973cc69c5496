import { z } from 'zod'
import { Problem } from '../../clients/problem.ts'
import { text } from '../../protocol/described.ts'
import { storedText } from '../../protocol/stored-text.ts'
import { noSuchClient } from '../acts/clients.ts'
import {
  closeAs,
  deliveryPage,
  deliveryShown,
  knownDelivery,
  redriveAs,
  tryNowAs,
  type WhichDeliveries,
} from '../acts/deliveries.ts'
import { redriveWorkAs } from '../acts/microsoft-work.ts'
import { deliveryCursor, guid, idText, limit, seqNumber } from './fields.ts'
import { delivery, DELIVERY_STATES } from './shapes.ts'
import type { Deps } from '../deps.ts'
import { ok, route } from './route.ts'

/** Deliveries and their outcomes. Redrives failed deliveries and failed requests to Microsoft. */

const why = {
  reason: storedText().trim().min(1).max(500),
  case_reference: storedText().max(200).optional(),
}
const all = z.strictObject({ all: z.literal(true) })
const redriven = { 200: ok('How many.', z.object({ redriven: z.int() })) }

export const deliveryRoutes = [
  route(
    'GET /deliveries',
    {
      id: 'listDeliveries',
      summary: 'Lists deliveries, newest first',
      query: z.strictObject({
        state: z.enum(DELIVERY_STATES).optional(),
        client_id: storedText().max(100).optional(),
        seq: seqNumber.optional(),
        before: deliveryCursor,
        limit,
      }),
      answers: {
        200: ok(
          'A page.',
          z.object({ deliveries: z.array(delivery), next: deliveryCursor.nullable() }),
        ),
      },
      rejects: [404],
    },
    async ({ deps, query }) => {
      const { found, next } = await deliveryPage(deps, query)
      return { deliveries: found.map((each) => deliveryShown(each)), next }
    },
  ),
  // The pattern excludes the shorter path `redrive`.
  route(
    'GET /deliveries/:id{.{8,}}',
    {
      id: 'readDelivery',
      summary: 'Shows one delivery with its attempts',
      params: z.strictObject({ id: storedText().min(8).max(200) }),
      answers: { 200: ok('The delivery.', delivery) },
      rejects: [404],
    },
    async ({ deps, params }) => {
      const found = await knownDelivery(deps, params.id)
      return deliveryShown(found, await deps.store.attemptsOf(found.id))
    },
  ),
  route(
    'POST /deliveries/redrive',
    {
      id: 'redrive',
      summary: 'Retries rejected and failed deliveries',
      may: 'operate',
      body: z.union(
        [
          z.strictObject({ id: idText }),
          z.strictObject({ target_id: idText }),
          z.strictObject({ client_id: idText }),
          all,
        ],
        'name exactly one of id, target_id, client_id, or all: true',
      ),
      answers: redriven,
      rejects: [404],
    },
    async ({ deps, caller, wire }) => {
      await mustExist(deps, wire)
      return { redriven: await redriveAs(deps, caller, wire) }
    },
  ),
  route(
    'POST /deliveries/try',
    {
      id: 'tryDeliveryNow',
      summary:
        'Brings the next attempt of a pending delivery forward; other deliveries keep their order and their times',
      may: 'operate',
      body: z.strictObject({ id: idText }),
      answers: { 200: ok('Its next attempt is due now.', z.object({ id: text })) },
      rejects: [404, 409],
    },
    async ({ deps, caller, body: { id } }) => {
      await knownDelivery(deps, id)
      if (await tryNowAs(deps, caller, id)) return { id }
      throw new Problem(
        409,
        'Not pending',
        'Only a pending delivery can be tried now; POST /admin/v1/deliveries/redrive retries a rejected or failed one.',
      )
    },
  ),
  route(
    'POST /deliveries/close',
    {
      id: 'closeDeliveries',
      summary: 'Closes pending, rejected and failed deliveries: the broker no longer sends them',
      body: z.union(
        [
          z.strictObject({ id: idText, ...why }),
          z.strictObject({ target_id: idText, ...why }),
          z.strictObject({ client_id: idText, ...why }),
        ],
        'name exactly one of id, target_id, client_id, and a reason',
      ),
      answers: { 200: ok('How many.', z.object({ closed: z.int() })) },
      rejects: [404],
    },
    async ({ deps, caller, wire: { reason, case_reference: caseReference, ...which } }) => {
      await mustExist(deps, which)
      return { closed: await closeAs(deps, caller, { ...which, reason, caseReference }) }
    },
  ),
  route(
    'POST /microsoft-work/redrive',
    {
      id: 'redriveMicrosoftWork',
      summary: 'Retries requests to Microsoft that failed for a day: of one tenant, or all',
      may: 'operate',
      body: z.union(
        [z.strictObject({ tid: guid('a tenant id') }), all],
        'name exactly one of tid, or all: true',
      ),
      answers: redriven,
    },
    async ({ deps, caller, body }) => ({
      redriven: await redriveWorkAs(deps, caller, 'tid' in body ? body.tid : undefined),
    }),
  ),
]

/**
 * Checks that the named client or delivery exists. Removed clients count, because they may have
 * deliveries.
 * @throws Problem 404
 */
async function mustExist(
  { store }: Deps,
  { client_id: clientId, id }: WhichDeliveries,
): Promise<void> {
  if (clientId !== undefined && (await store.findClient(clientId)) === undefined)
    throw noSuchClient()
  if (id !== undefined) await knownDelivery({ store }, id)
}
