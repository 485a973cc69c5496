import { z } from 'zod'
import { DELIVERY_STATES } from '../../../db/types.ts'
import { Problem } from '../../audit/problem.ts'
import { text } from '../../protocol/described.ts'
import { storedText } from '../../protocol/stored-text.ts'
import { deliveryPage, deliveryShown, knownDelivery } from '../acts/deliveries.ts'
import { existing } from '../acts/no-such.ts'
import { deliveryCursor, guid, idText, limit, seqNumber } from './fields.ts'
import { delivery } from './shapes.ts'
import type { Deps } from '../deps.ts'
import { route } from './route.ts'

/** Deliveries and their outcomes. Redrives failed deliveries and failed requests to Microsoft. */

/** The ways to select deliveries. @param more members beside the selection */
const selections = <M extends z.ZodRawShape>(more: M) =>
  [
    z.strictObject({ id: idText, ...more }),
    z.strictObject({ target_id: idText, ...more }),
    z.strictObject({ client_id: idText, ...more }),
  ] as const
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
      audit: 'redrive',
      body: z.union(
        [...selections({}), z.strictObject({ seq: seqNumber }), all],
        'name exactly one of id, target_id, client_id, seq, or all: true',
      ),
      answers: redriven,
      rejects: [404],
    },
    async ({ deps, record, body, wire }) => {
      const selection = await known(deps, body)
      const redrive = () => deps.store.redrive(selection)
      const refs = await record(targetOf(wire), undefined, redrive, ({ length }) => ({
        redriven: length,
      }))
      deps.queue.send(refs)
      return { redriven: refs.length }
    },
  ),
  route(
    'POST /deliveries/try',
    {
      id: 'tryDeliveryNow',
      may: 'operate',
      audit: 'try_now',
      body: z.strictObject({ id: idText }),
      answers: z.object({ id: text }),
      rejects: [404, 409],
    },
    // If the target does not answer, the delivery becomes its next probe.
    async ({ deps, record, body: { id } }) => {
      await knownDelivery(deps, id)
      const tryNow = () => deps.store.tryNow({ id })
      const ref = await record(`id ${id}`, undefined, tryNow, (found) => ({
        brought_forward: found !== undefined,
      }))
      if (ref === undefined)
        throw new Problem(
          409,
          'Not pending',
          'Only a pending delivery can be tried now; POST /admin/v1/deliveries/redrive retries a rejected or failed one.',
        )
      deps.queue.send([ref])
      return { id }
    },
  ),
  route(
    'POST /deliveries/close',
    {
      id: 'closeDeliveries',
      audit: 'close',
      comment: 'reason',
      body: z.union(selections(why), 'name exactly one of id, target_id, client_id, and a reason'),
      answers: z.object({ closed: z.int() }),
      rejects: [404],
    },
    async ({ deps, record, body, wire }) => {
      await known(deps, body)
      const close = () => deps.store.closeDeliveries(body)
      const closed = await record(targetOf(wire), undefined, close, ({ length }) => ({
        closed: length,
      }))
      for (const { seq } of closed) if (seq !== undefined) deps.queue.changed(seq)
      return { closed: closed.length }
    },
  ),
  route(
    'POST /microsoft-work/redrive',
    {
      id: 'redriveMicrosoftWork',
      may: 'operate',
      audit: 'microsoft.redrive',
      body: z.union(
        [z.strictObject({ tid: guid('a tenant id') }), all],
        'name exactly one of tid, or all: true',
      ),
      answers: redriven,
    },
    ({ deps, record, body }) => {
      const tid = 'tid' in body ? body.tid : undefined
      const redrive = async () => ({
        redriven: await deps.store.redriveMicrosoftWork({ tid, nowMs: deps.clock.nowMs() }),
      })
      const target = tid === undefined ? 'all' : `tenant ${tid}`
      return record(target, undefined, redrive, (answer) => answer)
    },
  ),
]

/** Returns the target of the audit entry: the first member, which selects. */
const targetOf = (selection: object): string =>
  'all' in selection ? 'all' : (Object.entries(selection)[0] ?? []).join(' ')

type Selection = Parameters<Deps['store']['redrive']>[0] & { all?: true }
/**
 * Returns a selection whose client or delivery exists. Removed clients count, because they may have
 * deliveries.
 * @throws Problem 404
 */
async function known({ store }: Deps, selection: Selection): Promise<Selection> {
  const { clientId, id } = selection
  if (clientId !== undefined) existing('client', await store.findClient(clientId))
  if (id !== undefined) await knownDelivery({ store }, id)
  return selection
}
