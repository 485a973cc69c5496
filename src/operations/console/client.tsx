import type { Child } from 'hono/jsx'
import type { DeliveryState, Lock } from '../../../db/types.ts'
import { toWire } from '../../clients/metadata.ts'
import { Facts, LinkButton, Notice } from '../../pages/components.tsx'
import type { Client } from '../../protocol/client-metadata.ts'
import { consolePage, Live, Panel, Table, nothingHere } from './layout.tsx'
import { count, lockWords, span, STATE, when } from './format.ts'
import { Now } from './deliveries.tsx'
import { guardList } from './guards.tsx'
import { Address } from './instance-cells.tsx'
import { type InstanceNow, instancesNow } from '../acts/instances.ts'
import { SOURCE } from './registered.tsx'
import { streamNow, StreamPanel } from './stream.tsx'
import { type ConsoleRequest, isAdministrator, linkOf, mayAct, type Mounted } from './request.ts'

/**
 * The page of one client: its registration, the age of its secrets, which of its addresses answer,
 * its guards, deliveries and stream.
 */

async function clientPage(request: ConsoleRequest): Promise<Response> {
  const { deps, c } = request
  const clientId = c.req.param('id') ?? ''
  const client = deps.clients.find(clientId)
  const now = (await instancesNow(deps)).find((one) => one.clientId === clientId)
  if (client === undefined && now === undefined)
    return nothingHere(request, 'No client of that ID is registered.', '/clients')
  const lock = now?.lock
  const nowMs = deps.clock.nowMs()
  const stream = await streamNow(request, clientId)
  return consolePage(
    request,
    { title: client?.metadata.name ?? `${clientId} (removed)`, at: '/clients', live: true },
    <>
      {lock === undefined ? null : (
        <Notice
          kind="warn"
          title="This client is locked. The broker issues it no code and no token."
        >
          {await lockWords(request, lock)}
        </Notice>
      )}
      <Live id="now">
        {now === undefined ? null : <Addresses now={now} nowMs={nowMs} />}
        <Panel title="Guards">{await guardList(request, now?.guards ?? [])}</Panel>
        {now === undefined ? null : <Deliveries request={request} now={now} />}
        <StreamPanel now={stream} client={client} nowMs={nowMs} />
      </Live>
      {client === undefined ? null : <Secrets client={client} nowMs={nowMs} />}
      {client === undefined ? null : <Registered client={client} nowMs={nowMs} />}
      <More request={request} clientId={clientId} lock={lock} />
    </>,
  )
}

const More = ({
  request,
  clientId,
  lock,
}: {
  request: ConsoleRequest
  clientId: string
  lock: Lock | undefined
}) => (
  <Panel title="More">
    <ul class="bullets">
      <li>
        <a href={linkOf('/ops/revocations', { client: clientId })}>Revocations of this client</a>
      </li>
      <li>
        <a href={linkOf('/ops/sessions', { client: clientId })}>
          Live sessions in which it takes part
        </a>
      </li>
      <li>
        <a href={linkOf('/ops/audit', { target: `client ${clientId}` })}>
          What was changed, in the audit log
        </a>
      </li>
    </ul>
    {isAdministrator(request) ? (
      <div class="row">
        <LinkButton
          href={linkOf('/ops/revoke', { kind: 'client', client: clientId })}
          kind="danger"
        >
          Sign every user of it out
        </LinkButton>
        {lock === undefined ? (
          <LinkButton href={linkOf('/ops/lock', { client: clientId })} kind="danger">
            Lock this instance
          </LinkButton>
        ) : (
          <LinkButton href={linkOf('/ops/locks/lift', { id: lock.id })}>Lift the lock</LinkButton>
        )}
      </div>
    ) : null}
  </Panel>
)

const Addresses = ({ now, nowMs }: { now: InstanceNow; nowMs: number }) => (
  <Panel title="Logout addresses">
    {now.targets.length === 0 ? (
      <p class={now.unreached ? 'hurt' : 'soft'}>None is registered.</p>
    ) : null}
    {now.targets.map((target) => (
      <Address target={target} nowMs={nowMs} whole />
    ))}
  </Panel>
)

const STATES: readonly DeliveryState[] = [
  'pending',
  'rejected',
  'failed',
  'delivered',
  'superseded',
  'closed',
]

const Deliveries = ({ request, now }: { request: ConsoleRequest; now: InstanceNow }) => (
  <Panel title="Deliveries">
    <Table
      label="Deliveries by state"
      head={['State', { name: 'Deliveries', end: true }]}
      rows={STATES.map((state) => [
        <a href={linkOf('/ops/deliveries', { client: now.clientId, state })}>
          {STATE[state].words}
        </a>,
        count(now.counts[state]),
      ])}
      none=""
    />
    {mayAct(request) && now.counts.rejected + now.counts.failed > 0 ? (
      <Now request={request} fields={{ client_id: now.clientId }}>
        Try all rejected and failed ones now
      </Now>
    ) : null}
  </Panel>
)

const Secrets = ({ client, nowMs }: { client: Client; nowMs: number }) =>
  client.secrets.length === 0 ? null : (
    <Panel title="Secrets">
      <Table
        label="Secrets"
        head={['Secret', 'Age', 'Created', 'Expires']}
        rows={client.secrets.map(({ id, createdAt, expiresAt }) => [
          <code>{id}</code>,
          ageOf(nowMs - createdAt * 1000),
          when(createdAt * 1000, nowMs),
          expiresAt === undefined ? 'never' : when(expiresAt * 1000, nowMs),
        ])}
        none=""
      />
    </Panel>
  )

const DAY_MS = 86_400_000
const ageOf = (ms: number): string =>
  ms < 2 * DAY_MS ? span(Math.max(0, ms)) : `${count(Math.floor(ms / DAY_MS))} days`

/**
 * Shows the registration under the names of RFC 7591 and docs/clients.md, so that operators can
 * look them up.
 */
const Registered = ({ client, nowMs }: { client: Client; nowMs: number }) => (
  <Panel title="Registration">
    <Facts
      items={[
        ['Registered by', SOURCE[client.source]],
        ['Registered', when(client.createdAt * 1000, nowMs)],
        ['Changed', when(client.updatedAt * 1000, nowMs)],
        ...Object.entries(toWire(client)).map(([name, value]): [string, Child] => [
          name,
          valueOf(value),
        ]),
      ]}
    />
  </Panel>
)

function valueOf(value: unknown): Child {
  if (Array.isArray(value))
    return value.length === 0 ? (
      <span class="soft">none</span>
    ) : (
      value.map((one) => <div class="small">{textOf(one)}</div>)
    )
  return <span class="small">{textOf(value)}</span>
}

const textOf = (value: unknown): string =>
  typeof value === 'string' ? value : JSON.stringify(value)

export const clientRoutes: readonly Mounted[] = [{ path: '/clients/:id', page: clientPage }]
