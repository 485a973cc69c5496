import type { Child } from 'hono/jsx'
import type { Delivery, DeliveryAttempt, LoggedRevocation, Revocation } from '../../db/types.ts'
import { Facts, Notice } from '../page/components.tsx'
import { desk, Live, Panel, Table, type ConsoleRequest } from './desk.tsx'
import { nothingHere } from './nothing.tsx'
import { GUARD_WORDS, type GuardProof, guardProof } from '../acts/guards.ts'
import { totalsInWords } from '../acts/totals.ts'
import { count, covered, nameOf, plural, REASON, span, STATE, when } from './format.ts'

/** The log of revocations, and each with what it owed and the proof of it. */

const PAGE = 50
const PROOF_OF = 200

const end = (name: string) => ({ name, end: true }) as const
export const REVOCATION_HEAD = ['Number', 'When', 'What', 'Why', 'By', end('Sessions'), 'Case']

export const revocationRows = (request: ConsoleRequest, revocations: readonly Revocation[]): Promise<Child[][]> =>
  Promise.all(
    revocations.map(async (one) => [
      <a href={`/ops/revocations/${one.seq}`}>{one.seq}</a>,
      when(one.at * 1000, request.deps.clock.nowMs()),
      await covered(request.deps, one.selector),
      REASON[one.reason],
      await actor(request, one),
      one.fanOut === 'pending' ? <span class="tag wait">{soFar(one)}</span> : count(one.sessions),
      one.caseReference ?? '',
    ]),
  )

/** Not yet counted is not none. */
const soFar = ({ sessions }: Revocation): string => (sessions === 0 ? 'not counted yet' : `${count(sessions)} so far`)

/** Users by their name, where the store still knows it. */
async function actor({ deps }: ConsoleRequest, { actor: by }: Revocation): Promise<string> {
  if (by.kind === 'client') return nameOf(deps, by.id)
  if (by.kind === 'broker' || by.kind === 'microsoft') return by.kind === 'broker' ? 'The broker' : 'Microsoft'
  const subject = by.id.startsWith('u_') ? await deps.store.findSubject(by.id) : undefined
  return subject?.name ?? subject?.username ?? by.id
}

export async function revocationsPage(request: ConsoleRequest): Promise<Response> {
  const { deps, c } = request
  const before = /^\d{1,15}$/.test(c.req.query('before') ?? '') ? Number(c.req.query('before')) : undefined
  const found = await deps.store.listRevocations({ before, limit: PAGE + 1 })
  const shown = found.slice(0, PAGE)
  const rows = await revocationRows(request, shown)
  return desk(
    request,
    { title: 'Revocations', at: '/ops/revocations', live: before === undefined },
    <>
      <Live id="log">
        <Panel>
          <Table label="Revocations" head={REVOCATION_HEAD} rows={rows} none="Nothing has been revoked yet." />
        </Panel>
      </Live>
      <p class="row">
        {before === undefined ? null : <a href="/ops/revocations">Newest</a>}
        {found.length > PAGE ? <a href={`/ops/revocations?before=${shown.at(-1)?.seq ?? 0}`}>Older</a> : null}
      </p>
    </>,
  )
}

export async function revocationPage(request: ConsoleRequest, seq: number): Promise<Response> {
  const { deps, c } = request
  const revocation = await deps.store.findRevocation(seq)
  if (revocation === undefined) return nothingHere(request, 'The log has no revocation of that number.', '/ops/revocations')
  const found = await deps.store.listDeliveries({ seq, limit: PROOF_OF + 1 })
  const proofs = await Promise.all(found.slice(0, PROOF_OF).map(async (one) => ({ delivery: one, attempts: await deps.store.attemptsOf(one.id) })))
  const guards = await guardProof(deps, revocation)
  const nowMs = deps.clock.nowMs()
  const what = await covered(deps, revocation.selector)
  const by = await actor(request, revocation)
  return desk(
    request,
    { title: `Revocation ${seq}`, at: '/ops/revocations', live: true },
    <>
      {c.req.query('done') === 'yes' ? (
        <Notice kind="good" title="Revoked. The broker has refused it since; its logout tokens are being delivered." />
      ) : null}
      <Live id="facts">
        <RevocationFacts revocation={revocation} what={what} by={by} nowMs={nowMs} />
      </Live>
      <Live id="proof">
        <DeliveryProof request={request} seq={seq} proofs={proofs} more={found.length > PROOF_OF} />
        <EnforcedByGuards deps={deps} guards={guards} nowMs={nowMs} />
      </Live>
    </>,
  )
}

function RevocationFacts({ revocation, what, by, nowMs }: { revocation: LoggedRevocation; what: string; by: string; nowMs: number }) {
  return (
    <Panel class="narrow">
      <Facts
        items={[
          ['What', what],
          ['Why', REASON[revocation.reason]],
          ['By', by],
          ['When', when(revocation.at * 1000, nowMs)],
          ['Sessions', revocation.fanOut === 'pending' ? soFar(revocation) : count(revocation.sessions)],
          ['Deliveries', totalsInWords(revocation.totals, revocation.fanOut)],
          ['Case', revocation.caseReference],
          ['Comment', revocation.comment],
        ]}
      />
    </Panel>
  )
}

interface Proof {
  delivery: Delivery
  attempts: readonly DeliveryAttempt[]
}

/** The newest deliveries with their attempts, and where the rest of them is listed. */
function DeliveryProof({ request, seq, proofs, more }: { request: ConsoleRequest; seq: number; proofs: readonly Proof[]; more: boolean }) {
  return (
    <Panel title="Deliveries of logout tokens">
      <Table
        label="Deliveries and their attempts"
        head={['Instance', 'State', 'Attempts', 'Logout token', 'Address']}
        rows={proofs.map(({ delivery, attempts }) => proofRow(request, delivery, attempts))}
        none="No deliveries: no instance with a logout address took part."
      />
      {more ? (
        <p class="soft">
          These are the newest {PROOF_OF}. cmb revocations show {seq} pages through all of them, and cmb evidence export --revocation {seq} writes
          them to a file.
        </p>
      ) : null}
    </Panel>
  )
}

function EnforcedByGuards({ deps, guards, nowMs }: { deps: ConsoleRequest['deps']; guards: readonly GuardProof[]; nowMs: number }) {
  return (
    <Panel title="Enforced by guards">
      <Table
        label="Guards"
        head={['Instance', 'Guard', 'State', 'No later than']}
        rows={guards.map((one) => [
          nameOf(deps, one.client_id),
          one.guard_id,
          <span class={one.enforced ? 'tag' : 'tag wait'}>{GUARD_WORDS[one.state]}</span>,
          one.no_later_than_ms === null ? '' : when(one.no_later_than_ms, nowMs),
        ])}
        none="No guard follows the feed."
      />
    </Panel>
  )
}

function proofRow(request: ConsoleRequest, delivery: Delivery, attempts: readonly DeliveryAttempt[]): Child[] {
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

export const howMany = (end: { sessions: number; subjects: number; clients: number; deliveries: number }): string =>
  `${plural(end.sessions, 'session')} of ${plural(end.subjects, 'user', 'users')}, at ${plural(end.clients, 'instance')}; ${plural(end.deliveries, 'logout token')} to deliver`
