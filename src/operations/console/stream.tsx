import type { Child } from 'hono/jsx'
import type { SignalStream } from '../../../db/types.ts'
import { Facts } from '../../pages/components.tsx'
import type { Client } from '../../protocol/client-metadata.ts'
import { SSF_SCOPES } from '../../protocol/names.ts'
import { Panel } from './layout.tsx'
import { type ConsoleRequest, linkOf } from './request.ts'
import { undelivered } from './webhooks.tsx'
import { DISABLE, SET_BY, STREAM } from './texts/stream.tsx'
import { Time } from './time.tsx'

/**
 * The Shared Signals stream of a client, on the client's page, with its deliveries. It changes
 * nothing: cmb and the admin API do.
 */

/** Renders the stream, or nothing for a client whose scopes allow no stream. */
export async function streamPanel(
  { deps: { store, clock } }: ConsoleRequest,
  clientId: string,
  client: Client | undefined,
): Promise<Child> {
  const stream = await store.streamOfClient(clientId)
  if (stream === undefined)
    return client?.metadata.scopes.some((scope) =>
      SSF_SCOPES.some((ssfScope) => ssfScope === scope),
    ) ? (
      <Panel title={STREAM.title}>
        <p class="soft">{STREAM.none}</p>
      </Panel>
    ) : null
  const { id, status, statusBy, statusReason, eventsRequested, description } = stream
  const [counts, [last]] = await Promise.all([
    store.deliveryCounts(),
    store.listDeliveries({ clientId: id, state: 'delivered', limit: 1 }),
  ])
  const at = last?.settledAtMs
  return (
    <Panel title={STREAM.title}>
      <Facts
        items={[
          ['Stream', <code>{id}</code>],
          ['Description', description],
          ['Status', <span class={status === 'enabled' ? 'tag' : 'tag calm'}>{status}</span>],
          ['Set by', SET_BY[statusBy]],
          ['Reason', statusReason],
          ['Delivery', deliveryOf(stream)],
          ['Not delivered', undelivered(id, counts)],
          [
            'Last delivered',
            at === undefined ? STREAM.noEvent : <Time atMs={at} nowMs={clock.nowMs()} />,
          ],
          ['Events', eventsRequested.map((event) => <div class="small">{event}</div>)],
        ]}
      />
      <p>
        <a href={linkOf('/ops/audit', { target: `stream ${id}` })}>{STREAM.audit}</a>
      </p>
      <p class="soft small">{DISABLE}</p>
    </Panel>
  )
}
/**
 * Returns in words how the stream delivers. It names only the endpoint's host, because the path may
 * be a secret of the receiver.
 */
function deliveryOf({ method, endpointUrl, verifiedAt }: SignalStream): string {
  if (method === 'poll' || endpointUrl === undefined) return STREAM.polled
  return STREAM.pushed(new URL(endpointUrl).host, verifiedAt !== undefined)
}
