import type { StoredSigningKey } from '../../../db/types.ts'
import { type InstanceNow, instancesNow, worstFirst } from '../acts/instances.ts'
import { instanceColumns } from './instance-cells.tsx'
import { ms, timeColumn, wholeListRoutes } from './list.tsx'
import type { Mounted } from './request.ts'
import { webhookPanel } from './webhooks.tsx'
import { KEY, NO_INSTANCE, NOTES } from './texts/registered.tsx'

/**
 * The lists of the registered instances, and of the signing keys with the endpoints of webhooks.
 * They change nothing: `cmb` and the admin API do.
 */

export const registeredRoutes: readonly Mounted[] = [
  ...wholeListRoutes<InstanceNow>({
    name: 'clients',
    title: 'Instances',
    live: true,
    columns: (request) => instanceColumns(request),
    none: NO_INSTANCE,
    all: async ({ deps }) => worstFirst(await instancesNow(deps)),
    idOf: ({ clientId }) => clientId,
    note: () => NOTES.clients,
  }),
  ...wholeListRoutes<StoredSigningKey>({
    name: 'keys',
    title: 'Keys and webhooks',
    live: true,
    label: 'Signing keys',
    heading: () => 'Signing keys',
    columns: (request) => [
      ['Key', ({ kid }) => <code>{kid}</code>],
      ['Algorithm', ({ alg }) => alg],
      ['State', ({ state }) => <span class={KEY[state].tag}>{KEY[state].words}</span>],
      ['Kept in', (one) => (one.privateSealed === null ? 'a file' : 'the store, sealed')],
      timeColumn(request, 'Created', ({ createdAt }) => ms(createdAt)),
      timeColumn(request, 'Signs since', ({ activatedAt }) => ms(activatedAt)),
      timeColumn(request, 'Published until', ({ retireAt }) => ms(retireAt)),
    ],
    none: 'No key exists.',
    all: ({ deps }) => deps.keys.list(),
    idOf: ({ kid }) => kid,
    note: () => NOTES.keys,
    above: webhookPanel,
  }),
]
