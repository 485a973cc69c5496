import type { Child } from 'hono/jsx'
import type { DeliveryState, WebhookEndpoint } from '../../../db/types.ts'
import { consolePage, Live, Panel, Table } from './layout.tsx'
import { count, STATE, when } from './format.ts'
import { type ConsoleRequest, linkOf } from './request.ts'

/**
 * The page of webhook endpoints and their undelivered messages. It changes nothing: cmb and the
 * admin API do.
 */

type Counts = Awaited<ReturnType<ConsoleRequest['deps']['store']['deliveryCounts']>>

export async function webhooksPage(request: ConsoleRequest): Promise<Response> {
  const { store, clock } = request.deps
  const [endpoints, counts] = await Promise.all([store.listWebhooks(), store.deliveryCounts()])
  const rows = endpoints.map((one) => row(one, counts, clock.nowMs()))
  return consolePage(
    request,
    { title: 'Webhooks', at: '/webhooks', live: true },
    <Live id="webhooks">
      <Panel>
        <Table
          label="Webhook endpoints"
          head={[
            'Endpoint',
            'State',
            'Messages',
            'Not delivered',
            'Events',
            'Personal data',
            'Changed',
          ]}
          rows={rows}
          none="There is no webhook endpoint. Add one: cmb webhooks add --help"
        />
        <p class="soft small">
          Change one with <code>cmb webhooks</code> or the admin API; <code>cmb webhooks test</code>{' '}
          sends a test event.
        </p>
      </Panel>
    </Live>,
  )
}

/**
 * Returns the row of an endpoint. It names only the host of the URL, because the path may be a
 * secret of the receiver.
 */
function row(one: WebhookEndpoint, counts: Counts, nowMs: number): Child[] {
  return [
    <>
      <strong>{one.description ?? new URL(one.url).host}</strong>
      <div class="small">
        {new URL(one.url).host} · <code>{one.id}</code>
      </div>
    </>,
    <>
      <span class={one.state === 'enabled' ? 'tag' : 'tag calm'}>{one.state}</span>
      {one.cause === undefined ? null : <div class="small">{one.cause}</div>}
    </>,
    count(one.position),
    undelivered(one.id, counts),
    <span class="small">{one.events.join(', ')}</span>,
    <span class="small">{one.include.join(', ') || 'none'}</span>,
    when(one.updatedAt * 1000, nowMs),
  ]
}

const UNDELIVERED: readonly DeliveryState[] = ['pending', 'rejected', 'failed']

function undelivered(id: string, counts: Counts): Child {
  const left = counts.filter(
    (one) => one.clientId === id && UNDELIVERED.includes(one.state) && one.count > 0,
  )
  if (left.length === 0) return <span class="soft">none</span>
  return left.map((one) => (
    <div>
      <a href={linkOf('/ops/deliveries', { client: id, state: one.state })}>
        {count(one.count)} {STATE[one.state].words}
      </a>
    </div>
  ))
}
