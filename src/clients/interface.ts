import type { Client } from '../protocol/client-metadata.ts'
import type { Params } from '../protocol/params.ts'
import type { Image } from '../config/image.ts'

/** The interface of this module: who an OAuth request comes from. */

/** A client's keys as they were fetched from its `jwks_uri`. Times are epoch seconds. */
export interface FetchedKeys {
  uri: string
  keys: Record<string, unknown>[]
  fetchedAt: number
  triedAt: number
  /** One fetch at a time, however many wait for it. */
  pending?: Promise<Record<string, unknown>[] | undefined> | undefined
}

/** A client's logo as it was fetched from its `logo_uri`. */
export interface FetchedLogo {
  uri: string
  image?: Image | undefined
  /** Epoch seconds. */
  triedAt: number
}

export interface ClientRegistry {
  /** Registered and not removed; from memory, as fresh as the last change by this process. */
  find(clientId: string): Client | undefined
  list(): Client[]
  /** Reads the store again after a change. */
  reload(): Promise<void>
  /** Keys and logos that this process has fetched, by client_id. */
  readonly fetched: { keys: Map<string, FetchedKeys>; logos: Map<string, FetchedLogo> }
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
