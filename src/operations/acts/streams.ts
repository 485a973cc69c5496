import type { SignalStream } from '../../../db/types.ts'
import { stream } from '../contract/shapes.ts'
import { shown } from '../contract/wire.ts'
import type { Deps } from '../deps.ts'
import { DELIVERY } from '../../protocol/stream-event.ts'
import type { Caller } from '../../clients/caller.ts'
import { Problem } from '../../clients/problem.ts'
import { type CaseAndComment, withAudit } from '../../clients/with-audit.ts'
import { existing, noSuch } from './no-such.ts'
import { REJECTED } from './texts/rejected.ts'

/**
 * Streams of security event receivers: what operators see, and the administrators' acts. Each act
 * is recorded in the audit log. The receiver's header is never shown.
 */

export const streamShown = (one: SignalStream) =>
  shown(stream, { ...one, method: DELIVERY[one.method] })

/** Returns a stream. @throws Problem 404 */
export const knownStream = async (
  { store }: Pick<Deps, 'store'>,
  id: string,
): Promise<SignalStream> => existing('stream', await store.findStream(id))

/**
 * Disables a stream: closes its pending deliveries and sends the receiver `stream-updated`. The
 * receiver may enable it again.
 */
export async function disableStream(
  deps: Deps,
  caller: Caller,
  id: string,
  { reason, ...caseAndComment }: CaseAndComment & { reason: string },
) {
  const before = await knownStream(deps, id)
  const details = { client_id: before.clientId, before: before.status, reason }
  return withAudit(
    deps,
    caller,
    { act: 'stream.disable', target: `stream ${id}`, details, ...caseAndComment },
    async () => {
      if (before.status === 'disabled')
        throw new Problem(409, 'The stream is disabled', REJECTED.stream_disabled(id))
      await deps.store.closeDeliveries({
        targetId: id,
        reason: 'The stream was disabled by an administrator.',
      })
      const change = { status: 'disabled', statusReason: reason, statusBy: 'operator' } as const
      const done = existing(
        'stream',
        await deps.store.changeStream({ id, change, tell: true, now: deps.clock.now() }),
      )
      deps.queue.send(done.refs)
      return streamShown(done.stream)
    },
  )
}

/** Removes a stream and closes its pending deliveries. The receiver may create another one. */
export async function removeStream(
  deps: Deps,
  caller: Caller,
  id: string,
  caseAndComment: CaseAndComment,
) {
  const before = await knownStream(deps, id)
  return withAudit(
    deps,
    caller,
    {
      act: 'stream.remove',
      target: `stream ${id}`,
      details: streamShown(before),
      ...caseAndComment,
    },
    async () => {
      if (!(await deps.store.removeStream(id))) throw noSuch('stream')
      await deps.store.closeDeliveries({
        targetId: id,
        reason: 'The stream was removed by an administrator.',
      })
      return { id }
    },
  )
}
