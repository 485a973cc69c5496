import type { Child } from 'hono/jsx'
import { type Delivery, DELIVERY_STATES, type DeliveryState } from '../../../db/types.ts'
import { Button } from '../../pages/components.tsx'
import { ask } from '../contract/ask.ts'
import { actAt, type Submission, confirmed } from './confirm.tsx'
import { Done, Hidden, nothingHere, Panel, revocationLink } from './layout.tsx'
import { addressOf, count, nameOf, plural, stateTitle, whoIs } from './format.ts'
import { type Columns, iso, listRoutes, timeColumn } from './list.tsx'
import { idIn } from './pages.tsx'
import {
  queryParam,
  type ConsoleRequest,
  isAdministrator,
  linkOf,
  mayAct,
  type Mounted,
  oncePerRequest,
  sessionLink,
  userLink,
} from './request.ts'
import { ACT, CLOSE, DONE, MANY, PROBED } from './texts/deliveries.ts'

/**
 * The page of deliveries. Operators redrive rejected and failed ones: one, those of an address or
 * instance, or all. Administrators close deliveries that will never be delivered.
 */

const FAILED: readonly DeliveryState[] = ['failed', 'rejected']
/** The states that can be closed, the worst first. */
const OPEN: readonly DeliveryState[] = [...FAILED, 'pending']
/** All states, the worst first. */
const STATES = [...new Set([...OPEN, ...DELIVERY_STATES])]

const askedState = (request: ConsoleRequest): DeliveryState | undefined =>
  STATES.find((state) => state === queryParam(request, 'state'))
const stateOf = (request: ConsoleRequest): DeliveryState => askedState(request) ?? 'failed'

/** Counts the deliveries of the instance that the query names, or of all, by state. */
const countsOf = oncePerRequest(async (request) => {
  const clientId = queryParam(request, 'client')
  const counts = await request.deps.store.deliveryCounts()
  const total = (state: DeliveryState): number =>
    counts
      .filter(
        (candidate) =>
          candidate.state === state && (clientId ?? candidate.clientId) === candidate.clientId,
      )
      .reduce((sum, entry) => sum + entry.count, 0)
  return { counts, total }
})

/** Returns the address of the worst state that has deliveries, for a query without a state. */
async function openedOn(request: ConsoleRequest): Promise<string | undefined> {
  if (askedState(request) !== undefined) return undefined
  const { total } = await countsOf(request)
  const state = OPEN.find((candidate) => total(candidate) > 0) ?? 'delivered'
  return linkOf('/ops/deliveries', { state, client: queryParam(request, 'client') })
}

const deliveryList = listRoutes<Delivery, string, Delivery>({
  name: 'deliveries',
  title: 'Deliveries',
  live: true,
  opensAt: openedOn,
  async fields(request) {
    const { deps } = request
    const { counts } = await countsOf(request)
    const registered = deps.clients.list().filter(({ source }) => source !== 'broker')
    const clientIds = new Set([...registered, ...counts].map((entry) => entry.clientId))
    return [
      ['state', 'State', STATES.map((state) => [state, stateTitle(state)] as const)],
      [
        'client',
        'Instance',
        [
          ['', 'All'],
          ...[...clientIds].map((clientId) => [clientId, nameOf(deps, clientId)] as const),
        ],
      ],
    ]
  },
  columns: (request) => [
    ...deliveryColumns(request),
    ['Revocation', ({ seq }) => (seq === undefined ? '' : revocationLink(seq)), ({ seq }) => seq],
    ['State', undefined, ({ state }) => state],
    [
      'Attempts',
      (delivery) => (
        <a
          href={deliveryLink(delivery.id)}
          aria-label={`${plural(delivery.attempts, 'attempt')}: ${named(request, delivery)}`}
        >
          {count(delivery.attempts)}
        </a>
      ),
      ({ attempts }) => attempts,
    ],
    ['Last answer', (delivery) => lastAnswer(delivery) ?? ''],
    stateOf(request) === 'pending' && nextAttempt(request),
    ['Act', (delivery) => <Acts request={request} delivery={delivery} />, false],
    ['ID', undefined, ({ id }) => id],
    ['Session ID', undefined, ({ sid }) => sid],
    ['ID (sub)', undefined, ({ sub }) => sub],
  ],
  none: 'No delivery matches.',
  above: (request) => <Done request={request} results={DONE} />,
  async heading(request) {
    const clientId = queryParam(request, 'client')
    const { total } = await countsOf(request)
    const state = `${stateTitle(stateOf(request))} (${count(total(stateOf(request)))})`
    return clientId === undefined ? state : `${state}, ${nameOf(request.deps, clientId)}`
  },
  below: (request, shown) =>
    shown.length === 0 ? null : <Many request={request} shown={shown} state={stateOf(request)} />,
  read:
    async (request) =>
    async ({ from, limit }) => ({
      found: await request.deps.store.listDeliveries({
        state: stateOf(request),
        clientId: queryParam(request, 'client'),
        before: from,
        limit,
      }),
      searchedTo: undefined,
    }),
  placeIn: (_, cursor) => idIn(cursor),
  cursorOf: (_, { id }) => id,
})

