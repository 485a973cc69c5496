import type { Revocation } from '../../db/types.ts'
import type { Client } from '../protocol/client-metadata.ts'
import type { GuardLeases } from './guard-leases.ts'

/**
 * The interface of this module: the feed. `revoke.ts` has the act that revokes and does nothing
 * else.
 */

/** A listener's position in the feed, sent as its `Last-Event-ID`. */
export interface FeedPosition {
  epoch: string
  seq: number
}

/** The feed of revocations. Its listeners are SSE streams and the worker of wide revocations. */
export interface Feed {
  /**
   * Sends a committed revocation to every stream that may see it, by registrations of this version
   * of the registry or a later one.
   */
  publish(revocation: Revocation, registryVersion: number): void
  /**
   * Announces that signing keys changed: guards fetch the JWKS again and drop `retiredKids` at
   * once.
   */
  publishKeys(retiredKids: string[]): void
  /** Reads the log after another process revoked, and sends the new revocations. */
  lookAgain(): void
  /** Closes every stream, because its leases may no longer be renewed. The guards reconnect. */
  interrupt(): void
  /** Calls the listener with every published revocation. Returns the function that unsubscribes. */
  subscribe(listener: (revocation: Revocation) => void): () => void
  /**
   * Opens a stream of server-sent events for one guard, from its last position.
   * @throws OAuthError temporarily_unavailable if the feed is closed or all streams are in use
   * @param nonce the random value of the request, which the first event repeats
   * @param drop closes the underlying connection if its reader is too slow
   * @param isValid returns whether the credential that opened the stream is still valid; called
   * while the stream is open
   */
  open(listener: {
    client: Client
    guardId: string
    /** True if the guard judges the instance's own sessions too. */
    sessions?: boolean | undefined
    after?: FeedPosition | undefined
    nonce?: string | undefined
    retiredKids: string[]
    drop?: (() => void) | undefined
    isValid?: (() => Promise<boolean>) | undefined
  }): ReadableStream<Uint8Array>
  /** Waits for a turn to read one page of the log. Returns the function that ends the turn. */
  turn(clientId: string): Promise<() => void>
  /** The name of the clock that leases count by: random for each process. */
  readonly clock: string
  /** The rows of the streams and pollers that this process grants leases to. */
  readonly leases: GuardLeases
  /**
   * Returns the length of a lease that counts from `knownMs`: a longer length counts only from when
   * this process has seen it, because receipts go by the length at the acknowledgment.
   */
  lengthOf(clientId: string, knownMs: number): number
  /**
   * Returns a position of the log and the time `knownMs` at which it was the head. Everything that
   * other brokers had committed by then, keys and registrations included, has been read.
   * @throws StoreUnavailable
   */
  known(notBeforeMs: number): Promise<FeedPosition & { knownMs: number }>
  /**
   * Returns when this process published a revocation, in epoch milliseconds. Undefined if it did
   * not, or no longer remembers.
   */
  publishedAtMs(seq: number): number | undefined
  /**
   * Returns for how long this process has known that a revocation is committed, by a clock that is
   * never set. It knows at the latest when it is asked.
   */
  knownForMs(seq: number): number
  /** Returns the open streams, for metrics and the console. */
  streams(): { clientId: string; guardId: string }[]
  close(): void
}
