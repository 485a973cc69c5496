import type { DeliveryRef, Revocation } from '../../db/types.ts'
import type { Client } from '../protocol/client-metadata.ts'

/** The interface of this module: the work queue of logout tokens, and the feed. `revoke.ts` is the one function that ends a session. */

/** Lanes of this process, one for each target. */
export interface LocalLanes {
  /** @returns those that do not fit */
  take(refs: readonly DeliveryRef[]): readonly DeliveryRef[]
  states(): TargetState[]
}

/** `unknown`: not called since the start. `failing`: its last answer was not a success. `open`: several in a row; it is probed, one call at a time. */
export interface TargetState {
  targetId: string
  breaker: 'unknown' | 'closed' | 'failing' | 'open'
  failuresInARow: number
  /** Why the last delivery failed, or (breaker closed) was rejected: connection refused, a certificate, HTTP 500. Undefined after a success. */
  lastFailure?: string | undefined
  waiting: number
  running: number
}

/** BullMQ behind it. The row is the truth: losing every job loses nothing. */
export interface DeliveryQueue {
  /** Adds the job `<delivery>-<attempt>`, after `delayMs`. Never throws and never waits for a queue that is down: the relay adds it later. */
  add(refs: readonly DeliveryRef[], delayMs?: number): void
  /** For deliveries that a user waits for: straight to the lanes of this process where it has them (`straight`), and jobs for what they do not take. */
  hurry(refs: readonly DeliveryRef[]): void
  /** This process delivers, by these lanes. Undefined: no longer. */
  straight(lanes: LocalLanes | undefined): void
  /** Targets as this process knows them: who answers, who does not. Empty where it does not deliver. */
  targets(): TargetState[]
  /** Runs `perform` for each job in this process, `concurrency` at a time, until `stop`, which waits for those under way. */
  work(perform: (ref: DeliveryRef) => Promise<void>, concurrency: number): { stop(): Promise<void> }
  /** Whether the queue's server answers, and which engine it is. */
  health(): Promise<{ up: boolean; engine: 'valkey' | 'redis' | 'postgres'; problem?: string | undefined }>
  /** What the operator's queue server does with jobs, as it says itself. Undefined: it is our own, or does not say. */
  durability(): Promise<{ appendOnly: boolean; evictionPolicy: string } | undefined>
  close(): Promise<void>
}

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
   * @throws OAuthError temporarily_unavailable once the feed is closed, and where as many are open as may be
   * @param drop closes the connection beneath, where its reader is too slow
   * @param isValid whether the credential that opened the stream is still valid: asked while the stream lasts
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
  /** A guard has said what it enforces. */
  enforced(clientId: string, guardId: string, seq: number): void
  /** Epoch seconds: when the oldest open stream of a guard was opened. Undefined where it has none here. */
  since(clientId: string, guardId: string): number | undefined
  /** When this process published it, in epoch milliseconds; undefined where it did not, or long ago. */
  publishedAtMs(seq: number): number | undefined
  /** For metrics and the console: streams open now. */
  streams(): { clientId: string; guardId: string; since: number; enforcedSeq: number | undefined }[]
  close(): void
}
