import type { Store } from '../../db/store.ts'
import type { Client } from '../protocol/client-metadata.ts'
import { Readings } from '../runtime/concurrency.ts'
import type { ClientRegistry } from './interface.ts'

/**
 * Opens the registry of clients, which answers from memory, without a query per request. Code that
 * changes a registration calls `reload`.
 */
export async function openClientRegistry(
  store: Pick<Store, 'listClients'>,
): Promise<ClientRegistry> {
  let clients = new Map<string, Client>()
  const readings = new Readings()
  const reload = (): Promise<void> =>
    readings.take(
      () => store.listClients(),
      (read) => void (clients = new Map(read.map((client) => [client.clientId, client]))),
    )
  await reload()
  return {
    find: (clientId) => clients.get(clientId),
    list: () => [...clients.values()],
    reload,
    fetched: { keys: new Map(), logos: new Map() },
  }
}
