import type { Child } from 'hono/jsx'
import type { Delivery, DeliveryAttempt, LoggedRevocation, Revocation } from '../../../db/types.ts'
import { Facts, Notice } from '../../pages/components.tsx'
import {
  consolePage,
  Live,
  Panel,
  Table,
  type ConsoleRequest,
  nothingHere,
  type Mounted,
} from './layout.tsx'
import { guardKey, guardPage, guardPlace } from './guards.tsx'
import { DELIVERY, NUMBER, pageOf, pageOfSearch, Pages, placeOf, type Place } from './pages.tsx'
import {
  filterOf,
  isNarrowed,
  NoSuchUser,
  readFilter,
  RevocationFilters,
} from './revocation-filter.tsx'
import { GUARD_WORDS, type GuardProof, guardProof } from '../acts/guards.ts'
import { totalOf, totalsInWords } from '../acts/totals.ts'
import { linesResponse } from '../acts/audit.ts'
import { MOST_ENTRIES } from '../acts/search.ts'
import { evidenceOf } from '../acts/evidence.ts'
import { count, covered, nameOf, plural, REASON, span, STATE, when } from './format.ts'
import { caseLink } from './links.ts'

/** The log of revocations, and each with its deliveries and their proof. */

const PAGE = 50
const PROOF_OF = 100

const end = (name: string) => ({ name, end: true }) as const
export const REVOCATION_HEAD = [
  'Number',
  'When',
  'What',
  'Why',
  'By',
  end('Sessions'),
  end('Delivered'),
  'Case',
]

export const revocationRows = (
  request: ConsoleRequest,
  revocations: readonly LoggedRevocation[],
): Promise<Child[][]> =>
  Promise.all(
    revocations.map(async (one) => [
      <a href={`/ops/revocations/${one.seq}`}>{one.seq}</a>,
      when(one.at * 1000, request.deps.clock.nowMs()),
      await covered(request.deps, one.selector),
      REASON[one.reason],
      await actor(request, one),
      one.fanOut === 'pending' ? <span class="tag wait">{soFar(one)}</span> : count(one.sessions),
      delivered(one),
      one.caseReference === undefined ? (
        ''
      ) : (
        <a href={caseLink(one.caseReference)}>{one.caseReference}</a>
      ),
    ]),
  )

/** Not yet counted is not none. */
const soFar = ({ sessions }: Revocation): string =>
  sessions === 0 ? 'not counted yet' : `${count(sessions)} so far`

function delivered({ totals }: LoggedRevocation): Child {
  const total = totalOf(totals)
  if (total === 0) return <span class="zero">none</span>
  const words = `${count(totals.delivered)} of ${count(total)}`
  return totals.failed + totals.rejected > 0 ? <span class="hurt">{words}</span> : words
}

/** Users by their name, where the store still knows it. */
async function actor({ deps }: ConsoleRequest, { actor: by }: Revocation): Promise<string> {
  if (by.kind === 'client') return nameOf(deps, by.id)
  if (by.kind === 'broker' || by.kind === 'microsoft')
    return by.kind === 'broker' ? 'The broker' : 'Microsoft'
  const subject = by.id.startsWith('u_') ? await deps.store.findSubject(by.id) : undefined
  return subject?.name ?? subject?.username ?? by.id
}

