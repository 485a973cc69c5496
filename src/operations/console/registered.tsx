import type { Child } from 'hono/jsx'
import type { Client } from '../../protocol/client-metadata.ts'
import type { StoredSigningKey } from '../../../db/types.ts'
import { consolePage, Live, Panel, Table } from './layout.tsx'
import { type InstanceNow, instancesNow } from './instances.ts'
import { addresses, guards } from './instance-cells.tsx'
import { when } from './format.ts'
import { clientLink, type ConsoleRequest, type Mounted } from './request.ts'

/**
 * The pages of the registered instances and of the signing keys. They change nothing: `cmb` and the
 * admin API do.
 */

async function clientsPage(request: ConsoleRequest): Promise<Response> {
  const { deps } = request
  const instances = new Map((await instancesNow(deps)).map((one) => [one.clientId, one]))
  const nowMs = deps.clock.nowMs()
  const rows = deps.clients
    .list()
    .map((client) => clientRow(client, instances.get(client.clientId), nowMs))
  return consolePage(
    request,
    { title: 'Instances', at: '/clients', live: true },
    <Live id="clients">
      <Panel>
        <Table
          label="Registered instances"
          head={[
            'Instance',
            'Registered by',
            'Who may use it',
            'Authenticates by',
            'Logout addresses',
            'Guards',
            'Changed',
          ]}
          rows={rows}
          none="No instance is registered yet."
        />
        <p class="soft small">
          Change one where it was registered: in the clients file, with cmb clients, or by the admin
          API.
        </p>
      </Panel>
    </Live>,
  )
}

function clientRow(client: Client, now: InstanceNow | undefined, nowMs: number): Child[] {
  return [
    <>
      <strong>
        <a href={clientLink(client.clientId)}>{client.metadata.name}</a>
      </strong>
      <div class="small">
        <code>{client.clientId}</code>
      </div>
    </>,
    SOURCE[client.source],
    <span class="small">{whoMay(client)}</span>,
    <span class="small">{AUTH[client.metadata.authMethod]}</span>,
    addresses(now, nowMs),
    guards(now),
    when(client.updatedAt * 1000, nowMs),
  ]
}

export const SOURCE: Record<Client['source'], string> = {
  file: 'the clients file',
  command: 'cmb',
  api: 'the admin API',
  demo: 'the demo',
  broker: 'the broker',
}
const AUTH: Record<Client['metadata']['authMethod'], string> = {
  client_secret_basic: 'a secret',
  client_secret_post: 'a secret',
  private_key_jwt: 'a key of its own',
  none: 'PKCE alone (public)',
}

function whoMay({ source, metadata }: Client): string {
  if (source === 'broker') return 'Operators and administrators'
  if (!metadata.grants.includes('authorization_code')) return 'No user: it acts for itself'
  const whose = metadata.tenants === undefined ? 'Every tenant' : metadata.tenants.join(', ')
  return metadata.appRole === undefined ? whose : `${whose}, with ${metadata.appRole}`
}

const KEY = {
  active: { words: 'signs', tag: 'tag' },
  next: { words: 'comes next', tag: 'tag calm' },
  retiring: { words: 'still published', tag: 'tag wait' },
  retired: { words: 'retired', tag: 'tag calm' },
} as const

async function keysPage(request: ConsoleRequest): Promise<Response> {
  const nowMs = request.deps.clock.nowMs()
  const at = (seconds: number | undefined) =>
    seconds === undefined ? '' : when(seconds * 1000, nowMs)
  const rows = (await request.deps.keys.list()).map((key: StoredSigningKey) => [
    <code>{key.kid}</code>,
    key.alg,
    <span class={KEY[key.state].tag}>{KEY[key.state].words}</span>,
    key.privateSealed === null ? 'a file' : 'the store, sealed',
    at(key.createdAt),
    at(key.activatedAt),
    at(key.retireAt),
  ])
  return consolePage(
    request,
    { title: 'Signing keys', at: '/keys' },
    <Panel>
      <Table
        label="Signing keys"
        head={['Key', 'Algorithm', 'State', 'Kept in', 'Created', 'Signs since', 'Published until']}
        rows={rows}
        none="No key exists."
      />
      <p class="soft small">
        The broker rotates keys by itself. To rotate one now: <code>cmb keys rotate ES256</code>. If
        a key may have leaked: <code>cmb keys rotate ES256 --emergency</code>.
      </p>
    </Panel>,
  )
}

export const registeredRoutes: readonly Mounted[] = [
  { path: '/clients', page: clientsPage },
  { path: '/keys', page: keysPage },
]
