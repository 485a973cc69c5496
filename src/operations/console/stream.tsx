import type { Child } from 'hono/jsx'
import type { DeliveryState, SignalStream } from '../../../db/types.ts'
import { Problem } from '../../clients/problem.ts'
import { disableStream, removeStream } from '../acts/streams.ts'
import { Facts, LinkButton, Notice } from '../../pages/components.tsx'
import type { Client } from '../../protocol/client-metadata.ts'
import { SSF_SCOPES } from '../../protocol/names.ts'
import { caseAndCommentIn, confirmPage, problemOf } from './confirm.tsx'
import { Panel, nothingHere } from './layout.tsx'
import { count, nameOf, plural, STATE, when } from './format.ts'
import {
  actAt,
  asked,
  clientLink,
  type ConsoleRequest,
  isAdministrator,
  linkOf,
  type Mounted,
} from './request.ts'

/**
 * The Shared Signals stream of a client, on the client's page, with its deliveries. Administrators
 * disable and remove it, as with `cmb streams`.
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
      {now === undefined ? <NoStream /> : <Stream now={now} nowMs={nowMs} />}
    </Panel>
  )
}

const NoStream = () => <p class="soft">The receiver may create a stream. It has not created one.</p>

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
  const { id, status, statusBy, statusReason, eventsRequested, description, createdAt, updatedAt } =
    stream
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
          ['Created', when(createdAt * 1000, nowMs)],
          ['Changed', when(updatedAt * 1000, nowMs)],
        ]}
      />
      <p>
        <a href={linkOf('/ops/audit', { target: `stream ${id}` })}>
          What was changed, in the audit log
        </a>
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

const ACTS = {
  disable: {
    button: 'Disable the stream',
    means:
      'What is pending is closed. The receiver is sent the reason, and may enable the stream again.',
    done: 'The stream is disabled. The receiver is sent the reason.',
  },
  remove: {
    button: 'Remove the stream',
    means:
      'What is pending is closed, and the stream is deleted. The receiver may create another one.',
    done: 'The stream is removed.',
  },
} as const
const isAct = (act: string): act is keyof typeof ACTS => Object.hasOwn(ACTS, act)

export function ChangeStream({
  request,
  stream: { id, status },
}: {
  request: ConsoleRequest
  stream: SignalStream
}): Child {
  if (!isAdministrator(request)) return null
  return (
    <div class="row">
      {Object.entries(ACTS).map(([act, { button }]) =>
        act === 'disable' && status === 'disabled' ? null : (
          <LinkButton href={linkOf('/ops/streams', { id, act })} kind="danger">
            {button}
          </LinkButton>
        ),
      )}
    </div>
  )
}

/** Renders the result of the act that redirected to this page, if there is one. */
export function StreamDone({ request }: { request: ConsoleRequest }) {
  const act = asked(request, 'stream') ?? ''
  return isAct(act) ? <Notice kind="good" title={ACTS[act].done} /> : null
}

/**
 * Disables or removes a stream, or shows the page that confirms it.
 * @param sent the form; if left out, the confirmation page is shown
 */
async function changeStream(
  request: ConsoleRequest,
  source: URLSearchParams,
  sent?: URLSearchParams,
): Promise<Response> {
  const { deps, c, viewer } = request
  const [id, act] = [source.get('id') ?? '', source.get('act') ?? '']
  const stream = await deps.store.findStream(id)
  if (stream === undefined || !isAct(act))
    return nothingHere(
      request,
      'Nothing was changed: the stream is not there any more. Its receiver or another administrator removed it.',
      '/clients',
    )
  const back = clientLink(stream.clientId)
  const reason = 'For the audit log, and for the receiver of a disabled stream.'
  const problem = sent && problemOf(request, sent, { reason })
  if (sent === undefined || problem !== undefined)
    return confirmPage(request, {
      title: ACTS[act].button,
      at: '/clients',
      source,
      problem,
      facts: [
        ['Stream', <code>{id}</code>],
        ['Receiver', nameOf(deps, stream.clientId)],
        ['Then', ACTS[act].means],
      ],
      after: (
        <p class="soft">
          The receiver learns of no further revocation from this stream. To keep it out, also remove{' '}
          <code>ssf.read</code> and <code>ssf.manage</code> from the client.
        </p>
      ),
      action: '/streams',
      fields: { id, act },
      reason,
      button: ACTS[act].button,
      back: { href: back },
    })
  const { caseReference, comment = '' } = caseAndCommentIn(sent)
  try {
    if (act === 'disable')
      await disableStream(deps, viewer.caller, id, { reason: comment, caseReference })
    else await removeStream(deps, viewer.caller, id, { comment, caseReference })
    return c.redirect(linkOf(back, { stream: act }), 303)
  } catch (error) {
    if (!(error instanceof Problem)) throw error
    return nothingHere(request, `Nothing was changed: ${error.message}`, '/clients', 422, back)
  }
}

export const streamRoutes: readonly Mounted[] = [actAt('/streams', changeStream)]
