import type { Child } from 'hono/jsx'
import type {
  Delivery,
  DeliveryAttempt,
  LoggedRevocation,
  Revocation,
  RevocationFilter,
} from '../../../db/types.ts'
import { Facts, Notice } from '../../pages/components.tsx'
import { Problem } from '../../clients/problem.ts'
import { REASONS } from '../../protocol/revocation.ts'
import { whoseOf } from './deliveries.tsx'
import { consolePage, Done, Live, Panel, nothingHere, Table } from './layout.tsx'
import { DELIVERY, numberedPlace, numberText, pageOf, pageOfSearch, placeOf } from './pages.tsx'
import { totalOf, totalsInWords } from '../acts/totals.ts'
import { linesResponse } from '../acts/audit.ts'
import { idNamedBy, MOST_ENTRIES } from '../acts/search.ts'
import { evidenceOf } from '../acts/evidence.ts'
import { claimWords, receiptWords } from '../acts/receipt-words.ts'
import { receipt as receiptShape } from '../contract/shapes.ts'
import { shown } from '../contract/wire.ts'
import { receiptOf } from '../../revocation/receipt.ts'
import { exportAs } from '../acts/scope.ts'
import {
  actorWords,
  count,
  covered,
  instances,
  isReason,
  mayRead,
  nameOf,
  REASON,
  span,
  STATE,
  when,
} from './format.ts'
import {
  csvResponse,
  CsvLink,
  everyPage,
  Filters,
  isoTime,
  listOf,
  MOMENT,
  momentOf,
  orProblem,
} from './list.tsx'
import { asked, caseLink, type ConsoleRequest, type Mounted, tidOf } from './request.ts'

/** The log of revocations, as a list and as CSV, and each with its deliveries and their proof. */

const PAGE = 50
const PROOF_OF = 100

/**
 * A table of revocations. The administrator of a tenant sees no numbers, because they count the
 * revocations of every tenant.
 */
export const revocationList = (
  request: ConsoleRequest,
  label: string,
  entries: readonly LoggedRevocation[],
  none: string,
  pages?: Parameters<typeof listOf>[1]['pages'],
): Promise<Child> =>
  listOf<LoggedRevocation>(request, {
    label,
    columns: [
      tidOf(request) === undefined && [
        'Number',
        ({ seq }) => <a href={`/ops/revocations/${seq}`}>{seq}</a>,
      ],
      ['When', ({ at }) => when(at * 1000, request.deps.clock.nowMs())],
      ['What', ({ selector }) => covered(request.deps, selector)],
      ['Why', ({ reason }) => REASON[reason]],
      ['By', ({ actor }) => actorWords(request, actor)],
      [
        { name: 'Sessions', end: true },
        (one) =>
          one.fanOut === 'pending' ? (
            <span class="tag wait">{soFar(one)}</span>
          ) : (
            count(one.sessions)
          ),
      ],
      [{ name: 'Delivered', end: true }, delivered],
      ['Case', (one) => caseOf(request, one)],
    ],
    entries,
    none,
    pages,
  })

/**
 * Returns how many sessions the running fan-out has counted. Zero would read as "none", so it says
 * that nothing is counted yet.
 */
const soFar = ({ sessions }: Revocation): string =>
  sessions === 0 ? 'not counted yet' : `${count(sessions)} so far`

function delivered({ totals }: LoggedRevocation): Child {
  const total = totalOf(totals)
  if (total === 0) return <span class="zero">none</span>
  const words = `${count(totals.delivered)} of ${count(total)}`
  return totals.failed + totals.rejected > 0 ? <span class="hurt">{words}</span> : words
}

async function caseOf(request: ConsoleRequest, one: Revocation): Promise<Child> {
  const { caseReference } = one
  if (caseReference === undefined || !(await mayRead(request, one))) return ''
  return tidOf(request) === undefined ? (
    <a href={caseLink(caseReference)}>{caseReference}</a>
  ) : (
    caseReference
  )
}

/**
 * Returns the filter of the list. Only operators see cases, actors and instances, so an
 * administrator of a tenant cannot filter by them.
 * @throws Problem if a name fits no user or actor, or several
 */
async function filterOf(request: ConsoleRequest): Promise<RevocationFilter> {
  const { deps } = request
  const tid = tidOf(request)
  const reason = asked(request, 'reason')
  return {
    tid,
    sub: await idNamedBy(deps, 'user', asked(request, 'user'), tid),
    reason: reason !== undefined && isReason(reason) ? reason : undefined,
    since: momentOf(request, 'since'),
    until: momentOf(request, 'until'),
    ...(tid === undefined && {
      clientId: asked(request, 'client'),
      caseReference: asked(request, 'case'),
      actorId: await idNamedBy(deps, 'actor', asked(request, 'actor')),
    }),
  }
}

