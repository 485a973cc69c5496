import type { Revocation } from '../../db/types.ts'
import type { Client } from '../protocol/client-metadata.ts'

/**
 * The interface of this module: the feed. `revoke.ts` has the act that revokes and does nothing
 * else.
 */

/** Where a listener of the feed left off: its `Last-Event-ID`. */
export interface FeedPosition {
  epoch: string
  seq: number
}

/** Who listens to the log: SSE streams, and the worker that fans out wide revocations. */
export interface Feed {
  /** A revocation is committed: sends it to every stream that may see it. */
  publish(revocation: Revocation): void
  /** Signing keys changed: guards fetch the JWKS again, and drop `retiredKids` at once. */
  publishKeys(retiredKids: string[]): void
  /** Another process has revoked: reads the log and sends what is new to every stream. */
  lookAgain(): void
  /** Ends every stream: their guards may not be kept fresh any more. They connect again. */
  interrupt(): void
  /** Called with every revocation that is published, until the answer is called. */
  subscribe(listener: (revocation: Revocation) => void): () => void
  /**
   * A stream of server-sent events for one guard of a client, from where it left off.
   * @throws OAuthError temporarily_unavailable once the feed is closed, and where as many are open
   * as may be
   * @param drop closes the connection beneath, where its reader is too slow
   * @param isValid whether the credential that opened the stream is still valid: asked while the
   * stream lasts
   */
  open(listener: {
    client: Client
    guardId: string
    after?: FeedPosition | undefined
    retiredKids: string[]
    drop?: (() => void) | undefined
    isValid?: (() => Promise<boolean>) | undefined
  }): ReadableStream<Uint8Array>
  /** A turn at reading a page of the log: a few at a time, more wait. @returns how to end it */
  turn(clientId: string): Promise<() => void>
  /** The name of the clock that leases go by: random, new with each process. */
  readonly clock: string
  /**
   * How far the log had come at `knownMs` by that clock. What other brokers had committed by then,
   * keys and registrations included, has been read.
   * @throws StoreUnavailable
   */
  known(notBeforeMs: number): Promise<FeedPosition & { knownMs: number }>
  /** A guard has said what it enforces. */
  enforced(clientId: string, guardId: string, seq: number): void
  /**
   * Epoch seconds: when the oldest open stream of a guard was opened. Undefined where it has none
   * here.
   */
  since(clientId: string, guardId: string): number | undefined
  /**
   * When this process published it, in epoch milliseconds; undefined where it did not, or long ago.
   */
  publishedAtMs(seq: number): number | undefined
  /** For metrics and the console: streams open now. */
  streams(): { clientId: string; guardId: string; since: number; enforcedSeq: number | undefined }[]
  close(): void
}
