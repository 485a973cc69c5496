import type { Client } from '../../protocol/client-metadata.ts'
import type { StoredSigningKey } from '../../../db/types.ts'
import { consolePage, Live, Panel } from './layout.tsx'
import { instancesNow } from '../acts/instances.ts'
import { addresses, guards, stateOf } from './instance-cells.tsx'
import { when } from './format.ts'
import { listOf } from './list.tsx'
import { clientLink, type ConsoleRequest, type Mounted } from './request.ts'

/**
 * The pages of the registered instances and of the signing keys. They change nothing: `cmb` and the
 * admin API do.
 */

async function clientsPage(request: ConsoleRequest): Promise<Response> {
  const { deps } = request
  const instances = new Map((await instancesNow(deps)).map((one) => [one.clientId, one]))
  const list = await listOf<Client>(request, {
    label: 'Registered instances',
    columns: [
      [
        'Instance',
        ({ clientId, metadata }) => (
          <>
            <strong>
              <a href={clientLink(clientId)}>{metadata.name}</a>
            </strong>
            <div class="small">
              <code>{clientId}</code>
            </div>
          </>
        ),
      ],
      ['State', ({ clientId }) => stateOf(request, instances.get(clientId))],
      ['Registered by', ({ source }) => SOURCE[source]],
      ['Who may use it', (one) => <span class="small">{whoMay(one)}</span>],
      [
        'Authenticates by',
        ({ metadata }) => <span class="small">{AUTH[metadata.authMethod]}</span>,
      ],
      [
        'Logout addresses',
        ({ clientId }) => addresses(instances.get(clientId), deps.clock.nowMs()),
      ],
      ['Guards', ({ clientId }) => guards(instances.get(clientId))],
      ['Changed', ({ updatedAt }) => when(updatedAt * 1000, deps.clock.nowMs())],
    ],
    entries: deps.clients.list(),
    none: 'No instance is registered yet.',
  })
  return consolePage(
    request,
    { title: 'Instances', at: '/clients', live: true },
    <Live id="clients">
      <Panel>
        {list}
        <p class="soft small">
          Change one where it was registered: in the clients file, with cmb clients, or by the admin
          API.
        </p>
      </Panel>
    </Live>,
  )
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
  const at = (seconds: number | undefined) =>
    seconds === undefined ? '' : when(seconds * 1000, request.deps.clock.nowMs())
  const list = await listOf<StoredSigningKey>(request, {
    label: 'Signing keys',
    columns: [
      ['Key', ({ kid }) => <code>{kid}</code>],
      ['Algorithm', ({ alg }) => alg],
      ['State', ({ state }) => <span class={KEY[state].tag}>{KEY[state].words}</span>],
      ['Kept in', (one) => (one.privateSealed === null ? 'a file' : 'the store, sealed')],
      ['Created', ({ createdAt }) => at(createdAt)],
      ['Signs since', ({ activatedAt }) => at(activatedAt)],
      ['Published until', ({ retireAt }) => at(retireAt)],
    ],
    entries: await request.deps.keys.list(),
    none: 'No key exists.',
  })
  return consolePage(
    request,
    { title: 'Signing keys', at: '/keys' },
    <Panel>
      {list}
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
