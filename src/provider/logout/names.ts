import type { Deps } from '../deps.ts'
import { homeOf } from '../../pages/places.ts'

/** Display names of clients. */

type Clients = Deps['clients']

export const clientName = (clients: Clients, clientId: string | undefined): string | undefined =>
  clients.find(clientId ?? '')?.metadata.name

export function clientUri(clients: Clients, clientId: string | undefined): string | undefined {
  const client = clients.find(clientId ?? '')
  return client && homeOf(client.metadata)
}

/** Returns the clients' names in the given order, without removed clients. */
export const namesOf = (clients: Clients, clientIds: readonly string[]): string[] =>
  clientIds.flatMap((id) => clientName(clients, id) ?? [])
