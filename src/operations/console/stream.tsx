import type { Child } from 'hono/jsx'
import type { DeliveryState, SignalStream } from '../../../db/types.ts'
import { Problem } from '../../clients/problem.ts'
import { disableStream, knownStream, removeStream } from '../acts/streams.ts'
import { Button, Facts, Notice } from '../../pages/components.tsx'
import { SelectField, TextField } from '../../pages/fields.tsx'
import type { Client } from '../../protocol/client-metadata.ts'
import { SSF_SCOPES } from '../../protocol/names.ts'
import { FRESH_SECONDS, isFresh } from '../../clients/session/lifetimes.ts'
import { SignInAgain } from './confirm.tsx'
import { Hidden, isAdministrator, Panel, type ConsoleRequest, nothingHere } from './layout.tsx'
import { count, plural, STATE, when } from './format.ts'
import { clientLink, linkOf } from './links.ts'

/**
 * The Shared Signals stream of a client on its page: how its events fare; administrators disable
 * and remove it, as with `cmb streams`.
 */

const LONGEST_REASON = 200
const LONGEST_CASE = 200

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

/** Nothing for a client that can have no stream. */
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

/** Of the endpoint only the host: its path may be a secret of the receiver. */
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

const DISABLE = [
  'disable',
  'Disable: close what is pending, and send the receiver the reason. It may enable the stream again',
] as const
const REMOVE = [
  'remove',
  'Remove: close what is pending, and delete the stream. The receiver may create another one',
] as const

/** Not a live part: what an administrator types stays. */
export function ChangeStream({
  request,
  stream,
}: {
  request: ConsoleRequest
  stream: SignalStream
}): Child {
  if (!isAdministrator(request)) return null
  return (
    <Panel title="Disable or remove the stream">
      <p class="soft">
        The receiver learns of no further revocation from this stream. To keep it out, also remove{' '}
        <code>ssf.read</code> and <code>ssf.manage</code> from the client.
      </p>
      {isFresh(request.operator.session, request.now) ? null : <SignInAgain what="This" />}
      <form class="stack" method="post" action="/ops/streams">
        <Hidden request={request} fields={{ id: stream.id }} />
        <SelectField
          name="act"
          label="What do you want to do?"
          options={stream.status === 'disabled' ? [REMOVE] : [DISABLE, REMOVE]}
        />
        <TextField
          name="reason"
          label="Reason"
          hint="For the audit log, and for the receiver of a disabled stream."
          maxlength={LONGEST_REASON}
          required
        />
        <TextField
          id="stream-case"
          name="case_reference"
          label="Case (optional)"
          maxlength={LONGEST_CASE}
          literal
        />
        <Button kind="danger">Change the stream</Button>
      </form>
    </Panel>
  )
}

const DONE: Record<string, string> = {
  disabled: 'The stream is disabled. The receiver is sent the reason.',
  removed: 'The stream is removed.',
}

/** What was done a moment ago. */
export function StreamDone({ request }: { request: ConsoleRequest }) {
  const words = DONE[request.c.req.query('stream') ?? '']
  return words === undefined ? null : <Notice kind="good" title={words} />
}

export async function changeStream(
  request: ConsoleRequest,
  form: URLSearchParams,
): Promise<Response> {
  const { deps, c, operator, now } = request
  const rejected = (what: string, status: 403 | 404 | 422, href?: string) =>
    nothingHere(request, what, '/ops/clients', status, href)
  if (!isAdministrator(request))
    return rejected('Disabling or removing a stream needs the app role Broker.Administrator.', 403)
  const [id, act] = [form.get('id') ?? '', form.get('act')]
  const [reason, caseReference] = [
    (form.get('reason') ?? '').trim(),
    (form.get('case_reference') ?? '').trim() || undefined,
  ]
  try {
    const { clientId } = await knownStream(deps, id)
    const back = clientLink(clientId)
    if (!isFresh(operator.session, now))
      return rejected(`Nothing was changed: sign in again. ${NEEDS_FRESH}`, 403, back)
    if (
      (act !== 'disable' && act !== 'remove') ||
      reason === '' ||
      reason.length > LONGEST_REASON ||
      (caseReference ?? '').length > LONGEST_CASE
    )
      return rejected(
        `Nothing was changed: choose what to do, and give a reason of at most ${LONGEST_REASON} characters.`,
        422,
        back,
      )
    if (act === 'disable') await disableStream(deps, operator.caller, id, { reason, caseReference })
    else await removeStream(deps, operator.caller, id, { comment: reason, caseReference })
    return c.redirect(linkOf(back, { stream: act === 'disable' ? 'disabled' : 'removed' }), 303)
  } catch (error) {
    if (!(error instanceof Problem)) throw error
    const gone =
      'Nothing was changed: the stream is not there any more. Its receiver or another administrator removed it.'
    return error.status === 404
      ? rejected(gone, 404)
      : rejected(`Nothing was changed: the stream is disabled already.`, 422)
  }
}

const NEEDS_FRESH = `Disabling or removing a stream needs a sign-in that is no older than ${FRESH_SECONDS / 60} minutes.`
