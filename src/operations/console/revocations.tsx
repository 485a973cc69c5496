import type { Child } from 'hono/jsx'
import type { Delivery, DeliveryAttempt, LoggedRevocation, Revocation } from '../../../db/types.ts'
import { Facts } from '../../pages/components.tsx'
import { download } from '../../pages/download.ts'
import { REASONS } from '../../protocol/revocation.ts'
import { deliveryColumns, deliveryLink, Now } from './deliveries.tsx'
import { consolePage, Done, Live, nothingHere, Panel, revocationLink, Table } from './layout.tsx'
import { idIn, numberIn, numberText, pageOf, placeOf } from './pages.tsx'
import { totalOf, totalsInWords } from '../acts/totals.ts'
import { idNamedBy } from '../acts/search.ts'
import { type Listed, withEffective } from '../acts/effective.ts'
import {
  allEffectiveWords,
  claimWords,
  effectiveWords,
  receiptWords,
} from '../acts/receipt-words.ts'
import { ask } from '../contract/ask.ts'
import { JSON_LINES } from '../contract/route.ts'
import { effective as effectiveShape, receipt as receiptShape } from '../contract/shapes.ts'
import { toWire } from '../contract/wire.ts'
import { receiptOf } from '../../revocation/receipt.ts'
import { actorWords, count, covered, instances, isReason, mayRead, nameOf } from './format.ts'
import { STATE } from './texts/acts.ts'
import { span, when } from '../times.ts'
import { REASON } from './texts/reasons.ts'
import { type Columns, iso, listOf, listRoutes, momentOf, ms, PERIOD, timeColumn } from './list.tsx'
import {
  queryParam,
  caseLink,
  type ConsoleRequest,
  isOperator,
  mayAct,
  type Mounted,
  pageLink,
  tidOf,
} from './request.ts'
import { howToVerify } from './texts/audit.tsx'
import { CLAIM, DONE, LOG, RECEIPT } from './texts/revocations.ts'
import { Time, timeAt } from './time.tsx'

/** The log of revocations, and each with its receipt and its deliveries. */

const DELIVERIES = 50
/** The latest attempts of a delivery that the page of a revocation shows; its own page shows all. */
const ATTEMPTS = 3

/**
 * The columns of revocations. The administrator of a tenant sees no numbers, because they count the
 * revocations of every tenant.
 */
export const revocationColumns = (request: ConsoleRequest): Columns<LoggedRevocation> => [
  isOperator(request) && ['Number', ({ seq }) => revocationLink(seq), ({ seq }) => seq],
  timeColumn(request, 'When', ({ at }) => ms(at)),
  [
    'What',
    async ({ selector }) => <div class="long">{await covered(request.deps, selector)}</div>,
    ({ selector }) => covered(request.deps, selector),
  ],
  ['Why', ({ reason }) => REASON[reason], ({ reason }) => reason],
  ['By', ({ actor }) => actorWords(request, actor)],
  [
    { name: 'Sessions', end: true },
    (revocation) =>
      revocation.fanOut === 'pending' ? (
        <span class="tag wait">{soFar(revocation)}</span>
      ) : (
        count(revocation.sessions)
      ),
    ({ fanOut, sessions }) => (fanOut === 'pending' ? undefined : sessions),
  ],
  [{ name: 'Delivered', end: true }, delivered, ({ totals }) => totals.delivered],
  ['Deliveries', undefined, ({ totals }) => totalOf(totals)],
  [
    'Case',
    (revocation) => caseOf(request, revocation),
    (revocation) => own(request, revocation, revocation.caseReference),
  ],
  ['Comment', undefined, (revocation) => own(request, revocation, revocation.comment)],
]

const inShort = ({ effective }: Listed) => (effective ? toWire(effectiveShape, effective) : null)

/** Returns the user and the period, where an operator filters by nothing else. */
function userAndPeriod(request: ConsoleRequest) {
  const [user, since, until] = ['user', 'since', 'until'].map((name) => queryParam(request, name))
  const others = ['client', 'case', 'reason', 'actor'].some((name) => queryParam(request, name))
  return user === undefined || others || !isOperator(request) ? undefined : { user, since, until }
}

/** The columns that say since when a revocation is effective everywhere, for operators. */
function effectiveColumns(request: ConsoleRequest): Columns<Listed> {
  const { deps } = request
  const words = (revocation: Listed, time: (atMs: number) => string): string =>
    effectiveWords(inShort(revocation), time, (id) => nameOf(deps, id))
  return [
    isOperator(request) && [
      'Effective',
      (revocation) => words(revocation, (atMs) => when(atMs, deps.clock.nowMs())),
      (revocation) => words(revocation, (atMs) => String(iso(atMs))),
    ],
    isOperator(request) && [
      'Effective by',
      undefined,
      ({ effective }) => iso(effective?.noLaterThanMs),
    ],
  ]
}

const own = async (request: ConsoleRequest, revocation: Revocation, text: string | undefined) =>
  (await mayRead(request, revocation)) ? text : undefined

/**
 * Returns how many sessions the running fan-out has counted. Zero would read as "none", so it says
 * that nothing is counted yet.
 */
