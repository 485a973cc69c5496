import type { Child } from 'hono/jsx'
import type { Delivery, DeliveryState } from '../../../db/types.ts'
import { Button, Notice } from '../../pages/components.tsx'
import { closeAs, redriveAs, tryNowAs, type WhichDeliveries } from '../acts/deliveries.ts'
import { caseAndCommentIn, confirmPage, problemOf } from './confirm.tsx'
import { consolePage, Done, Hidden, Live, Panel, nothingHere } from './layout.tsx'
import { addressOf, count, nameOf, plural, STATE, when, whoIs } from './format.ts'
import { Filters, listOf } from './list.tsx'
import { DELIVERY, pageOf, placeOf } from './pages.tsx'
import {
  actAt,
  asked,
  type ConsoleRequest,
  isAdministrator,
  linkOf,
  mayAct,
  type Mounted,
  sessionLink,
  userLink,
} from './request.ts'

/**
 * The page of deliveries. Operators redrive rejected and failed ones: one, those of an address or
 * instance, or all. Administrators close deliveries that will never be delivered.
 */

const PAGE = 50
const STATES: readonly DeliveryState[] = [
  'failed',
  'rejected',
  'pending',
  'delivered',
  'superseded',
  'closed',
]
const stateOf = (value: string | undefined): DeliveryState =>
  STATES.find((one) => one === value) ?? 'failed'
const FAILED: readonly DeliveryState[] = ['failed', 'rejected']
/** The states that can be closed. */
const OPEN: readonly DeliveryState[] = ['pending', ...FAILED]

async function deliveriesPage(request: ConsoleRequest): Promise<Response> {
  const { deps } = request
  const clientId = asked(request, 'client')
  const state = stateOf(asked(request, 'state'))
  const place = placeOf(request, DELIVERY)
  const [found, counts] = await Promise.all([
    deps.store.listDeliveries({ state, clientId, before: place.before, limit: PAGE + 1 }),
    deps.store.deliveryCounts(),
  ])
  const { shown, next } = pageOf(found, PAGE, ({ id }) => id)
  const whose = await whoseOf(request, shown)
  const done = doneWords(request)
  const total = (one: DeliveryState): number =>
    counts
      .filter((each) => each.state === one && (clientId ?? each.clientId) === each.clientId)
      .reduce((sum, each) => sum + each.count, 0)
  const list = await listOf<Delivery>(request, {
    label: 'Deliveries',
    columns: columnsOf(request, whose),
    entries: shown,
    none: 'No delivery matches.',
    pages: { place, next },
  })
  return consolePage(
    request,
    { title: 'Deliveries', at: '/deliveries', live: true },
    <>
      {done === undefined ? (
        <Done request={request} results={TRIED} name="tried" />
      ) : (
        <Notice kind="good" title={done} />
      )}
      <Panel>
        <Filters
          request={request}
          path="/deliveries"
          fields={[
            [
              'state',
              'State',
              STATES.map((one) => [one, `${stateTitle(one)} (${count(total(one))})`] as const),
            ],
            [
              'client',
              'Instance',
              [
                ['', 'All'],
                ...clientIds(request, counts).map((one) => [one, nameOf(deps, one)] as const),
              ],
            ],
          ]}
        />
      </Panel>
      <Live id="deliveries">
        <Panel
          title={`${stateTitle(state)}${clientId === undefined ? '' : `, ${nameOf(deps, clientId)}`}`}
        >
          {list}
        </Panel>
        {shown.length > 0 ? (
          <Many request={request} state={state} shown={shown} clientId={clientId} />
        ) : null}
      </Live>
    </>,
  )
}

/** Returns how many deliveries the act that led here has redriven or closed, or undefined. */
function doneWords(request: ConsoleRequest): string | undefined {
  const number = (name: string): number | undefined => {
    const text = asked(request, name) ?? ''
    return /^\d{1,9}$/.test(text) ? Number(text) : undefined
  }
  const [redriven, closed] = [number('redriven'), number('closed')]
  if (redriven !== undefined)
    return `${plural(redriven, 'delivery', 'deliveries')} will be retried now.`
  return closed === undefined
    ? undefined
    : `${plural(closed, 'delivery was', 'deliveries were')} closed.`
}
const TRIED: Readonly<Record<string, string>> = {
  yes: 'The next attempt is due now. If the instance does not answer, it is made as the next probe.',
  no: 'This delivery is not pending any more. Nothing was changed.',
}
const stateTitle = (state: DeliveryState): string =>
  STATE[state].words.replace(/^./, (letter) => letter.toUpperCase())
type Counts = Awaited<ReturnType<ConsoleRequest['deps']['store']['deliveryCounts']>>

const clientIds = (request: ConsoleRequest, counts: Counts): string[] => [
  ...new Set([
    ...request.deps.clients
      .list()
      .filter((one) => one.source !== 'broker')
      .map((one) => one.clientId),
    ...counts.map((one) => one.clientId),
  ]),
]

