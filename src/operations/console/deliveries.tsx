import type { Child } from 'hono/jsx'
import type { Delivery, DeliveryState, Session } from '../../../db/types.ts'
import { Button, Notice } from '../../pages/components.tsx'
import { SelectField } from '../../pages/fields.tsx'
import { closeAs, redriveAs, tryNowAs, type WhichDeliveries } from '../acts/deliveries.ts'
import { caseAndCommentIn, confirmPage, problemOf } from './confirm.tsx'
import { consolePage, Hidden, Live, Panel, Table, nothingHere } from './layout.tsx'
import { addressOf, count, nameOf, plural, STATE, when, whoIs } from './format.ts'
import { DELIVERY, pageOf, Pages, placeOf } from './pages.tsx'
import {
  actAt,
  asked,
  type ConsoleRequest,
  isAdministrator,
  linkOf,
  type Mounted,
  sessionLink,
  userLink,
} from './request.ts'

/**
 * Deliveries and their outcomes; the redrive of rejected and failed ones: one, those of an address,
 * or all; and the closing of those that will never be delivered.
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
  const { deps, c } = request
  const clientId = c.req.query('client') || undefined
  const state = stateOf(c.req.query('state'))
  const place = placeOf(request, DELIVERY)
  const [found, counts] = await Promise.all([
    deps.store.listDeliveries({ state, clientId, before: place.before, limit: PAGE + 1 }),
    deps.store.deliveryCounts(),
  ])
  const { shown, next } = pageOf(found, PAGE, ({ id }) => id)
  const about = await sessionsOf(request, shown)
  const done = doneWords(request)
  return consolePage(
    request,
    { title: 'Deliveries', at: '/deliveries', live: true },
    <>
      {done === undefined ? null : <Notice kind="good" title={done} />}
      <Filters request={request} state={state} clientId={clientId} counts={counts} />
      <Live id="deliveries">
        <Panel
          title={`${stateTitle(state)}${clientId === undefined ? '' : `, ${nameOf(deps, clientId)}`}`}
        >
          <Table
            label="Deliveries"
            head={HEAD}
            rows={shown.map((one) => row(request, one, about))}
            none="There are none."
          />
          <Pages request={request} of="deliveries" place={place} next={next} />
        </Panel>
        {FAILED.includes(state) && shown.length > 0 ? (
          <Again request={request} shown={shown} clientId={clientId} />
        ) : null}
        {isAdministrator(request) && OPEN.includes(state) && shown.length > 0 ? (
          <CloseMany request={request} shown={shown} clientId={clientId} />
        ) : null}
      </Live>
    </>,
  )
}

/** What was done a moment ago: the address says how many. */
function doneWords(request: ConsoleRequest): string | undefined {
  const number = (name: string): number | undefined => {
    const text = asked(request, name) ?? ''
    return /^\d{1,9}$/.test(text) ? Number(text) : undefined
  }
  const [redriven, closed] = [number('redriven'), number('closed')]
  if (redriven !== undefined)
    return `${plural(redriven, 'delivery', 'deliveries')} will be retried now.`
  return closed === undefined
    ? TRIED[asked(request, 'tried') ?? '']
    : `${plural(closed, 'delivery was', 'deliveries were')} closed.`
}
const TRIED: Readonly<Record<string, string>> = {
  yes: 'The next attempt is due now. If the instance does not answer, it is made as the next probe.',
  no: 'This delivery is not pending any more. Nothing was changed.',
}
const stateTitle = (state: DeliveryState): string =>
  STATE[state].words.replace(/^./, (letter) => letter.toUpperCase())
const HEAD = [
  'Instance',
  'Session',
  'Revocation',
  'Attempts',
  'Last answer',
  'Next attempt',
  'Address',
  'Act',
]

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