const soFar = ({ sessions }: Revocation): string =>
  sessions === 0 ? LOG.notCounted : LOG.soFar(count(sessions))

function delivered({ totals }: LoggedRevocation): Child {
  const total = totalOf(totals)
  if (total === 0) return <span class="zero">none</span>
  const words = `${count(totals.delivered)} of ${count(total)}`
  return totals.failed + totals.rejected > 0 ? <span class="hurt">{words}</span> : words
}

async function caseOf(request: ConsoleRequest, revocation: Revocation): Promise<Child> {
  const caseReference = await own(request, revocation, revocation.caseReference)
  if (caseReference === undefined) return ''
  return isOperator(request) ? <a href={caseLink(caseReference)}>{caseReference}</a> : caseReference
}

const revocationList = listRoutes<Listed, number, Pick<LoggedRevocation, 'seq' | 'at'>>({
  name: 'revocations',
  title: 'Revocations',
  tenant: true,
  live: true,
  fields: (request) => [
    ['user', 'User', 'Name or sub'],
    isOperator(request) && ['client', 'Instance', [['', 'Any'], ...instances(request)]],
    isOperator(request) && ['case', 'Case'],
    [
      'reason',
      'Why',
      [['', 'Any reason'], ...REASONS.map((reason) => [reason, REASON[reason]] as const)],
    ],
    isOperator(request) && ['actor', 'By', 'Name, sub or client'],
    ...PERIOD,
  ],
  columns: (request) => [...revocationColumns(request), ...effectiveColumns(request)],
  none: LOG.none,
  above: (request) => <Done request={request} results={DONE} />,
  heading: (request, shown, isWhole) =>
    userAndPeriod(request) === undefined || shown.length === 0 || !isWhole
      ? undefined
      : allEffectiveWords(shown.map((each) => ({ seq: each.seq, effective: inShort(each) }))),
  note(request, shown) {
    const query = userAndPeriod(request)
    return query === undefined || shown.length === 0 ? null : (
      <a href={pageLink(request, '/revocations/evidence.jsonl', query)} download="">
        {LOG.ofUser}
      </a>
    )
  },
  async read(request) {
    const { deps } = request
    const [tid, reason] = [tidOf(request), queryParam(request, 'reason')]
    const filter = {
      tid,
      sub: await idNamedBy(deps, 'user', queryParam(request, 'user'), tid),
      reason: reason !== undefined && isReason(reason) ? reason : undefined,
      since: momentOf(request, 'since'),
      until: momentOf(request, 'until'),
      // Only operators see cases, actors and instances, so only they filter by them.
      ...(tid === undefined && {
        clientId: queryParam(request, 'client'),
        caseReference: queryParam(request, 'case'),
        actorId: await idNamedBy(deps, 'actor', queryParam(request, 'actor')),
      }),
    }
    return async ({ from, ...bounds }) => {
      const page = await deps.store.pageOfRevocations({ ...filter, before: from, ...bounds })
      return isOperator(request) ? { ...page, found: await withEffective(deps, page.found) } : page
    }
  },
  placeIn: numberIn,
  cursorOf: (request, { seq }) => numberText(request, seq),
  stopped: (request, { seq, at }) => (
    <>
      {timeAt(request, at)}
      {isOperator(request) ? ` (revocation ${count(seq)})` : ''}
    </>
  ),
})

async function revocationPage(request: ConsoleRequest, seq: number): Promise<Response> {
  const { deps } = request
  const revocation = await deps.store.findRevocation(seq)
  if (revocation === undefined) return nothingHere(request, LOG.unknown, '/revocations')
  const { selector, reason, at, actor, totals, fanOut, caseReference, comment } = revocation
  return consolePage(
    request,
    { title: `Revocation ${seq}`, at: '/revocations', live: true },
    <>
      <Done request={request} results={DONE} />
      <Live id="receipt">
        <Panel title={LOG.receipt}>{await receiptList(request, revocation)}</Panel>
      </Live>
      <Live id="facts">
        <Panel>
          <Facts
            items={[
              ['What', await covered(deps, selector)],
              ['Why', REASON[reason]],
              ['By', await actorWords(request, actor)],
              ['When', timeAt(request, at)],
              [
                // The sessions go on where one instance alone was revoked.
                'clientId' in selector ? LOG.signedOutThere : LOG.ended,
                fanOut === 'pending' ? soFar(revocation) : count(revocation.sessions),
              ],
              ['Deliveries', totalsInWords(totals, fanOut)],
              ['Case', caseReference],
              ['Comment', comment],
            ]}
          />
          <p>
            <a href={`/ops/revocations/${seq}/evidence.jsonl`} download="">
              {LOG.evidence}
            </a>
          </p>
          {howToVerify(deps.config, `broker-revocation-${seq}.jsonl`)}
        </Panel>
      </Live>
      <Live id="job">
        <Panel title="Job of the queue">{await jobOf(request, revocation)}</Panel>
      </Live>
      <Live id="proof">
        <Panel title={LOG.deliveries}>{await deliveriesOf(request, seq)}</Panel>
      </Live>
    </>,
  )
}

