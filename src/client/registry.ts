import type { Store } from '../../db/store.ts'
import type { Client } from '../protocol/client-metadata.ts'
import type { ClientRegistry } from './interface.ts'

/** The registered clients, from memory: no query per request. Code that changes a registration calls `reload`. */
export async function openClientRegistry(store: Pick<Store, 'listClients'>): Promise<ClientRegistry> {
  let clients = new Map<string, Client>()
  let reloads = 0
  let applied = 0
  const reload = async (): Promise<void> => {
    const mine = ++reloads
    const read = await store.listClients()
    // Of two reloads at once the one that began later has read the later state.
    if (mine < applied) return
    applied = mine
    clients = new Map(read.map((client) => [client.clientId, client]))
  }
  await reload()
  return { find: (clientId) => clients.get(clientId), list: () => [...clients.values()], reload }
}
