import type { Child } from 'hono/jsx'
import type { WebhookEndpoint } from '../../../db/types.ts'
import { unsettled } from '../acts/instances.ts'
import { count } from './format.ts'
import { STATE } from './texts/acts.ts'
import { type Columns, ms, timeColumn } from './list.tsx'
import { type ConsoleRequest, linkOf } from './request.ts'

/** The columns of webhook endpoints, with their undelivered messages. */

export type Counts = Awaited<ReturnType<ConsoleRequest['deps']['store']['deliveryCounts']>>

export const webhookColumns = (
  request: ConsoleRequest,
): Columns<WebhookEndpoint & { counts: Counts }> => [
  ['Endpoint', (one) => <Endpoint endpoint={one} />],
  [
    'State',
    ({ state, cause }) => (
      <>
        <span class={state === 'enabled' ? 'tag' : 'tag calm'}>{state}</span>
        {cause === undefined ? null : <div class="small">{cause}</div>}
      </>
    ),
  ],
  ['Messages', ({ position }) => count(position), ({ position }) => position],
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
  const left = counts.filter((one) => one.clientId === id && unsettled(one))
  if (left.length === 0) return <span class="soft">none</span>
  return left.map((one) => (
    <div>
      <a href={linkOf('/ops/deliveries', { client: id, state: one.state })}>
        {count(one.count)} {STATE[one.state].words}
      </a>
    </div>
  ))
}
