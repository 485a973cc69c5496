import type { StoredSigningKey, WebhookEndpoint } from '../../../db/types.ts'
import { type GuardState, guardsNow } from '../acts/guards.ts'
import { type InstanceNow, instancesNow, worstFirst } from '../acts/instances.ts'
import { guardColumns } from './guards.tsx'
import { instanceColumns } from './instance-cells.tsx'
import { instances, nameOf } from './format.ts'
import { ms, timeColumn, wholeListRoutes } from './list.tsx'
import { asked, clientLink, type Mounted } from './request.ts'
import { type Counts, webhookColumns } from './webhooks.tsx'
import { KEY, NO_INSTANCE, NO_WEBHOOK, NOTES } from './texts/registered.tsx'

/**
 * The lists of the registered instances, their guards, the webhook endpoints and the signing keys.
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
  ...wholeListRoutes<GuardState>({
    name: 'guards',
    title: 'Guards',
    at: '/clients',
    live: true,
    fields: (request) => [['client', 'Instance', [['', 'Any'], ...instances(request)]]],
    columns: (request) => [
      [
        'Instance',
        ({ clientId }) => <a href={clientLink(clientId)}>{nameOf(request.deps, clientId)}</a>,
      ],
      ...guardColumns(request),
    ],
    none: 'No guard has reported yet.',
    async all(request) {
      const client = asked(request, 'client')
      const { guards } = await guardsNow(request.deps)
      return guards
        .filter(({ clientId }) => client === undefined || client === clientId)
        .toSorted((a, b) => (idOfGuard(a) < idOfGuard(b) ? -1 : 1))
    },
    idOf: (one) => idOfGuard(one),
  }),
  ...wholeListRoutes<WebhookEndpoint & { counts: Counts }>({
    name: 'webhooks',
    title: 'Webhooks',
    label: 'Webhook endpoints',
    live: true,
    columns: webhookColumns,
    none: NO_WEBHOOK,
    async all({ deps: { store } }) {
      const [all, counts] = await Promise.all([store.listWebhooks(), store.deliveryCounts()])
      return all.map((one) => ({ ...one, counts }))
    },
    idOf: ({ id }) => id,
    note: () => NOTES.webhooks,
  }),
  ...wholeListRoutes<StoredSigningKey>({
    name: 'keys',
    title: 'Signing keys',
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
  }),
]
const idOfGuard = ({ guardId, clientId }: GuardState): string => `${guardId} ${clientId}`