/** Renders the job of a revocation: its state, its log, and the retry of what failed. */
async function jobOf(request: ConsoleRequest, { seq, totals }: LoggedRevocation): Promise<Child> {
  const job = await request.deps.queue.job(seq)
  const isRetried = totals.rejected + totals.failed > 0 && mayAct(request)
  return (
    <>
      {job === undefined ? (
        <p class="soft">{LOG.noJob}</p>
      ) : (
        <>
          <Facts
            items={[
              ['State', job.state],
              ['Runs', count(job.runs)],
              ['Failed', job.failedReason],
            ]}
          />
          <ul class="small">
            {job.log.map((line) => (
              <li>{line}</li>
            ))}
          </ul>
        </>
      )}
      {isRetried ? (
        <Now request={request} which={`seq ${seq}`}>
          {LOG.retry}
        </Now>
      ) : null}
    </>
  )
}

/** Sends the signed evidence, to be kept with the case. `cmb evidence verify` checks it. */
async function evidenceDownload(request: ConsoleRequest, seq: number): Promise<Response> {
  const { caller } = request.viewer
  const { lines, file } = await ask(request, caller, 'GET /revocations/:seq/evidence', { seq })
  return download(lines, JSON_LINES, file)
}

/** Sends the signed evidence of the revocations of a user in a period. */
async function userEvidenceDownload(request: ConsoleRequest): Promise<Response> {
  const { lines, file } = await ask(request, request.viewer.caller, 'GET /users/evidence', {
    sub: queryParam(request, 'user') ?? '',
    since: momentOf(request, 'since'),
    until: momentOf(request, 'until'),
  })
  return download(lines, JSON_LINES, file)
}

/** Renders the receipt: what is known of each instance that took part, and since when. */
async function receiptList(
  request: ConsoleRequest,
  { seq, selector }: LoggedRevocation,
): Promise<Child> {
  const { deps } = request
  const found = await receiptOf(deps, seq)
  if (found === undefined) return <p>{LOG.noReceipt}</p>
  const receipt = toWire(receiptShape, found)
  const at = (atMs: number): string => when(atMs, deps.clock.nowMs())
  return (
    <>
      <p>
        {await covered(deps, selector)}: {receiptWords(receipt, at)}.
      </p>
      <Table
        label="Receipt"
        head={RECEIPT}
        rows={receipt.participants.map((participant) => {
          const [tokens, sessions, guards] = claimWords(receipt, participant, at)
          return [
            nameOf(deps, participant.client_id),
            <span class={CLAIM[participant.state].tag}>{CLAIM[participant.state].words}</span>,
            tokens,
            sessions,
            guards,
          ]
        })}
        none={LOG.noInstance}
      />
    </>
  )
}

/** Renders a page of the deliveries by instance, with their users, devices and attempts. */
async function deliveriesOf(request: ConsoleRequest, seq: number): Promise<Child> {
  const { deps } = request
  const attemptOf = ({ atMs, status, error, outcome, latencyMs }: DeliveryAttempt): Child => (
    <div class="small">
      <Time atMs={atMs} nowMs={deps.clock.nowMs()} />: {status ?? error ?? outcome},{' '}
      {span(latencyMs)}
    </div>
  )
  const place = placeOf(request, idIn)
  const found = await deps.store.listDeliveries({ seq, before: place.from, limit: DELIVERIES + 1 })
  const { shown, next } = pageOf(found, DELIVERIES, ({ id }) => id)
  const attempts = await deps.store.latestAttempts(shown, ATTEMPTS)
  return listOf<Delivery>(request, {
    label: 'Deliveries',
    columns: [
      ...deliveryColumns(request),
      ['State', ({ state }) => <span class={STATE[state].tag}>{STATE[state].words}</span>],
      [
        'Attempts',
        (delivery) => (
          <>
            {delivery.attempts > ATTEMPTS ? (
              <div class="small soft">{LOG.earlier(delivery.attempts - ATTEMPTS)}</div>
            ) : null}
            {attempts.get(delivery.id)?.map(attemptOf)}
            <a
              class="small"
              href={deliveryLink(delivery.id)}
              aria-label={`${LOG.attempts}: ${nameOf(deps, delivery.clientId)}`}
            >
              {LOG.attempts}
            </a>
          </>
        ),
      ],
    ],
    entries: shown.toSorted((a, b) =>
      nameOf(deps, a.clientId).localeCompare(nameOf(deps, b.clientId)),
    ),
    none: LOG.noDelivery,
    pages: { place, next },
  })
}

const ONE = '/revocations/:seq{[0-9]{1,15}}'
const seqOf = ({ c }: ConsoleRequest): number => Number(c.req.param('seq'))

export const revocationRoutes: readonly Mounted[] = [
  ...revocationList,
  { path: '/revocations/evidence.jsonl', at: '/revocations', page: userEvidenceDownload },
  { path: ONE, page: (request) => revocationPage(request, seqOf(request)) },
  {
    path: `${ONE}/evidence.jsonl`,
    at: '/revocations',
    page: (request) => evidenceDownload(request, seqOf(request)),
  },
]
