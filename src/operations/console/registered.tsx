import { type InstanceNow, instancesNow, worstFirst } from '../acts/instances.ts'
import { instanceColumns } from './instance-cells.tsx'
import { wholeListRoutes } from './list.tsx'
import type { Mounted } from './request.ts'
import { NO_INSTANCE, NOTES } from './texts/registered.tsx'

/** The list of the registered instances. It changes nothing: `cmb` and the admin API do. */

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
]
