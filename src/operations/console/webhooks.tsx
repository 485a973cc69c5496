import type { Child } from 'hono/jsx'
import type { WebhookEndpoint } from '../../../db/types.ts'
import { unsettled } from '../acts/instances.ts'
import { count } from './format.ts'
import { STATE } from './texts/acts.ts'
import { Live, Panel } from './layout.tsx'
import { type Columns, listOf, ms, timeColumn } from './list.tsx'
import { type ConsoleRequest, linkOf } from './request.ts'
import { NO_WEBHOOK, NOTES } from './texts/registered.tsx'

/** The endpoints of webhooks, with their undelivered messages. */

type Counts = Awaited<ReturnType<ConsoleRequest['deps']['store']['deliveryCounts']>>

type Row = WebhookEndpoint & { counts: Counts }

export async function webhookPanel(request: ConsoleRequest): Promise<Child> {
  const { store } = request.deps
  const [endpoints, counts] = await Promise.all([store.listWebhooks(), store.deliveryCounts()])
  return (
    <Live id="webhooks">
      <Panel title="Webhook endpoints">
        {await listOf<Row>(request, {
          label: 'Webhook endpoints',
          columns: webhookColumns(request),
          entries: endpoints.map((endpoint) => ({ ...endpoint, counts })),
          none: NO_WEBHOOK,
        })}
        <p class="soft small">{NOTES.webhooks}</p>
      </Panel>
    </Live>
  )
}

const webhookColumns = (request: ConsoleRequest): Columns<Row> => [
  ['Endpoint', (row) => <Endpoint endpoint={row} />],
  [
    'State',
    ({ state, cause }) => (
      <>
        <span class={state === 'enabled' ? 'tag' : 'tag calm'}>{state}</span>
        {cause === undefined ? null : <div class="small">{cause}</div>}
      </>
    ),
  ],
  ['Messages', ({ position }) => count(position)],
  ['Not delivered', ({ id, counts }) => undelivered(id, counts)],
  ['Events', ({ events }) => <span class="small">{events.join(', ')}</span>],
  ['Personal data', ({ include }) => <span class="small">{include.join(', ') || 'none'}</span>],
  timeColumn(request, 'Changed', ({ updatedAt }) => ms(updatedAt)),
]

/** Names only the host of the URL, because the path may be a secret of the receiver. */
const Endpoint = ({ endpoint: { id, url, description } }: { endpoint: WebhookEndpoint }) => (
  <>
    <strong>{description ?? new URL(url).host}</strong>
    <div class="small">
      {new URL(url).host} · <code>{id}</code>
    </div>
  </>
)

/** Links to what is not delivered of a webhook endpoint or a stream. */
export function undelivered(id: string, counts: Counts): Child {
  const left = counts.filter((candidate) => candidate.clientId === id && unsettled(candidate))
  if (left.length === 0) return <span class="soft">none</span>
  return left.map((entry) => (
    <div>
      <a href={linkOf('/ops/deliveries', { client: id, state: entry.state })}>
        {count(entry.count)} {STATE[entry.state].words}
      </a>
    </div>
  ))
}
