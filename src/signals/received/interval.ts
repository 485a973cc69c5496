import { sha256 } from '../../runtime/compare.ts'
import type { Deps } from '../deps.ts'

/** A mark in the store that something happened once in an interval. Every broker sees it. */

export interface Interval {
  /**
   * The subject of the mark. `signal-event`: a transmitter sent an event that was accepted. The
   * others are work that only one of all brokers does.
   */
  purpose: 'signal-event' | 'signal-stream' | 'signal-verification' | 'signal-poll'
  /** Further values that identify the mark. */
  about: readonly unknown[]
  seconds: number
}

/**
 * Returns the mark's key in the store.
 * @param at epoch seconds: selects the interval
 */
export const intervalMark = (
  { purpose, about, seconds }: Interval,
  at: number,
): { purpose: string; idHash: string } => ({
  purpose,
  idHash: sha256(JSON.stringify([...about, seconds, Math.floor(at / seconds)])),
})

/**
 * The interval in which an issuer must send an event. A transmitter sends verification events by
 * itself (SSF 1.0 §8.1.4), so its silence is a fault.
 */
export const eventInterval = (issuer: string, seconds: number): Interval => ({
  purpose: 'signal-event',
  about: [issuer],
  seconds,
})

/** The first broker that claims an interval in the store does its work; the others do not. */

type ClaimDeps = Pick<Deps, 'store'>

export const isClaimed = (
  { store }: ClaimDeps,
  interval: Interval,
  now: number,
): Promise<boolean> => store.wasConsumed(intervalMark(interval, now))

/**
 * Claims an interval. It reads first, so that brokers that are too late write nothing.
 * @returns whether this call is the first of the interval
 */
export async function claim(deps: ClaimDeps, interval: Interval, now: number): Promise<boolean> {
  if (await isClaimed(deps, interval, now)) return false
  return deps.store.consumeOnce({
    ...intervalMark(interval, now),
    expiresAt: now + 2 * interval.seconds,
  })
}
