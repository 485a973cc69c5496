import { z } from 'zod'
import type { SignalStream } from '../../../db/types.ts'
import { Problem } from '../../audit/problem.ts'
import { text } from '../../protocol/described.ts'
import { storedText } from '../../protocol/stored-text.ts'
import { DELIVERY } from '../../protocol/stream-event.ts'
import { existing, noSuch } from '../acts/no-such.ts'
import { REJECTED } from '../acts/texts/rejected.ts'
import type { Deps } from '../deps.ts'
import { caseAndComment, named } from './fields.ts'
import { stream } from './shapes.ts'
import { route } from './route.ts'
import { toWire } from './wire.ts'

/**
 * Streams of Shared Signals receivers. Receivers create and change them (src/signals/sent);
 * administrators disable and remove them.
 */

/** Returns a stream for operators, without the receiver's header. */
const streamShown = (found: SignalStream) =>
  toWire(stream, { ...found, method: DELIVERY[found.method] })

/** Returns a stream. @throws Problem 404 */
const known = async ({ store }: Deps, id: string): Promise<SignalStream> =>
  existing('stream', await store.findStream(id))

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
    async ({ deps, params }) => streamShown(await known(deps, params.id)),
  ),
  route(
    'POST /streams/:id/disable',
    {
      id: 'disableStream',
      audit: 'stream.disable',
      params: named,
      body: z.strictObject({
        reason: storedText().trim().min(1).max(200),
        ...caseAndComment,
      }),
      answers: stream,
      rejects: [409],
    },
    // The receiver may enable it again.
    async ({ deps, now, record, params: { id }, body: { reason } }) => {
      const { clientId, status } = await known(deps, id)
      return record(`stream ${id}`, { client_id: clientId, before: status, reason }, async () => {
        if (status === 'disabled')
          throw new Problem(409, 'The stream is disabled', REJECTED.stream_disabled(id))
        await deps.store.closeDeliveries({
          targetId: id,
          reason: 'The stream was disabled by an administrator.',
        })
        const change = { status: 'disabled', statusReason: reason, statusBy: 'operator' } as const
        const changed = await deps.store.changeStream({ id, change, tell: true, now })
        const { refs, stream: disabled } = existing('stream', changed)
        deps.queue.send(refs)
        return streamShown(disabled)
      })
    },
  ),
  route(
    'DELETE /streams/:id',
    {
      id: 'removeStream',
      audit: 'stream.remove',
      params: named,
      query: z.strictObject(caseAndComment),
      answers: z.object({ id: text, removed: z.literal(true) }),
    },
    async ({ deps, record, params: { id } }) =>
      record(`stream ${id}`, streamShown(await known(deps, id)), async () => {
        if (!(await deps.store.removeStream(id))) throw noSuch('stream')
        await deps.store.closeDeliveries({
          targetId: id,
          reason: 'The stream was removed by an administrator.',
        })
        return { id }
      }),
  ),
]
