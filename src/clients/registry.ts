import type { Store } from '../../db/store.ts'
import { type Client, isOfWorkload } from '../protocol/client-metadata.ts'
import { Readings } from '../runtime/concurrency.ts'
import type { ClientRegistry } from './interface.ts'
import { SecretUses } from './secret-uses.ts'

/**
 * Opens the registry of clients, which answers from memory, without a query per request. Code that
 * changes a registration calls `reload`.
 */
export async function openClientRegistry(
  store: Pick<Store, 'listClients' | 'registryVersion'>,
): Promise<ClientRegistry> {
  let clients = new Map<string, Client>()
  let version = 0
  const readings = new Readings()
  const reload = (): Promise<void> =>
    readings.take(
      // The version is read first, so that the clients are not older than it.
      async () => ({ version: await store.registryVersion(), list: await store.listClients() }),
      (read) => {
        version = read.version
        clients = new Map(read.list.map((client) => [client.clientId, client]))
      },
    )
  let reading: Promise<void> | undefined
  const readTogether = (): Promise<void> =>
    (reading ??= reload().finally(() => (reading = undefined)))
  const readAgain = async (wanted: number): Promise<void> => {
    await readTogether()
    // The read under way may have begun before the change, the next one cannot.
    if (version < wanted) await readTogether()
  }
  await reload()
  return {
    find: (clientId) => clients.get(clientId),
    findByWorkload: (issuer, subject) => {
      const found = [...clients.values()].filter((client) =>
        isOfWorkload(client, { issuer, subject }),
      )
      return found.length === 1 ? found[0] : undefined
    },
    list: () => [...clients.values()],
    reload,
    atLeast: (wanted) => (version >= wanted ? undefined : readAgain(wanted)),
    fetched: { keys: new Map(), logos: new Map() },
    secretUses: new SecretUses(),
  }
}
