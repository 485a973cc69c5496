import type { Client } from '../protocol/client-metadata.ts'
import type { Params } from '../protocol/params.ts'

/** The interface of this module: who an OAuth request comes from. */

export interface ClientRegistry {
  /** Registered and not removed; from memory, as fresh as the last change by this process. */
  find(clientId: string): Client | undefined
  list(): Client[]
  /** Reads the store again after a change. */
  reload(): Promise<void>
}

/** What an authentication needs of an HTTP request. */
export interface ClientCredentialsInput {
  authorization: string | undefined
  params: Params
  now: number
  /** Where it comes from, for the log and the limit of failures. */
  address?: string | undefined
  /** `false`: failures are answered 401 however many there are. */
  limited?: boolean | undefined
}
// authenticate.ts: authenticateClient(deps, input): Promise<Client>, throws OAuthError invalid_client (401 and WWW-Authenticate where Basic was tried)
