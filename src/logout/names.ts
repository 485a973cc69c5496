import type { User } from '../../db/types.ts'
import type { Deps } from '../deps.ts'
import type { Texts } from '../page/texts.ts'

/** Names as users read them. */

type Clients = Deps['clients']

export const clientName = (clients: Clients, clientId: string | undefined): string | undefined =>
  clientId === undefined ? undefined : clients.find(clientId)?.metadata.name

/** The instance's home, only where a browser may be sent there. */
export function clientUri(clients: Clients, clientId: string | undefined): string | undefined {
  const uri = clientId === undefined ? undefined : clients.find(clientId)?.metadata.uri
  return uri !== undefined && /^https?:\/\//.test(uri) ? uri : undefined
}

/** In the order given; clients that were removed since have no name to show. */
export const namesOf = (clients: Clients, clientIds: readonly string[]): string[] => clientIds.flatMap((id) => clientName(clients, id) ?? [])

export function userWords({ name, username, email }: User, t: Texts): string {
  const address = username ?? email
  if (name === undefined) return address ?? t.shared.unnamedUser
  return address === undefined ? name : `${name} (${address})`
}