async function revocationsPage(request: ConsoleRequest): Promise<Response> {
  const { deps } = request
  const isOperator = tidOf(request) === undefined
  const { place, before } = numberedPlace(request)
  const filter = await orProblem(filterOf(request))
  const found =
    filter instanceof Problem
      ? { found: [], searchedTo: undefined }
      : await deps.store.pageOfRevocations({
          ...filter,
          before,
          limit: PAGE + 1,
          most: MOST_ENTRIES,
        })
  const { shown, next, searchedTo } = pageOfSearch(found, PAGE, ({ seq }) =>
    numberText(request, seq),
  )
  const reached =
    searchedTo &&
    when(searchedTo.at * 1000, deps.clock.nowMs()) +
      (isOperator ? ` (revocation ${count(searchedTo.seq)})` : '')
  return consolePage(
    request,
    { title: 'Revocations', at: '/revocations', live: before === undefined },
    <>
      <Done request={request} results={DONE} />
      <Panel>
        <Filters
          request={request}
          path="/revocations"
          fields={[
            ['user', 'User', 'Name or sub'],
            isOperator && ['client', 'Instance', [['', 'Any'], ...instances(request)]],
            isOperator && ['case', 'Case'],
            [
              'reason',
              'Why',
              [['', 'Any reason'], ...REASONS.map((one) => [one, REASON[one]] as const)],
            ],
            isOperator && ['actor', 'By', 'Name, sub or client'],
            ['since', 'From (UTC)', MOMENT],
            ['until', 'Before (UTC)', MOMENT],
          ]}
        />
        <CsvLink request={request} list="revocations" />
      </Panel>
      {filter instanceof Problem ? <Notice kind="warn" title={filter.message} /> : null}
      <Live id="log">
        <Panel>
          {await revocationList(request, 'Revocations', shown, 'No revocation matches.', {
            place,
            next,
            searchedTo: reached,
          })}
        </Panel>
      </Live>
    </>,
  )
}

async function revocationsCsv(request: ConsoleRequest): Promise<Response> {
  const { deps, viewer, now } = request
  await exportAs(deps, viewer.caller, 'revocations', now)
  const tid = tidOf(request)
  const pages = everyPage<LoggedRevocation, { seq: number; at: number }>(
    PAGE,
    ({ before, ...bounds }) =>
      deps.store.pageOfRevocations({ tid, before: before?.seq, ...bounds }),
    ({ seq, at }) => ({ seq, at }),
  )
  const own = async (one: Revocation, text: string | undefined) =>
    (await mayRead(request, one)) ? text : undefined
  return csvResponse<LoggedRevocation>(
    'revocations',
    [
      ['at', ({ at }) => isoTime(at)],
      ['what', ({ selector }) => covered(deps, selector)],
      ['reason', ({ reason }) => reason],
      ['by', ({ actor }) => actorWords(request, actor)],
      ['sessions', ({ fanOut, sessions }) => (fanOut === 'pending' ? undefined : sessions)],
      ['delivered', ({ totals }) => totals.delivered],
      ['deliveries', ({ totals }) => totalOf(totals)],
      ['case_reference', (one) => own(one, one.caseReference)],
      ['comment', (one) => own(one, one.comment)],
    ],
    pages,
  )
}

async function revocationPage(request: ConsoleRequest, seq: number): Promise<Response> {
  const { deps } = request
  const revocation = await deps.store.findRevocation(seq)
  if (revocation === undefined)
    return nothingHere(request, 'The log has no revocation of that number.', '/revocations')
  const { selector, reason, at, actor, totals, fanOut, caseReference, comment } = revocation
  return consolePage(
    request,
    { title: `Revocation ${seq}`, at: '/revocations', live: true },
    <>
      <Done request={request} results={DONE} />
      <Live id="receipt">
        <Panel title="Receipt">{await receiptList(request, seq)}</Panel>
      </Live>
      <Live id="facts">
        <Panel class="narrow">
          <Facts
            items={[
              ['What', await covered(deps, selector)],
              ['Why', REASON[reason]],
              ['By', await actorWords(request, actor)],
              ['When', when(at * 1000, deps.clock.nowMs())],
              ['Sessions', fanOut === 'pending' ? soFar(revocation) : count(revocation.sessions)],
              ['Deliveries', totalsInWords(totals, fanOut)],
              ['Case', caseReference],
              ['Comment', comment],
            ]}
          />
          <p>
            <a href={`/ops/revocations/${seq}/evidence.jsonl`} download="">
              Download signed evidence
            </a>
          </p>
        </Panel>
      </Live>
      <Live id="proof">
        <Panel title="Deliveries of logout tokens">{await deliveryProof(request, seq)}</Panel>
      </Live>
    </>,
  )
}

