import type { Deps } from '../deps.ts'
import { type Interval, intervalMark } from './interval.ts'

/** The first broker that claims an interval in the store does its work, and no other. */

type ClaimDeps = Pick<Deps, 'store'>

export const isClaimed = ({ store }: ClaimDeps, interval: Interval, now: number): Promise<boolean> => store.wasConsumed(intervalMark(interval, now))

/** @returns whether this call is the first of the interval. It reads first: brokers that lose write nothing. */
export async function claim(deps: ClaimDeps, interval: Interval, now: number): Promise<boolean> {
  if (await isClaimed(deps, interval, now)) return false
  return deps.store.consumeOnce({ ...intervalMark(interval, now), expiresAt: now + 2 * interval.seconds, now })
}
