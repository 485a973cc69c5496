import { sha256 } from '../../runtime/compare.ts'
import type { Deps } from '../deps.ts'

/**
 * Marks of what happened once in an interval. Any broker sets a mark in the store, and every broker
 * sees it.
 */

export interface Interval {
  /**
   * `signal-heard`: a transmitter sent something that was accepted. The others are work that one of
   * all brokers does.
   */
  purpose: 'signal-heard' | 'signal-stream' | 'signal-verification' | 'signal-poll'
  /** Another value is another mark. */
  about: readonly unknown[]
  seconds: number
}

/** @param at epoch seconds: in which of the intervals */
export const intervalMark = (
  { purpose, about, seconds }: Interval,
  at: number,
): { purpose: string; idHash: string } => ({
  purpose,
  idHash: sha256(JSON.stringify([...about, seconds, Math.floor(at / seconds)])),
})

/**
 * SSF 1.0 §8.1.4: a transmitter sends verification events of its own, so that its silence is a
 * fault.
 */
export const heardInterval = (issuer: string, seconds: number): Interval => ({
  purpose: 'signal-heard',
  about: [issuer],
  seconds,
})

/** The first broker that claims an interval in the store does its work, and no other. */

type ClaimDeps = Pick<Deps, 'store'>

export const isClaimed = (
  { store }: ClaimDeps,
  interval: Interval,
  now: number,
): Promise<boolean> => store.wasConsumed(intervalMark(interval, now))

/**
 * @returns whether this call is the first of the interval. It reads first: brokers that lose write
 * nothing.
 */
export async function claim(deps: ClaimDeps, interval: Interval, now: number): Promise<boolean> {
  if (await isClaimed(deps, interval, now)) return false
  return deps.store.consumeOnce({
    ...intervalMark(interval, now),
    expiresAt: now + 2 * interval.seconds,
  })
}