/**
 * Returns the status and error of the last attempt. Leaves the status out if the error names it.
 */
const lastAnswer = ({ lastStatus, lastError }: Delivery): string | undefined =>
  lastStatus === undefined || lastError?.includes(`HTTP ${lastStatus}`) === true
    ? lastError
    : [lastStatus, lastError].filter(Boolean).join(' ')

const named = ({ deps }: ConsoleRequest, { seq, id, clientId }: Delivery): string =>
  `${seq === undefined ? `message ${id}` : `revocation ${seq}`} at ${nameOf(deps, clientId)}`
const again = (request: ConsoleRequest, one: Delivery): string => `Try now: ${named(request, one)}`

/** Returns the cell that names the user and the device of a delivery. */
export async function whoseOf(
  request: ConsoleRequest,
  shown: readonly Delivery[],
): Promise<(one: Delivery) => Child> {
  const { deps, now } = request
  const sids = [...new Set(shown.flatMap(({ sid }) => sid ?? []))]
  const found = await Promise.all(sids.map((sid) => deps.store.statusBySid(sid, now)))
  const sessions = new Map(
    found.flatMap((one) => (one.state === 'unknown' ? [] : [[one.session.sid, one.session]])),
  )
  return ({ sid, sub }) => {
    const session = sessions.get(sid ?? '')
    if (session !== undefined)
      return (
        <>
          <a href={sessionLink(request, session.sub, session.sid)}>{whoIs(session)}</a>
          <div class="small">{session.device}</div>
        </>
      )
    if (sub !== undefined) return <a href={userLink(request, sub)}>All of one user</a>
    return <span class="soft">{sid === undefined ? 'none' : 'no longer kept'}</span>
  }
}

const NONE = <span class="soft">none</span>

function columnsOf(
  request: ConsoleRequest,
  whose: (one: Delivery) => Child,
): Parameters<typeof listOf<Delivery>>[1]['columns'] {
  const { deps } = request
  return [
    ['Instance', ({ clientId }) => nameOf(deps, clientId)],
    ['Session', whose],
    [
      'Revocation',
      ({ seq }) => (seq === undefined ? NONE : <a href={`/ops/revocations/${seq}`}>{seq}</a>),
    ],
    ['Attempts', ({ attempts }) => count(attempts)],
    ['Last answer', (one) => lastAnswer(one) ?? NONE],
    [
      'Next attempt',
      ({ nextAttemptAtMs: atMs }) => (atMs === undefined ? NONE : when(atMs, deps.clock.nowMs())),
    ],
    ['Address', (one) => <span class="small">{addressOf(one)}</span>],
    ['Act', (one) => <Acts request={request} delivery={one} />],
  ]
}

const Acts = ({ request, delivery }: { request: ConsoleRequest; delivery: Delivery }) => (
  <>
    {mayAct(request) && FAILED.includes(delivery.state) ? (
      <Now request={request} fields={{ id: delivery.id }} small label={again(request, delivery)}>
        Try now
      </Now>
    ) : null}
    {mayAct(request) && delivery.state === 'pending' ? (
      <Now
        request={request}
        act="try"
        fields={{ id: delivery.id }}
        small
        label={again(request, delivery)}
      >
        Try now
      </Now>
    ) : null}
    {isAdministrator(request) && OPEN.includes(delivery.state) ? (
      <a
        href={closeLink(`id ${delivery.id}`)}
        aria-label={`Close this delivery: ${named(request, delivery)}`}
      >
        Close this delivery
      </a>
    ) : null}
  </>
)

/**
 * Forms that redrive and links that close many deliveries: those of an address, of the instance, or
 * all.
 */
function Many({
  request,
  state,
  shown,
  clientId,
}: {
  request: ConsoleRequest
  state: DeliveryState
  shown: readonly Delivery[]
  clientId: string | undefined
}) {
  const all: (readonly [which: 'target_id' | 'client_id', id: string, to: string])[] = [
    ...new Map(shown.map((one) => [one.targetId, addressOf(one)])),
  ].map(([id, uri]) => ['target_id', id, uri] as const)
  if (clientId !== undefined) all.push(['client_id', clientId, nameOf(request.deps, clientId)])
  return (
    <>
      {mayAct(request) && FAILED.includes(state) ? (
        <Panel title="Try all now">
          <p class="soft">
            Every rejected or failed delivery becomes pending again and is attempted at once. A
            delivered logout token is not sent again.
          </p>
          <div class="stack">
            {all.map(([which, id, to]) => (
              <Now request={request} fields={{ [which]: id }}>
                Try all to {to} now
              </Now>
            ))}
            <Now request={request} fields={{ all: 'yes' }}>
              Try all rejected and failed ones now
            </Now>
          </div>
        </Panel>
      ) : null}
      {isAdministrator(request) && OPEN.includes(state) ? (
        <Panel title="Close all">
          <p class="soft">
            For an instance that no longer exists, or an address that was replaced: all pending,
            rejected and failed deliveries.
          </p>
          <ul class="bullets">
            {all.map(([which, id, to]) => (
              <li>
                <a href={closeLink(`${which} ${id}`)}>Close all to {to}</a>
              </li>
            ))}
          </ul>
        </Panel>
      ) : null}
    </>
  )
}

