import type { Client } from '../protocol/client-metadata.ts'
import type { Params } from '../protocol/params.ts'
import type { SecretUses } from './secret-uses.ts'
import type { Image } from '../config/image.ts'

/** The public types of this module: the registry of clients and the credentials of a request. */

/** The source of keys that are fetched: a JWKS, or the metadata of an issuer, which name its JWKS. */
export interface KeySource {
  uri: string
  /** Set if the address is that of the issuer's metadata. */
  issuer?: string
}

/** A client's keys as they were fetched. Times are epoch seconds. */
export interface FetchedKeys extends KeySource {
  keys: Record<string, unknown>[]
  fetchedAt: number
  triedAt: number
  /** The running fetch, which all callers share. */
  pending?: Promise<Record<string, unknown>[] | undefined> | undefined
}

/** A client's logo as it was fetched from its `logo_uri`. */
export interface FetchedLogo {
  uri: string
  image?: Image | undefined
  /** The time of the latest fetch in epoch seconds. */
  triedAt: number
}

export interface ClientRegistry {
  /**
   * Returns a registered client, unless it was removed. The answer is from memory, as of the last
   * change by this process.
   */
  find(clientId: string): Client | undefined
  /**
   * Returns the client that is registered for a workload; undefined also if several are, which
   * only two brokers at once can register.
   */
  findByWorkload(issuer: string, subject: string): Client | undefined
  list(): Client[]
  /** Reads all clients from the store, after a change. */
  reload(): Promise<void>
  /**
   * Reads all clients where this process has read them at an earlier version of the registry than
   * this one. Undefined: it has not.
   */
  atLeast(version: number): Promise<void> | undefined
  /** Keys and logos that this process has fetched, by client_id. */
  readonly fetched: { keys: Map<string, FetchedKeys>; logos: Map<string, FetchedLogo> }
  /** The uses of secrets that this process has seen. */
  readonly secretUses: SecretUses
}

/** The parts of an HTTP request that identify and authenticate its client. */
export interface ClientCredentialsInput {
  authorization: string | undefined
  params: Params
  now: number
  /** The address of the sender, for the log and the limit of failures. */
  address?: string | undefined
  /** False at endpoints where every failure is answered with 401 and never with 429. */
  limited?: boolean | undefined
}
