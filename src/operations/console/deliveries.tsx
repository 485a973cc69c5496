import type { Child } from 'hono/jsx'
import type { Delivery, DeliveryState, Session } from '../../../db/types.ts'
import { Button, Notice } from '../../pages/components.tsx'
import { SelectField } from '../../pages/fields.tsx'
import { redriveAs, tryNowAs } from '../acts/deliveries.ts'
import { Close, closeDeliveries, closedWords, OPEN } from './close.tsx'
import {
  consolePage,
  Hidden,
  isAdministrator,
  Live,
  Panel,
  Table,
  type ConsoleRequest,
  type Mounted,
} from './layout.tsx'
import { addressOf, count, nameOf, plural, STATE, when, whoIs } from './format.ts'
import { DELIVERY, pageOf, Pages, placeOf } from './pages.tsx'
import { linkOf, sessionLink, userLink } from './links.ts'

/**
 * Deliveries and their outcomes; and the redrive of rejected and failed ones: one, those of an
 * address, or all.
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
  const redriven = /^\d{1,9}$/.exec(c.req.query('redriven') ?? '')?.[0]
  const closed = /^\d{1,9}$/.exec(c.req.query('closed') ?? '')?.[0]
  const tried = TRIED[c.req.query('tried') ?? '']
  return consolePage(
    request,
    { title: 'Deliveries', at: '/ops/deliveries', live: true },
    <>
      {redriven === undefined ? null : (
        <Notice
          kind="good"
          title={`${plural(Number(redriven), 'delivery', 'deliveries')} will be retried now.`}
        />
      )}
      {tried === undefined ? null : <Notice kind="good" title={tried} />}
      {closed === undefined ? null : <Notice kind="good" title={closedWords(Number(closed))} />}
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
      </Live>
      {isAdministrator(request) && OPEN.includes(state) && shown.length > 0 ? (
        <Close request={request} shown={shown} clientId={clientId} />
      ) : null}
    </>,
  )
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
  'Again',
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

const again = ({ deps }: ConsoleRequest, { seq, id, clientId }: Delivery): string =>
  `Try again ${seq === undefined ? `message ${id}` : `revocation ${seq}`} at ${nameOf(deps, clientId)}`

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
  delivery: { sid, sub },
  session,
}: {
  delivery: Delivery
  session: Session | undefined
}) {
  if (session !== undefined)
    return (
      <>
        <a href={sessionLink(session.sub, session.sid)}>{whoIs(session)}</a>
        <div class="small">{session.device}</div>
      </>
    )
  if (sub !== undefined) return <a href={userLink(sub)}>All of one user</a>
  return <span class="soft">{sid === undefined ? 'none' : 'no longer kept'}</span>
}

function row(request: ConsoleRequest, one: Delivery, about: ReadonlyMap<string, Session>): Child[] {
  const nowMs = request.deps.clock.nowMs()
  return [
    nameOf(request.deps, one.clientId),
    <About delivery={one} session={one.sid === undefined ? undefined : about.get(one.sid)} />,
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
    FAILED.includes(one.state) ? (
      <Redrive request={request} fields={{ id: one.id }} small label={again(request, one)}>
        Try again
      </Redrive>
    ) : one.state === 'pending' ? (
      <TryNow request={request} delivery={one} />
    ) : (
      ''
    ),
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
  { deps, c, operator }: ConsoleRequest,
  form: URLSearchParams,
): Promise<Response> {
  const tried = await tryNowAs(deps, operator.caller, (form.get('id') ?? '').slice(0, 200))
  return c.redirect(
    linkOf('/ops/deliveries', { state: 'pending', tried: tried ? 'yes' : 'no' }),
    303,
  )
}

/** Exactly one of them, or nothing is done. */
async function redrive(request: ConsoleRequest, form: URLSearchParams): Promise<Response> {
  const { deps, c, operator } = request
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
  const redriven = wanted === undefined ? 0 : await redriveAs(deps, operator.caller, wanted)
  return c.redirect(
    linkOf('/ops/deliveries', { state: 'pending', redriven: String(redriven) }),
    303,
  )
}

export const deliveryRoutes: readonly Mounted<ConsoleRequest>[] = [
  { path: '/ops/deliveries', page: deliveriesPage },
  { path: '/ops/deliveries/redrive', form: redrive },
  { path: '/ops/deliveries/try', form: tryNow },
  { path: '/ops/deliveries/close', form: closeDeliveries },
]
