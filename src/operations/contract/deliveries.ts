import { z } from 'zod'
import { Problem } from '../../clients/problem.ts'
import { text } from '../../protocol/described.ts'
import { storedText } from '../../protocol/stored-text.ts'
import {
  closeAs,
  deliveryPage,
  deliveryShown,
  knownDelivery,
  redriveAs,
  tryNowAs,
  type WhichDeliveries,
} from '../acts/deliveries.ts'
import { existing } from '../acts/no-such.ts'
import { redriveWorkAs } from '../acts/microsoft-work.ts'
import { deliveryCursor, guid, idText, limit, seqNumber } from './fields.ts'
import { delivery, DELIVERY_STATES } from './shapes.ts'
import type { Deps } from '../deps.ts'
import { route } from './route.ts'

/** Deliveries and their outcomes. Redrives failed deliveries and failed requests to Microsoft. */

const why = {
  reason: storedText().trim().min(1).max(500),
  case_reference: storedText().max(200).optional(),
}
const all = z.strictObject({ all: z.literal(true) })
const redriven = z.object({ redriven: z.int() })

export const deliveryRoutes = [
  route(
    'GET /deliveries',
    {
      id: 'listDeliveries',
      query: z.strictObject({
        state: z.enum(DELIVERY_STATES).optional(),
        client_id: storedText().max(100).optional(),
        seq: seqNumber.optional(),
        before: deliveryCursor,
        limit,
      }),
      answers: z.object({ deliveries: z.array(delivery), next: deliveryCursor.nullable() }),
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
      params: z.strictObject({ id: storedText().min(8).max(200) }),
      answers: delivery,
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
      may: 'operate',
      body: z.strictObject({ id: idText }),
      answers: z.object({ id: text }),
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
      body: z.union(
        [
          z.strictObject({ id: idText, ...why }),
          z.strictObject({ target_id: idText, ...why }),
          z.strictObject({ client_id: idText, ...why }),
        ],
        'name exactly one of id, target_id, client_id, and a reason',
      ),
      answers: z.object({ closed: z.int() }),
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
  if (clientId !== undefined) existing('client', await store.findClient(clientId))
  if (id !== undefined) await knownDelivery({ store }, id)
}
