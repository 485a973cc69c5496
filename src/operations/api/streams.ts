import { Hono } from 'hono'
import { z } from 'zod'
import { disableStream, knownStream, removeStream, streamShown } from '../acts/streams.ts'
import type { Deps } from '../deps.ts'
import { seconds } from '../../protocol/described.ts'
import type { AdminEnv } from './caller.ts'
import { named, ok, route, said, shape } from './route.ts'
import { storedText } from '../../protocol/stored-text.ts'

/** The streams of Shared Signals receivers. Their receivers create and change them (src/signals/sent); administrators disable and remove them. */

const stream = shape('ReceiverStream', {
  ...{ id: z.string(), client_id: z.string() },
  method: z.string().meta({ description: 'urn:ietf:rfc:8935 (push) or urn:ietf:rfc:8936 (poll)' }),
  endpoint_url: z.string().nullable().meta({ description: 'of push' }),
  events_requested: z.array(z.string()),
  description: z.string().nullable(),
  status: z.enum(['enabled', 'paused', 'disabled']),
  status_by: z.enum(['receiver', 'broker', 'operator']).meta({ description: 'who set the status' }),
  status_reason: z.string().nullable(),
  verified_at: seconds.nullable().meta({ description: 'when the endpoint of push accepted a verification event; nothing else is pushed before' }),
  created_at: seconds,
  updated_at: seconds,
})
const changing = { may: 'administer', params: named } as const

export function streamRoutes(deps: Deps): Hono<AdminEnv> {
  const routes = new Hono<AdminEnv>()
  const list = {
    ...{ id: 'listStreams', summary: 'Lists streams of Shared Signals receivers', may: 'operate' as const },
    answers: { 200: ok('All of them.', z.object({ streams: z.array(stream) })) },
  }
  route(routes, 'get', '/streams', list, async (_, c) => c.json({ streams: (await deps.store.listStreams()).map(streamShown) }))
  const read = {
    ...{ id: 'showStream', summary: 'Shows one stream', may: 'operate' as const, params: named, rejects: [404] as const },
    answers: { 200: ok('The stream.', stream) },
  }
  route(routes, 'get', '/streams/:id', read, async ({ params }, c) => c.json(streamShown(await knownStream(deps, params.id))))
  const disabling = {
    ...{ id: 'disableStream', summary: 'Disables a stream and closes its pending deliveries', ...changing, rejects: [404, 409] as const },
    body: z.strictObject({ reason: storedText().trim().min(1).max(200).meta({ description: 'sent to the receiver' }), ...said }),
    answers: { 200: ok('As it is now.', stream) },
  }
  route(routes, 'post', '/streams/:id/disable', disabling, async ({ caller, params, body: { case_reference: caseReference, comment, reason } }, c) =>
    c.json(await disableStream(deps, caller, params.id, { reason, caseReference, comment })),
  )
  const removing = {
    ...{ id: 'removeStream', summary: 'Removes a stream and closes its pending deliveries', ...changing, rejects: [404] as const },
    query: z.strictObject(said),
    answers: { 200: ok('Removed.', z.object({ id: z.string(), removed: z.literal(true) })) },
  }
  route(routes, 'delete', '/streams/:id', removing, async ({ caller, params, query: { case_reference: caseReference, comment } }, c) =>
    c.json(await removeStream(deps, caller, params.id, { caseReference, comment })),
  )
  return routes
}