async function revocationsPage(request: ConsoleRequest): Promise<Response> {
  const { deps } = request
  const place = placeOf(request, NUMBER)
  const before = place.before === undefined ? undefined : Number(place.before)
  const asked = readFilter(request)
  const filter = await filterOf(request, asked)
  const found =
    filter === undefined
      ? { found: [], searchedTo: undefined }
      : await deps.store.pageOfRevocations({
          ...filter,
          before,
          limit: PAGE + 1,
          most: MOST_ENTRIES,
        })
  const { shown, next, searchedTo } = pageOfSearch(found, PAGE, ({ seq }) => String(seq))
  const rows = await revocationRows(request, shown)
  return consolePage(
    request,
    { title: 'Revocations', at: '/ops/revocations', live: before === undefined },
    <>
      <Panel>
        <RevocationFilters request={request} asked={asked} />
      </Panel>
      {filter === undefined ? <NoSuchUser user={asked.user ?? ''} /> : null}
      <Live id="log">
        <Panel>
          <Table
            label="Revocations"
            head={REVOCATION_HEAD}
            rows={rows}
            none={
              searchedTo !== undefined
                ? 'No match so far.'
                : isNarrowed(asked)
                  ? 'No revocation matches.'
                  : 'Nothing has been revoked yet.'
            }
          />
        </Panel>
      </Live>
      <Pages
        request={request}
        of="revocations"
        place={place}
        next={next}
        searchedTo={
          searchedTo &&
          `${when(searchedTo.at * 1000, deps.clock.nowMs())} (revocation ${count(searchedTo.seq)})`
        }
      />
    </>,
  )
}

async function revocationPage(request: ConsoleRequest, seq: number): Promise<Response> {
  const { deps, c } = request
  const revocation = await deps.store.findRevocation(seq)
  if (revocation === undefined)
    return nothingHere(request, 'The log has no revocation of that number.', '/ops/revocations')
  const guards = await guardProof(deps, revocation)
  const proof = await deliveriesOf(request, seq)
  const nowMs = deps.clock.nowMs()
  const what = await covered(deps, revocation.selector)
  const by = await actor(request, revocation)
  return consolePage(
    request,
    { title: `Revocation ${seq}`, at: '/ops/revocations', live: true },
    <>
      <Done said={c.req.query('done')} />
      <Live id="facts">
        <RevocationFacts revocation={revocation} what={what} by={by} nowMs={nowMs} />
      </Live>
      <Live id="proof">
        <DeliveryProof request={request} {...proof} />
        <EnforcedByGuards request={request} guards={guards} />
      </Live>
    </>,
  )
}

const DONE: Record<string, string> = {
  yes: 'Revoked. The broker now refuses what it covers, and is delivering the logout tokens.',
  before:
    'You revoked this already. This page shows what was done. Nothing was sent a second time.',
}
const Done = ({ said = '' }: { said: string | undefined }) =>
  Object.hasOwn(DONE, said) ? <Notice kind="good" title={DONE[said]} /> : null

/** The signed evidence, to be kept with the case: cmb evidence verify checks it. */
async function evidenceDownload(request: ConsoleRequest, seq: number): Promise<Response> {
  const revocation = await request.deps.store.findRevocation(seq)
  if (revocation === undefined)
    return nothingHere(request, 'The log has no revocation of that number.', '/ops/revocations')
  const response = linesResponse(evidenceOf(request.deps, revocation))
  response.headers.set(
    'Content-Disposition',
    `attachment; filename="broker-revocation-${seq}.jsonl"`,
  )
  return response
}

function RevocationFacts({
  revocation,
  what,
  by,
  nowMs,
}: {
  revocation: LoggedRevocation
  what: string
  by: string
  nowMs: number
}) {
  return (
    <Panel class="narrow">
      <Facts
        items={[
          ['What', what],
          ['Why', REASON[revocation.reason]],
          ['By', by],
          ['When', when(revocation.at * 1000, nowMs)],
          [
            'Sessions',
            revocation.fanOut === 'pending' ? soFar(revocation) : count(revocation.sessions),
          ],
          ['Deliveries', totalsInWords(revocation.totals, revocation.fanOut)],
          ['Case', revocation.caseReference],
          ['Comment', revocation.comment],
        ]}
      />
      <p>
        <a
          href={`/ops/revocations/${revocation.seq}/evidence.jsonl`}
          download={`broker-revocation-${revocation.seq}.jsonl`}
        >
          Download signed evidence
        </a>
      </p>
    </Panel>
  )
}

interface Proof {
  delivery: Delivery
  attempts: readonly DeliveryAttempt[]
}

interface ProofPage {
  proofs: readonly Proof[]
  place: Place
  next: string | undefined
}

