import type { DeliveryRef } from '../../db/types.ts'

/** The public types of this module: the work queue of messages. */

/** The delivery lanes of this process, one for each target. */
export interface LocalLanes {
  /**
   * Queues deliveries in their lanes.
   * @returns the deliveries that were not taken
   */
  take(refs: readonly DeliveryRef[]): readonly DeliveryRef[]
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
  waiting: number
  running: number
}

/**
 * The work queue, implemented with BullMQ. The delivery rows are the truth: losing every job loses
 * nothing.
 */
export interface DeliveryQueue {
  /**
   * Adds the job `<delivery>-<attempt>`, due after `delayMs`. Never throws and never waits: if the
   * queue is down, the relay adds the job later.
   */
  add(refs: readonly DeliveryRef[], delayMs?: number): void
  /**
   * Adds deliveries that a user waits for. They go directly to the lanes of this process, if it has
   * them (`useLanes`); jobs are added for those not taken.
   */
  addUrgent(refs: readonly DeliveryRef[]): void
  /** Sets the lanes by which this process delivers, or undefined when it stops. */
  useLanes(lanes: LocalLanes | undefined): void
  /** Returns the states of the targets in this process. Empty if it does not deliver. */
  targets(): TargetState[]
  /**
   * Runs `perform` for each job in this process, `concurrency` at a time. `stop` waits for those
   * that are running.
   */
  work(perform: (ref: DeliveryRef) => Promise<void>, concurrency: number): { stop(): Promise<void> }
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