/** The column of the next attempt. While an address does not answer, probes do not wait for it. */
function nextAttempt(request: ConsoleRequest): Columns<Delivery>[number] {
  const attemptAt = ({ nextAttemptAtMs }: Delivery): number | undefined => nextAttemptAtMs
  const [head, timeOf] = timeColumn(request, 'Next attempt', attemptAt)
  const states = request.deps.queue.targets()
  const isProbed = ({ targetId }: Delivery): boolean =>
    states.some((state) => state.targetId === targetId && state.breaker === 'open')
  return [
    head,
    (delivery) => (isProbed(delivery) ? PROBED : timeOf?.(delivery)),
    (delivery) => iso(attemptAt(delivery)),
  ]
}

export const deliveryLink = (id: string): string => `/ops/deliveries/${id}`

/** The columns of deliveries, which the page of a revocation shows too. */
export const deliveryColumns = (request: ConsoleRequest): Columns<Delivery> => [
  [
    'Instance',
    (delivery) => (
      <>
        {nameOf(request.deps, delivery.clientId)}
        <div class="small">{addressOf(delivery)}</div>
      </>
    ),
    ({ clientId }) => nameOf(request.deps, clientId),
  ],
  ['Session', (delivery) => whoseOf(request, delivery), false],
  timeColumn(request, 'Settled', ({ settledAtMs }) => settledAtMs),
  ['Address', undefined, addressOf],
]

const doneLink = (done: string, state: DeliveryState = 'pending', number?: number): string =>
  linkOf('/ops/deliveries', { state, done, number: number?.toString() })

/** Returns the status and error of an attempt. Leaves the status out if the error names it. */
export const answerWords = (status: number | undefined, error: string | undefined) =>
  status === undefined || error?.includes(`HTTP ${status}`) === true
    ? error
    : [`HTTP ${status}`, error].filter(Boolean).join(' ')
export const lastAnswer = ({ lastStatus, lastError }: Delivery): string | undefined =>
  answerWords(lastStatus, lastError)

export const named = ({ deps }: ConsoleRequest, { seq, id, clientId }: Delivery): string =>
  `${seq === undefined ? `message ${id}` : `revocation ${seq}`} at ${nameOf(deps, clientId)}`

/** Names the user and the device of a delivery. */
export async function whoseOf(request: ConsoleRequest, { sid, sub }: Delivery): Promise<Child> {
  const found =
    sid === undefined ? undefined : await request.deps.store.statusBySid(sid, request.now)
  if (found !== undefined && found.state !== 'unknown') {
    const { session } = found
    return (
      <>
        <a class="small" href={sessionLink(request, session.sub, session.sid)}>
          {whoIs(session)}
        </a>
        <div class="small">{session.device}</div>
      </>
    )
  }
  if (sub !== undefined) return <a href={userLink(request, sub)}>All of one user</a>
  return <span class="soft">{sid === undefined ? 'none' : 'no longer kept'}</span>
}

export const Acts = ({ request, delivery }: { request: ConsoleRequest; delivery: Delivery }) => (
  <>
    {mayAct(request) && OPEN.includes(delivery.state) ? (
      <Now
        request={request}
        which={`id ${delivery.id}`}
        small
        label={`${ACT.tryNow}: ${named(request, delivery)}`}
      >
        {ACT.tryNow}
      </Now>
    ) : null}
    {isAdministrator(request) && OPEN.includes(delivery.state) ? (
      <a
        href={closeLink(`id ${delivery.id}`)}
        aria-label={`${ACT.close}: ${named(request, delivery)}`}
      >
        {ACT.close}
      </a>
    ) : null}
  </>
)

