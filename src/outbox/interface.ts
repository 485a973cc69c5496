import type { DeliveryRef } from '../../db/types.ts'

/** The interface of this module: the work queue of messages. */

/** Lanes of this process, one for each target. */
export interface LocalLanes {
  /** @returns those that do not fit */
  take(refs: readonly DeliveryRef[]): readonly DeliveryRef[]
  states(): TargetState[]
}

/**
 * `unknown`: not called since the start. `failing`: its last answer was not a success. `open`:
 * several in a row; it is probed, one call at a time.
 */
export interface TargetState {
  targetId: string
  breaker: 'unknown' | 'closed' | 'failing' | 'open'
  failuresInARow: number
  /**
   * Why the last delivery failed, or (breaker closed) was rejected: connection rejected, a
   * certificate, HTTP 500. Undefined after a success.
   */
  lastFailure?: string | undefined
  waiting: number
  running: number
}

/** BullMQ behind it. The row is the truth: losing every job loses nothing. */
export interface DeliveryQueue {
  /**
   * Adds the job `<delivery>-<attempt>`, after `delayMs`. Never throws and never waits for a queue
   * that is down: the relay adds it later.
   */
  add(refs: readonly DeliveryRef[], delayMs?: number): void
  /**
   * For deliveries that a user waits for: directly to the lanes of this process where it has them
   * (`useLanes`), and jobs for what they do not take.
   */
  addUrgent(refs: readonly DeliveryRef[]): void
  /** This process delivers, by these lanes. Undefined: no longer. */
  useLanes(lanes: LocalLanes | undefined): void
  /**
   * Targets as this process knows them: who answers, who does not. Empty where it does not deliver.
   */
  targets(): TargetState[]
  /**
   * Runs `perform` for each job in this process, `concurrency` at a time, until `stop`, which waits
   * for those under way.
   */
  work(perform: (ref: DeliveryRef) => Promise<void>, concurrency: number): { stop(): Promise<void> }
  /** Whether the queue's server answers, and which engine it is. */
  health(): Promise<{
    up: boolean
    engine: 'valkey' | 'redis' | 'postgres'
    problem?: string | undefined
  }>
  /**
   * What the operator's queue server does with jobs, as it says itself. Undefined: it is our own,
   * or does not say.
   */
  durability(): Promise<{ appendOnly: boolean; evictionPolicy: string } | undefined>
  close(): Promise<void>
}