async function deliveriesOf(request: ConsoleRequest, seq: number): Promise<ProofPage> {
  const { store } = request.deps
  const place = placeOf(request, DELIVERY)
  const found = await store.listDeliveries({ seq, before: place.before, limit: PROOF_OF + 1 })
  const { shown, next } = pageOf(found, PROOF_OF, ({ id }) => id)
  return {
    place,
    next,
    proofs: await Promise.all(
      shown.map(async (one) => ({ delivery: one, attempts: await store.attemptsOf(one.id) })),
    ),
  }
}

/** A page of the deliveries with their attempts, newest first. */
function DeliveryProof({ request, proofs, place, next }: ProofPage & { request: ConsoleRequest }) {
  return (
    <Panel title="Deliveries of logout tokens">
      <Table
        label="Deliveries and their attempts"
        head={['Instance', 'State', 'Attempts', 'Logout token', 'Address']}
        rows={proofs.map(({ delivery, attempts }) => proofRow(request, delivery, attempts))}
        none="No deliveries: no instance with a logout address took part."
      />
      <Pages request={request} of="deliveries" place={place} next={next} />
    </Panel>
  )
}

function EnforcedByGuards({
  request,
  guards,
}: {
  request: ConsoleRequest
  guards: readonly GuardProof[]
}) {
  const { deps } = request
  const nowMs = deps.clock.nowMs()
  const place = guardPlace(request, 'guards_')
  const { shown, next } = guardPage(guards, (one) => guardKey(one.client_id, one.guard_id), place)
  return (
    <Panel title="Enforced by guards">
      <Table
        label="Guards"
        head={['Instance', 'Guard', 'State', 'No later than']}
        rows={shown.map((one) => [
          nameOf(deps, one.client_id),
          one.guard_id,
          <span class={one.enforced ? 'tag' : 'tag wait'}>{GUARD_WORDS[one.state]}</span>,
          one.no_later_than_ms === null ? '' : when(one.no_later_than_ms, nowMs),
        ])}
        none="No guard follows the feed."
      />
      <Pages request={request} of="guards" place={place} next={next} list="guards_" />
    </Panel>
  )
}

function proofRow(
  request: ConsoleRequest,
  delivery: Delivery,
  attempts: readonly DeliveryAttempt[],
): Child[] {
  const { words, tag } = STATE[delivery.state]
  const nowMs = request.deps.clock.nowMs()
  return [
    nameOf(request.deps, delivery.clientId),
    <span class={tag}>{words}</span>,
    attempts.length === 0 ? (
      <span class="soft">{delivery.state === 'pending' ? 'none yet' : 'none'}</span>
    ) : (
      attempts.map((one) => (
        <div class="small">
          {when(one.atMs, nowMs)}: {one.status ?? one.error ?? one.outcome}, {span(one.latencyMs)}
        </div>
      ))
    ),
    attempts.flatMap(({ jti }) =>
      jti === undefined
        ? []
        : [
            <div class="small">
              <code>{jti}</code>
            </div>,
          ],
    ),
    <span class="small">{delivery.uri}</span>,
  ]
}

export const howMany = (end: {
  sessions: number
  subjects: number
  clients: number
  deliveries: number
  otherSubjects: string[]
}): string =>
  `${plural(end.sessions, 'session')} of ${plural(end.subjects, 'user', 'users')}, at ${plural(end.clients, 'instance')}; ${plural(end.deliveries, 'logout token')} to deliver${othersWords(end.otherSubjects)}`
const othersWords = ({ length }: string[]): string =>
  length === 0
    ? ''
    : `. It also concerns ${plural(length, 'account')} of the same user in other tenants`

const ONE = '/ops/revocations/:seq{[0-9]{1,15}}'
const seqOf = ({ c }: ConsoleRequest): number => Number(c.req.param('seq'))

export const revocationRoutes: readonly Mounted<ConsoleRequest>[] = [
  { path: '/ops/revocations', page: revocationsPage },
  { path: ONE, page: (request) => revocationPage(request, seqOf(request)) },
  { path: `${ONE}/evidence.jsonl`, page: (request) => evidenceDownload(request, seqOf(request)) },
]