interface FiltersProps {
  request: ConsoleRequest
  state: DeliveryState
  clientId: string | undefined
  counts: Counts
}
function Filters({ request, state, clientId, counts }: FiltersProps) {
  const total = (one: DeliveryState): number =>
    counts
      .filter(
        (each) => each.state === one && (clientId === undefined || each.clientId === clientId),
      )
      .reduce((sum, each) => sum + each.count, 0)
  return (
    <Panel>
      <form class="search" method="get" action="/ops/deliveries">
        <SelectField
          name="state"
          label="State"
          options={STATES.map((one) => [one, `${stateTitle(one)} (${count(total(one))})`])}
          chosen={state}
        />
        <SelectField
          name="client"
          label="Instance"
          options={[
            ['', 'All'],
            ...clientIds(request, counts).map((one) => [one, nameOf(request.deps, one)] as const),
          ]}
          chosen={clientId}
        />
        <Button kind="quiet">Show</Button>
      </form>
    </Panel>
  )
}

/** An error that begins with the HTTP status says it already. */
const lastAnswer = ({ lastStatus, lastError }: Delivery): string | undefined =>
  lastStatus === undefined || lastError?.includes(`HTTP ${lastStatus}`) === true
    ? lastError
    : [lastStatus, lastError].filter(Boolean).join(' ')

const named = ({ deps }: ConsoleRequest, { seq, id, clientId }: Delivery): string =>
  `${seq === undefined ? `message ${id}` : `revocation ${seq}`} at ${nameOf(deps, clientId)}`
const again = (request: ConsoleRequest, one: Delivery): string => `Try again ${named(request, one)}`

/** Whose session each delivery of a page is about, and on which device. */
async function sessionsOf(
  { deps, now }: ConsoleRequest,
  shown: readonly Delivery[],
): Promise<Map<string, Session>> {
  const sids = [...new Set(shown.flatMap(({ sid }) => sid ?? []))]
  const found = await Promise.all(sids.map((sid) => deps.store.standingBySid(sid, now)))
  return new Map(
    found.flatMap((one) =>
      one.state === 'unknown' ? [] : [[one.session.sid, one.session] as const],
    ),
  )
}