/** A button that makes deliveries due now. It needs no confirmation, because it ends nothing. */
export const Now = ({
  request,
  act = 'redrive',
  fields,
  ...button
}: {
  request: ConsoleRequest
  act?: 'redrive' | 'try'
  fields: Record<string, string>
  small?: boolean
  label?: string
  children: Child
}) => (
  <form method="post" action={`/ops/deliveries/${act}`}>
    <Hidden request={request} fields={fields} />
    <Button kind="quiet" {...button} />
  </form>
)

async function tryNow(
  { deps, c, viewer }: ConsoleRequest,
  form: URLSearchParams,
): Promise<Response> {
  const tried = await tryNowAs(deps, viewer.caller, (form.get('id') ?? '').slice(0, 200))
  return c.redirect(
    linkOf('/ops/deliveries', { state: 'pending', tried: tried ? 'yes' : 'no' }),
    303,
  )
}

/**
 * Redrives the deliveries that the form names by one of `id`, `target_id`, `client_id` and `all`.
 * Does nothing if it names none.
 */
async function redrive(request: ConsoleRequest, form: URLSearchParams): Promise<Response> {
  const { deps, c, viewer } = request
  const name = (['id', 'target_id', 'client_id'] as const).find((one) => form.has(one))
  const wanted: WhichDeliveries | undefined =
    name !== undefined
      ? { [name]: form.get(name) ?? '' }
      : form.get('all') === 'yes'
        ? { all: true }
        : undefined
  const redriven = wanted === undefined ? 0 : await redriveAs(deps, viewer.caller, wanted)
  return c.redirect(
    linkOf('/ops/deliveries', { state: 'pending', redriven: String(redriven) }),
    303,
  )
}

const closeLink = (which: string): string => linkOf('/ops/deliveries/close', { which })

/**
 * Reads one reference such as `id d_…` or `client_id portal`. Returns undefined for any other text.
 */
function readWhich(value: string): WhichDeliveries | undefined {
  const [, name, id] = /^(id|target_id|client_id) (\S{1,200})$/.exec(value) ?? []
  return name === undefined || id === undefined ? undefined : { [name]: id }
}

async function factsOf(request: ConsoleRequest, which: WhichDeliveries) {
  const { deps } = request
  if (which.id === undefined) {
    const [target] = (await deps.store.listTargets()).filter(
      ({ targetId }) => targetId === which.target_id,
    )
    const to = target?.uri ?? nameOf(deps, which.client_id ?? which.target_id ?? '')
    return [['What', `All pending, rejected and failed deliveries to ${to}`]] as const
  }
  const delivery = await deps.store.findDelivery(which.id)
  if (delivery === undefined) return undefined
  const whose = await whoseOf(request, [delivery])
  return [
    ['What', `One delivery: ${named(request, delivery)}`],
    ['Session', whose(delivery)],
    ['Last answer', lastAnswer(delivery)],
    ['Address', addressOf(delivery)],
  ] as const
}

/**
 * Closes deliveries, or shows the page that confirms it.
 * @param sent the form; if left out, the confirmation page is shown
 */
async function close(
  request: ConsoleRequest,
  source: URLSearchParams,
  sent?: URLSearchParams,
): Promise<Response> {
  const { deps, c, viewer } = request
  const named = source.get('which') ?? ''
  const which = readWhich(named)
  const facts = which && (await factsOf(request, which))
  if (which === undefined || facts === undefined)
    return nothingHere(request, 'There is no such delivery. Nothing was changed.', '/deliveries')
  const reason = 'It becomes part of the proof of delivery and of the audit log.'
  const problem = sent && problemOf(request, sent, { reason })
  if (sent === undefined || problem !== undefined)
    return confirmPage(request, {
      title: 'Check before you close',
      at: '/deliveries',
      source,
      problem,
      facts: [
        ...facts,
        [
          'Then',
          'The broker never sends it. Without a guard, the instance does not learn that the session has ended.',
        ],
      ],
      action: '/deliveries/close',
      fields: { which: named },
      reason,
      button: which.id === undefined ? 'Close all of them' : 'Close this delivery',
      back: { href: linkOf('/ops/deliveries', { state: 'pending' }) },
    })
  const { caseReference, comment = '' } = caseAndCommentIn(sent)
  const closed = await closeAs(deps, viewer.caller, { ...which, reason: comment, caseReference })
  return c.redirect(linkOf('/ops/deliveries', { state: 'closed', closed: String(closed) }), 303)
}

export const deliveryRoutes: readonly Mounted[] = [
  { path: '/deliveries', page: deliveriesPage },
  { path: '/deliveries/redrive', form: redrive },
  { path: '/deliveries/try', form: tryNow },
  actAt('/deliveries/close', close),
]