/** Buttons that redrive, and links that close, those of an address, of the instance, or all. */
function Many({
  request,
  state,
  shown,
}: {
  request: ConsoleRequest
  state: DeliveryState
  shown: readonly Delivery[]
}) {
  const mayTry = mayAct(request) && FAILED.includes(state)
  const mayClose = isAdministrator(request) && OPEN.includes(state)
  if (!mayTry && !mayClose) return null
  const clientId = queryParam(request, 'client')
  const all = shown.map((delivery): [string, string] => [
    `target_id ${delivery.targetId}`,
    addressOf(delivery),
  ])
  if (clientId !== undefined) all.push([`client_id ${clientId}`, nameOf(request.deps, clientId)])
  return (
    <Panel title={MANY.title}>
      {mayTry ? <p class="soft">{MANY.tries}</p> : null}
      {mayClose ? <p class="soft">{MANY.closes}</p> : null}
      {[...new Map(all)].map(([which, to]) => (
        <div class="row">
          {mayTry ? (
            <Now request={request} which={which}>
              {MANY.tryTo(to)}
            </Now>
          ) : null}
          {mayClose ? <a href={closeLink(which)}>{MANY.closeTo(to)}</a> : null}
        </div>
      ))}
      {mayTry ? (
        <Now request={request} which="all">
          {MANY.tryAll}
        </Now>
      ) : null}
    </Panel>
  )
}

/** A button that makes deliveries due now. It needs no confirmation, because it ends nothing. */
export const Now = ({
  request,
  which,
  ...button
}: {
  request: ConsoleRequest
  which: string
  small?: boolean
  label?: string
  children: Child
}) => (
  <form method="post" action="/ops/deliveries/try">
    <Hidden request={request} fields={{ which }} />
    <Button kind="quiet" {...button} />
  </form>
)

/** Makes deliveries due now: the next attempt of a pending one, and rejected and failed ones. */
async function tryNow(request: ConsoleRequest, form: URLSearchParams): Promise<Response> {
  const { deps, c, viewer } = request
  const named = form.get('which') ?? ''
  const [, seq] = /^seq (\d{1,15})$/.exec(named) ?? []
  const selection =
    named === 'all'
      ? ({ all: true } as const)
      : seq === undefined
        ? readSelection(named)
        : { seq: Number(seq) }
  if (selection === undefined) return nothingHere(request, CLOSE.gone, '/deliveries')
  const id = 'id' in selection ? selection.id : undefined
  if (id !== undefined && (await deps.store.findDelivery(id))?.state === 'pending') {
    await ask(request, viewer.caller, 'POST /deliveries/try', { id })
    return c.redirect(doneLink('tried'), 303)
  }
  const redrive = 'POST /deliveries/redrive'
  const { redriven } = await ask(request, viewer.caller, redrive, selection)
  return c.redirect(doneLink('redriven', 'pending', redriven), 303)
}

const closeLink = (which: string): string => linkOf('/ops/deliveries/close', { which })

type Selection = { id: string } | { target_id: string } | { client_id: string }
/** Reads a reference such as `id d_…` or `client_id portal`; undefined for any other text. */
function readSelection(value: string): Selection | undefined {
  const [, name, id] = /^(id|target_id|client_id) (\S{1,200})$/.exec(value) ?? []
  return name === undefined ? undefined : ({ [name]: id } as Selection)
}

async function factsOf(request: ConsoleRequest, selection: Selection) {
  const { deps } = request
  if (!('id' in selection)) {
    const [id = ''] = Object.values<string>(selection)
    const target = (await deps.store.listTargets()).find(({ targetId }) => targetId === id)
    return [['What', CLOSE.allTo(target?.uri ?? nameOf(deps, id))]] as const
  }
  const delivery = await deps.store.findDelivery(selection.id)
  if (delivery === undefined) return undefined
  return [
    ['What', CLOSE.one(named(request, delivery))],
    ['Session', await whoseOf(request, delivery)],
    ['Last answer', lastAnswer(delivery)],
    ['Address', addressOf(delivery)],
  ] as const
}

async function close(request: ConsoleRequest, submission: Submission): Promise<Response> {
  const named = submission.source.get('which') ?? ''
  const selection = readSelection(named)
  const facts = selection && (await factsOf(request, selection))
  if (selection === undefined || facts === undefined)
    return nothingHere(request, CLOSE.gone, '/deliveries')
  return confirmed(request, submission, {
    title: CLOSE.check,
    at: '/deliveries',
    action: '/deliveries/close',
    fields: { which: named },
    reason: CLOSE.reason,
    button: 'id' in selection ? ACT.close : CLOSE.all,
    back: { href: linkOf('/ops/deliveries', { state: 'pending' }) },
    show: () => ({
      facts: [...facts, ['Then', CLOSE.effect]],
    }),
    async carryOut({ case_reference, comment: reason = '' }) {
      const members = { ...selection, reason, case_reference }
      const { closed } = await ask(
        request,
        request.viewer.caller,
        'POST /deliveries/close',
        members,
      )
      return doneLink('closed', 'closed', closed)
    },
  })
}

export const deliveryRoutes: readonly Mounted[] = [
  ...deliveryList,
  { path: '/deliveries/try', at: '/deliveries', form: tryNow },
  actAt('/deliveries/close', close, { at: '/deliveries' }),
]
