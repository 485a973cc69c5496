import type { SignalStream } from '../db/types.ts'
import type { Deps } from './deps.ts'
import { releaseStream } from '../src/outbox/security-event-message.ts'

/**
 * Releases the events that push streams held while they were paused or not verified. Disables a
 * stream with too many pending events: its receiver gets `stream-updated`, and operators get an
 * alert. Run twice, it does nothing the second time.
 */

/**
 * The most pending events of a stream and, below, the greatest age of one. Beyond either, the
 * stream is disabled (docs/shared-signals.md).
 */
const MOST_KEPT = 1_000
const KEPT_SECONDS = 7 * 86_400

type Needs = Pick<Deps, 'store' | 'clock' | 'log' | 'queue'>

export async function tendStreams(deps: Needs, stillGoing: () => boolean): Promise<void> {
  const streams = await deps.store.listStreams()
  if (streams.length === 0) return
  const counts = await deps.store.deliveryCounts()
  for (const stream of streams) {
    if (!stillGoing()) return
    const pending = counts.find(
      ({ clientId, state }) => clientId === stream.id && state === 'pending',
    )
    if (pending === undefined || pending.count === 0 || stream.status === 'disabled') continue
    const why = overflow(pending.count, await oldestOf(deps, stream), deps.clock.nowMs())
    if (why !== undefined) await disable(deps, stream, why)
    else if (stream.method === 'push') await releaseStream(deps, stream.id, stillGoing)
  }
}

const oldestOf = async ({ store }: Needs, { id }: SignalStream): Promise<number | undefined> =>
  (await store.pollStream({ id, limit: 1 })).deliveries[0]?.createdAtMs

function overflow(
  count: number,
  oldestAtMs: number | undefined,
  nowMs: number,
): string | undefined {
  if (count > MOST_KEPT) return `More than ${MOST_KEPT} events were not delivered.`
  return oldestAtMs !== undefined && oldestAtMs < nowMs - KEPT_SECONDS * 1000
    ? `Events were not delivered for ${KEPT_SECONDS / 86_400} days.`
    : undefined
}

async function disable(
  { store, clock, log, queue }: Needs,
  { id, clientId }: SignalStream,
  why: string,
): Promise<void> {
  const lost = await store.closeDeliveries({
    targetId: id,
    reason: `The stream was disabled. ${why}`,
  })
  const change = { status: 'disabled', statusReason: why, statusBy: 'broker' } as const
  const done = await store.changeStream({ id, change, tell: true, now: clock.now() })
  if (done === undefined) return
  log.error('stream_disabled', {
    stream: id,
    client_id: clientId,
    cause: why,
    lost,
    next: 'Fix the receiver. The receiver then enables its stream again (POST /ssf/status).',
  })
  queue.send(done.refs)
}