function About({
  request,
  delivery: { sid, sub },
  session,
}: {
  request: ConsoleRequest
  delivery: Delivery
  session: Session | undefined
}) {
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

function row(request: ConsoleRequest, one: Delivery, about: ReadonlyMap<string, Session>): Child[] {
  const nowMs = request.deps.clock.nowMs()
  return [
    nameOf(request.deps, one.clientId),
    <About
      request={request}
      delivery={one}
      session={one.sid === undefined ? undefined : about.get(one.sid)}
    />,
    one.seq === undefined ? (
      <span class="soft">none</span>
    ) : (
      <a href={`/ops/revocations/${one.seq}`}>{one.seq}</a>
    ),
    count(one.attempts),
    lastAnswer(one) ?? <span class="soft">none</span>,
    one.nextAttemptAtMs === undefined ? (
      <span class="soft">none</span>
    ) : (
      when(one.nextAttemptAtMs, nowMs)
    ),
    <span class="small">{addressOf(one)}</span>,
    <>
      {FAILED.includes(one.state) ? (
        <Redrive request={request} fields={{ id: one.id }} small label={again(request, one)}>
          Try again
        </Redrive>
      ) : one.state === 'pending' ? (
        <TryNow request={request} delivery={one} />
      ) : null}
      {isAdministrator(request) && OPEN.includes(one.state) ? (
        <a href={closeLink(`id ${one.id}`)} aria-label={`Close ${named(request, one)}`}>
          Close
        </a>
      ) : null}
    </>,
  ]
}

function Again({
  request,
  shown,
  clientId,
}: {
  request: ConsoleRequest
  shown: readonly Delivery[]
  clientId: string | undefined
}) {
  const targets = [...new Map(shown.map((one) => [one.targetId, one.uri]))]
  return (
    <Panel title="Try many again">
      <p class="soft">
        Every rejected or failed delivery becomes pending again and is attempted at once. A
        delivered logout token is not sent again.
      </p>
      <div class="stack">
        {targets.map(([id, uri]) => (
          <Redrive request={request} fields={{ target_id: id }}>
            All to {URL.canParse(uri) ? new URL(uri).host : uri}
          </Redrive>
        ))}
        {clientId === undefined ? null : (
          <Redrive request={request} fields={{ client_id: clientId }}>
            All to {nameOf(request.deps, clientId)}
          </Redrive>
        )}
        <Redrive request={request} fields={{ all: 'yes' }}>
          All, everywhere
        </Redrive>
      </div>
    </Panel>
  )
}

function Redrive(props: {
  request: ConsoleRequest
  fields: Record<string, string>
  small?: boolean
  label?: string
  children: Child
}) {
  return (
    <form method="post" action="/ops/deliveries/redrive">
      <Hidden request={props.request} fields={props.fields} />
      <Button kind="quiet" small={props.small} label={props.label}>
        {props.children}
      </Button>
    </form>
  )
}

const TryNow = ({ request, delivery }: { request: ConsoleRequest; delivery: Delivery }) => (
  <form method="post" action="/ops/deliveries/try">
    <Hidden request={request} fields={{ id: delivery.id }} />
    <Button kind="quiet" small label={again(request, delivery)}>
      Try now
    </Button>
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

/** Exactly one of them, or nothing is done. */
async function redrive(request: ConsoleRequest, form: URLSearchParams): Promise<Response> {
  const { deps, c, viewer } = request
  const [id, target, client] = [form.get('id'), form.get('target_id'), form.get('client_id')]
  const wanted =
    id !== null
      ? { id }
      : target !== null
        ? { target_id: target }
        : client !== null
          ? { client_id: client }
          : form.get('all') === 'yes'
            ? { all: true as const }
            : undefined
  const redriven = wanted === undefined ? 0 : await redriveAs(deps, viewer.caller, wanted)
  return c.redirect(
    linkOf('/ops/deliveries', { state: 'pending', redriven: String(redriven) }),
    303,
  )
}

const closeLink = (which: string): string => linkOf('/ops/deliveries/close', { which })

function CloseMany({
  request,
  shown,
  clientId,
}: {
  request: ConsoleRequest
  shown: readonly Delivery[]
  clientId: string | undefined
}) {
  const targets = [...new Map(shown.map((one) => [one.targetId, addressOf(one)]))]
  return (
    <Panel title="Close many">
      <p class="soft">
        For an instance that no longer exists, or an address that was replaced: all pending,
        rejected and failed deliveries.
      </p>
      <ul class="bullets">
        {targets.map(([id, uri]) => (
          <li>
            <a href={closeLink(`target_id ${id}`)}>Close all to {uri}</a>
          </li>
        ))}
        {clientId === undefined ? null : (
          <li>
            <a href={closeLink(`client_id ${clientId}`)}>
              Close all to {nameOf(request.deps, clientId)}
            </a>
          </li>
        )}
      </ul>
    </Panel>
  )
}

/** Exactly one of them: "id d_…". Undefined where it is none of the form's. */
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
  const about = await sessionsOf(request, [delivery])
  const session = delivery.sid === undefined ? undefined : about.get(delivery.sid)
  return [
    ['What', `One delivery: ${named(request, delivery)}`],
    ['Session', <About request={request} delivery={delivery} session={session} />],
    ['Last answer', lastAnswer(delivery)],
    ['Address', addressOf(delivery)],
  ] as const
}

/** @param sent the form; left out: its check page */
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
      sent: sent && problem ? { form: sent, problem } : undefined,
      facts: [...facts, ['Then', 'The broker no longer sends it.']],
      action: '/deliveries/close',
      fields: { which: named },
      reason,
      button: 'Close',
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
