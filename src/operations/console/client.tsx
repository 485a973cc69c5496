import type { Child } from 'hono/jsx'
import type { Lock } from '../../../db/types.ts'
import { registrationToWire } from '../../clients/metadata.ts'
import { Facts, LinkButton } from '../../pages/components.tsx'
import type { Client } from '../../protocol/client-metadata.ts'
import { consolePage, Live, More, nothingHere, Panel } from './layout.tsx'
import { EVERYONE_THERE } from './texts/acts.ts'
import { guardList } from './guards.tsx'
import { instanceList } from './instance-cells.tsx'
import { instancesNow } from '../acts/instances.ts'
import { isHidden } from '../checks/readiness.ts'
import { Items, problemsNow } from './problems.tsx'
import { INSTANCE, SOURCE } from './texts/registered.tsx'
import { secretsPanel } from './secrets.tsx'
import { streamPanel } from './stream.tsx'
import { type ConsoleRequest, isAdministrator, linkOf, type Mounted } from './request.ts'
import { Time } from './time.tsx'

/**
 * The page of one client: its registration, the age of its secrets, which of its addresses answer,
 * its guards, deliveries and stream.
 */

async function clientPage(request: ConsoleRequest): Promise<Response> {
  const { deps, c } = request
  const clientId = c.req.param('id') ?? ''
  const client = deps.clients.find(clientId)
  const now = (await instancesNow(deps)).find((instance) => instance.clientId === clientId)
  if (client === undefined && now === undefined)
    return nothingHere(request, INSTANCE.unknown, '/clients')
  const lock = now?.lock
  const own = (await problemsNow(request)).filter(
    (candidate) => !isHidden(candidate) && candidate.about.includes(`client ${clientId}`),
  )
  const nowMs = deps.clock.nowMs()
  return consolePage(
    request,
    { title: client?.metadata.name ?? `${clientId} (removed)`, at: '/clients', live: true },
    <>
      <Live id="now">
        {own.length === 0 ? null : (
          <Panel title={INSTANCE.wrong}>
            <Items request={request} problems={own} />
          </Panel>
        )}
        {now === undefined ? null : <Panel>{await instanceList(request, [now], true)}</Panel>}
        {isAdministrator(request) ? <Acts clientId={clientId} lock={lock} /> : null}
        <Panel title="Guards">{await guardList(request, now?.guards ?? [])}</Panel>
        {await streamPanel(request, clientId, client)}
      </Live>
      {client === undefined ? null : await secretsPanel(request, client)}
      {client === undefined ? null : <Registered client={client} nowMs={nowMs} />}
      <More
        links={[
          [linkOf('/ops/deliveries', { client: clientId }), INSTANCE.deliveries],
          [linkOf('/ops/revocations', { client: clientId }), INSTANCE.revocations],
          [linkOf('/ops/sessions', { client: clientId }), INSTANCE.sessions],
          [linkOf('/ops/audit', { target: `client ${clientId}` }), INSTANCE.audit],
        ]}
      />
    </>,
  )
}

/** The acts of an incident, at the top of the page. */
const Acts = ({ clientId, lock }: { clientId: string; lock: Lock | undefined }) => (
  <div class="row">
    <LinkButton href={linkOf('/ops/revoke', { kind: 'client', client: clientId })} kind="danger">
      {EVERYONE_THERE}
    </LinkButton>
    {lock === undefined ? (
      <LinkButton href={linkOf('/ops/lock', { client: clientId })} kind="danger">
        {INSTANCE.lock}
      </LinkButton>
    ) : (
      <LinkButton href={linkOf('/ops/locks/lift', { id: lock.id })}>Lift the lock</LinkButton>
    )}
  </div>
)

/**
 * Shows the registration under the names of RFC 7591 and docs/clients.md, so that operators can
 * look them up.
 */
const Registered = ({ client, nowMs }: { client: Client; nowMs: number }) => (
  <Panel title="Registration">
    <Facts
      items={[
        ['Registered by', SOURCE[client.source]],
        ['Registered', <Time atMs={client.createdAt * 1000} nowMs={nowMs} />],
        ['Changed', <Time atMs={client.updatedAt * 1000} nowMs={nowMs} />],
        ...Object.entries(registrationToWire(client)).map(([name, value]): [string, Child] => [
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
      value.map((line) => <div class="small">{textOf(line)}</div>)
    )
  return <span class="small">{textOf(value)}</span>
}

const textOf = (value: unknown): string =>
  typeof value === 'string' ? value : JSON.stringify(value)

export const clientRoutes: readonly Mounted[] = [{ path: '/clients/:id', page: clientPage }]
