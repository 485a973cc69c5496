import type { Client } from '../../protocol/client-metadata.ts'
import type { StoredSigningKey } from '../../../db/types.ts'
import { consolePage, Live, Panel } from './layout.tsx'
import { instancesNow } from '../acts/instances.ts'
import { instanceList } from './instance-cells.tsx'
import { listOf, ms, timeColumn } from './list.tsx'
import type { ConsoleRequest, Mounted } from './request.ts'

/**
 * The pages of the registered instances and of the signing keys. They change nothing: `cmb` and the
 * admin API do.
 */

const clientsPage = async (request: ConsoleRequest): Promise<Response> =>
  consolePage(
    request,
    { title: 'Instances', at: '/clients', live: true },
    <Live id="clients">
      <Panel>
        {await instanceList(request, await instancesNow(request.deps))}
        <p class="soft small">
          Change one where it was registered: in the clients file, with cmb clients, or by the admin
          API.
        </p>
      </Panel>
    </Live>,
  )

export const SOURCE: Record<Client['source'], string> = {
  file: 'the clients file',
  command: 'cmb',
  api: 'the admin API',
  demo: 'the demo',
  broker: 'the broker',
}
const KEY = {
  active: { words: 'signs', tag: 'tag' },
  next: { words: 'comes next', tag: 'tag calm' },
  retiring: { words: 'still published', tag: 'tag wait' },
  retired: { words: 'retired', tag: 'tag calm' },
} as const

async function keysPage(request: ConsoleRequest): Promise<Response> {
  const list = await listOf<StoredSigningKey>(request, {
    label: 'Signing keys',
    columns: [
      ['Key', ({ kid }) => <code>{kid}</code>],
      ['Algorithm', ({ alg }) => alg],
      ['State', ({ state }) => <span class={KEY[state].tag}>{KEY[state].words}</span>],
      ['Kept in', (one) => (one.privateSealed === null ? 'a file' : 'the store, sealed')],
      timeColumn(request, 'Created', ({ createdAt }) => ms(createdAt)),
      timeColumn(request, 'Signs since', ({ activatedAt }) => ms(activatedAt)),
      timeColumn(request, 'Published until', ({ retireAt }) => ms(retireAt)),
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