const DONE: Record<string, string> = {
  yes: 'Revoked. The broker now rejects what it covers, and is delivering the logout tokens.',
  before:
    'You revoked this already. This page shows what was done. Nothing was sent a second time.',
}

/** Sends the signed evidence, to be kept with the case. `cmb evidence verify` checks it. */
async function evidenceDownload(request: ConsoleRequest, seq: number): Promise<Response> {
  const revocation = await request.deps.store.findRevocation(seq)
  if (revocation === undefined)
    return nothingHere(request, 'The log has no revocation of that number.', '/revocations')
  return linesResponse(evidenceOf(request.deps, revocation), `revocation-${seq}`)
}

/** Renders the receipt: each instance that took part, and since when or by when it has stopped. */
async function receiptList(request: ConsoleRequest, seq: number): Promise<Child> {
  const { deps } = request
  const found = await receiptOf(deps, seq)
  if (found === undefined) return <p>The sessions of this revocation are no longer kept.</p>
  const receipt = shown(receiptShape, found)
  const at = (atMs: number): string => when(atMs, deps.clock.nowMs())
  return (
    <>
      <p>{receiptWords(receipt)}.</p>
      <Table
        label="Receipt"
        head={['Instance', 'State', 'Accepts nothing after', 'Guards confirmed']}
        rows={receipt.participants.map((one) => {
          const [claim, nothingAfter, guards] = claimWords(receipt, one, at)
          const tag = <span class={RECEIPT_TAG[one.state]}>{claim}</span>
          return [nameOf(deps, one.client_id), tag, nothingAfter, guards]
        })}
        none="No instance took part."
      />
    </>
  )
}

const RECEIPT_TAG = { confirmed: 'tag', bounded: 'tag wait', not_bounded: 'tag bad' }

/** Renders a page of the deliveries by instance, with their users, devices and attempts. */
async function deliveryProof(request: ConsoleRequest, seq: number): Promise<Child> {
  const { deps } = request
  const nowMs = deps.clock.nowMs()
  const place = placeOf(request, DELIVERY)
  const found = await deps.store.listDeliveries({ seq, before: place.before, limit: PROOF_OF + 1 })
  const { shown, next } = pageOf(found, PROOF_OF, ({ id }) => id)
  const proofs = shown
    .map((one) => ({ ...one, name: nameOf(deps, one.clientId) }))
    .toSorted((a, b) => a.name.localeCompare(b.name))
    .map(async (one) => ({ ...one, made: await deps.store.attemptsOf(one.id) }))
  return listOf<Delivery & { name: string; made: DeliveryAttempt[] }>(request, {
    label: 'Deliveries and their attempts',
    columns: [
      ['Instance', ({ name }) => name],
      ['Session', await whoseOf(request, shown)],
      ['State', ({ state }) => <span class={STATE[state].tag}>{STATE[state].words}</span>],
      [
        'Attempts',
        ({ made, state }) =>
          made.length === 0 ? (
            <span class="soft">{state === 'pending' ? 'none yet' : 'none'}</span>
          ) : (
            made.map((one) => (
              <div class="small">
                {when(one.atMs, nowMs)}: {one.status ?? one.error ?? one.outcome},{' '}
                {span(one.latencyMs)}
              </div>
            ))
          ),
      ],
      [
        'Logout token',
        ({ made }) =>
          made.map(({ jti }) =>
            jti === undefined ? null : (
              <div class="small">
                <code>{jti}</code>
              </div>
            ),
          ),
      ],
      ['Address', ({ uri }) => <span class="small">{uri}</span>],
    ],
    entries: await Promise.all(proofs),
    none: 'No deliveries: no instance with a logout address took part.',
    pages: { of: 'deliveries', place, next },
  })
}

const ONE = '/revocations/:seq{[0-9]{1,15}}'
const seqOf = ({ c }: ConsoleRequest): number => Number(c.req.param('seq'))

export const revocationRoutes: readonly Mounted[] = [
  { path: '/revocations', tenant: true, page: revocationsPage },
  { path: '/revocations.csv', tenant: true, page: revocationsCsv },
  { path: ONE, page: (request) => revocationPage(request, seqOf(request)) },
  { path: `${ONE}/evidence.jsonl`, page: (request) => evidenceDownload(request, seqOf(request)) },
]
