import { z } from 'zod'
import { text } from '../../protocol/described.ts'
import { storedText } from '../../protocol/stored-text.ts'
import { disableStream, knownStream, removeStream, streamShown } from '../acts/streams.ts'
import { caseAndComment, named } from './fields.ts'
import { stream } from './shapes.ts'
import { ok, route } from './route.ts'

/**
 * Streams of Shared Signals receivers. Receivers create and change them (src/signals/sent);
 * administrators disable and remove them.
 */

export const streamRoutes = [
  route(
    'GET /streams',
    {
      id: 'listStreams',
      summary: 'Lists streams of Shared Signals receivers',
      answers: { 200: ok('All of them.', z.object({ streams: z.array(stream) })) },
    },
    async ({ deps }) => ({ streams: (await deps.store.listStreams()).map(streamShown) }),
  ),
  route(
    'GET /streams/:id',
    {
      id: 'showStream',
      summary: 'Shows one stream',
      params: named,
      answers: { 200: ok('The stream.', stream) },
      rejects: [404],
    },
    async ({ deps, params }) => streamShown(await knownStream(deps, params.id)),
  ),
  route(
    'POST /streams/:id/disable',
    {
      id: 'disableStream',
      summary: 'Disables a stream and closes its pending deliveries',
      params: named,
      body: z.strictObject({
        reason: storedText().trim().min(1).max(200).meta({ description: 'sent to the receiver' }),
        ...caseAndComment,
      }),
      answers: { 200: ok('As it is now.', stream) },
      rejects: [404, 409],
    },
    ({ deps, caller, params, body }) => disableStream(deps, caller, params.id, body),
  ),
  route(
    'DELETE /streams/:id',
    {
      id: 'removeStream',
      summary: 'Removes a stream and closes its pending deliveries',
      params: named,
      query: z.strictObject(caseAndComment),
      answers: { 200: ok('Removed.', z.object({ id: text, removed: z.literal(true) })) },
      rejects: [404],
    },
    ({ deps, caller, params, query }) => removeStream(deps, caller, params.id, query),
  ),
]
