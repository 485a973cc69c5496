import type { DeliveryRef, DeliveryTotals } from '../../db/types.ts'

/** The public types of this module: the work queue of messages. */

/** The delivery lanes of this process, one for each target. */
export interface LocalLanes {
  /** Queues deliveries in their lanes. */
  take(refs: readonly DeliveryRef[]): void
  states(): TargetState[]
}

/**
 * The state of a target in this process. `unknown`: not called since the start. `failing`: its last
 * answer was not a success. `open`: several in a row were not, so it is probed with one call at a
 * time.
 */
export interface TargetState {
  targetId: string
  breaker: 'unknown' | 'closed' | 'failing' | 'open'
  failuresInARow: number
  /**
   * The cause of the last delivery's failure or, with a closed breaker, its rejection: connection
   * rejected, a certificate, HTTP 500. Undefined after a success.
   */
  lastFailure?: string | undefined
  /** The time at which it last accepted or rejected a delivery. */
  answeredAtMs?: number | undefined
  waiting: number
  running: number
}

/** The deliveries of one revocation, as its job shows them. */
export interface Driven {
  /** Undefined if the store could not be read. */
  totals?: DeliveryTotals | undefined
  /** The time until they have to be looked at again. Undefined: none is pending. */
  againMs?: number | undefined
}
export type Drive = (seq: number) => Promise<Driven>

/** The job of a revocation, as operators see it. */
export interface RevocationJob {
  /** BullMQ's word: waiting, active, delayed, completed, failed. */
  state: string
  /** How often the job has run. */
  runs: number
  /** The outcome of a failed job: its deliveries by state. */
  failedReason?: string | undefined
  /** The last lines of its log: failed attempts and counts. */
  log: readonly string[]
}

/** The jobs of the queue by state. */
export interface JobCounts {
  waiting: number
  active: number
  delayed: number
  failed: number
  /** The time of the oldest waiting job. */
  oldestAtMs?: number | undefined
}

/**
 * The work queue, implemented with BullMQ: one job for each revocation (docs/decisions/0065). The
 * delivery rows are the truth: losing every job loses nothing. Only `job`, `jobs`, `health`,
 * `durability` and `close` wait for the queue's server.
 */
export interface DeliveryQueue {
  /**
   * Sends deliveries that are due. The lanes of this process, if it has them, take them at once.
   * The jobs of their revocations follow; a process that delivers runs them.
   */
  send(refs: readonly DeliveryRef[]): void
  /**
   * Lets the job of a revocation look at its deliveries soon, because some of them have changed or
   * the job may be lost.
   * @param failure a line for the log of the job
   */
  changed(seq: number, failure?: string): void
  /** Returns the states of the targets in this process. Empty if it does not deliver. */
  targets(): TargetState[]
  /**
   * Delivers in this process: its lanes take what is sent, and `drive` runs for each job that is
   * due. `stop` waits for the running jobs.
   */
  work(lanes: LocalLanes, drive: Drive): { stop(): Promise<void> }
  /** Returns the job of a revocation; undefined if there is none, or the server does not answer. */
  job(seq: number): Promise<RevocationJob | undefined>
  /** Counts the jobs; undefined if the server does not answer. */
  jobs(): Promise<JobCounts | undefined>
  /** Returns whether the queue's server answers, and which engine it is. */
  health(): Promise<{
    up: boolean
    engine: 'valkey' | 'redis' | 'postgres'
    problem?: string | undefined
  }>
  /**
   * Returns the durability settings that the operator's queue server reports. Undefined for the
   * broker's own server, or if it does not report them.
   */
  durability(): Promise<{ appendOnly: boolean; evictionPolicy: string } | undefined>
  close(): Promise<void>
}
