import { z } from 'zod'
import { text } from '../../protocol/described.ts'
import { storedText } from '../../protocol/stored-text.ts'
import { disableStream, knownStream, removeStream, streamShown } from '../acts/streams.ts'
import { caseAndComment, named } from './fields.ts'
import { stream } from './shapes.ts'
import { route } from './route.ts'

/**
 * Streams of Shared Signals receivers. Receivers create and change them (src/signals/sent);
 * administrators disable and remove them.
 */

export const streamRoutes = [
  route(
    'GET /streams',
    {
      id: 'listStreams',
      answers: z.object({ streams: z.array(stream) }),
    },
    async ({ deps }) => ({ streams: (await deps.store.listStreams()).map(streamShown) }),
  ),
  route(
    'GET /streams/:id',
    {
      id: 'showStream',
      params: named,
      answers: stream,
    },
    async ({ deps, params }) => streamShown(await knownStream(deps, params.id)),
  ),
  route(
    'POST /streams/:id/disable',
    {
      id: 'disableStream',
      params: named,
      body: z.strictObject({
        reason: storedText().trim().min(1).max(200),
        ...caseAndComment,
      }),
      answers: stream,
      rejects: [409],
    },
    ({ deps, caller, params, body }) => disableStream(deps, caller, params.id, body),
  ),
  route(
    'DELETE /streams/:id',
    {
      id: 'removeStream',
      params: named,
      query: z.strictObject(caseAndComment),
      answers: z.object({ id: text, removed: z.literal(true) }),
    },
    ({ deps, caller, params, query }) => removeStream(deps, caller, params.id, query),
  ),
]
