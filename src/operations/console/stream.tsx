import type { DeliveryState, SignalStream } from '../../../db/types.ts'
import { Facts } from '../../pages/components.tsx'
import type { Client } from '../../protocol/client-metadata.ts'
import { SSF_SCOPES } from '../../protocol/names.ts'
import { Panel } from './layout.tsx'
import { count, plural, STATE, when } from './format.ts'
import { type ConsoleRequest, linkOf } from './request.ts'

/**
 * The Shared Signals stream of a client, on the client's page, with its deliveries. It changes
 * nothing: cmb and the admin API do.
 */

interface StreamNow {
  stream: SignalStream
  counts: { state: DeliveryState; count: number }[]
  lastDeliveredAtMs: number | undefined
}

export async function streamNow(
  { deps: { store } }: ConsoleRequest,
  clientId: string,
): Promise<StreamNow | undefined> {
  const stream = await store.streamOfClient(clientId)
  if (stream === undefined) return undefined
  const [counts, [last]] = await Promise.all([
    store.deliveryCounts(),
    store.listDeliveries({ clientId: stream.id, state: 'delivered', limit: 1 }),
  ])
  return {
    stream,
    counts: counts.filter((one) => one.clientId === stream.id),
    lastDeliveredAtMs: last?.settledAtMs,
  }
}

/** Renders the stream, or nothing for a client whose scopes allow no stream. */
export function StreamPanel({
  now,
  client,
  nowMs,
}: {
  now: StreamNow | undefined
  client: Client | undefined
  nowMs: number
}) {
  if (
    now === undefined &&
    client?.metadata.scopes.some((scope) => SSF_SCOPES.some((one) => one === scope)) !== true
  )
    return null
  return (
    <Panel title="Security events (Shared Signals)">
      {now === undefined ? (
        <p class="soft">The receiver may create a stream. It has not created one.</p>
      ) : (
        <Stream now={now} nowMs={nowMs} />
      )}
    </Panel>
  )
}

const SET_BY: Record<SignalStream['statusBy'], string> = {
  receiver: 'the receiver',
  broker: 'the broker',
  operator: 'an administrator',
}

function Stream({
  now: { stream, counts, lastDeliveredAtMs },
  nowMs,
}: {
  now: StreamNow
  nowMs: number
}) {
  const { id, status, statusBy, statusReason, eventsRequested, description } = stream
  return (
    <>
      <Facts
        items={[
          ['Stream', <code>{id}</code>],
          ['Description', description],
          ['Status', <span class={status === 'enabled' ? 'tag' : 'tag calm'}>{status}</span>],
          ['Set by', SET_BY[statusBy]],
          ['Reason', statusReason],
          ['Delivery', deliveryOf(stream)],
          ['Pending', <Deliveries id={id} state="pending" counts={counts} />],
          ['Rejected', <Deliveries id={id} state="rejected" counts={counts} />],
          ['Failed', <Deliveries id={id} state="failed" counts={counts} />],
          [
            'Last delivered',
            lastDeliveredAtMs === undefined ? 'no event yet' : when(lastDeliveredAtMs, nowMs),
          ],
          [
            'Events',
            eventsRequested.length === 0
              ? 'none'
              : eventsRequested.map((one) => <div class="small">{one}</div>),
          ],
        ]}
      />
      <p>
        <a href={linkOf('/ops/audit', { target: `stream ${id}` })}>
          What was changed, in the audit log
        </a>
      </p>
      <p class="soft small">
        Disable or remove it with <code>cmb streams</code> or the admin API.
      </p>
    </>
  )
}

/**
 * Returns in words how the stream delivers. It names only the endpoint's host, because the path may
 * be a secret of the receiver.
 */
function deliveryOf({ method, endpointUrl, verifiedAt }: SignalStream): string {
  if (method === 'poll' || endpointUrl === undefined) return 'polled by the receiver'
  const waits =
    verifiedAt === undefined
      ? ', which has not accepted the verification event yet: other events wait'
      : ''
  return `pushed to ${new URL(endpointUrl).host}${waits}`
}

function Deliveries({
  id,
  state,
  counts,
}: {
  id: string
  state: DeliveryState
  counts: StreamNow['counts']
}) {
  const number = counts.find((one) => one.state === state)?.count ?? 0
  return (
    <a
      href={linkOf('/ops/deliveries', { client: id, state })}
      aria-label={plural(number, `${STATE[state].words} event`)}
    >
      {count(number)}
    </a>
  )
}
