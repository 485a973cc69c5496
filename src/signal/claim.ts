import type { Deps } from '../deps.ts'
import { sha256 } from '../protocol/compare.ts'

/** Periodic work at a transmitter is done by one broker of all: the first that claims its interval in the store. */

export interface Interval {
  purpose: 'signal-stream' | 'signal-verification' | 'signal-poll'
  /** What is done; another value is other work. */
  about: readonly unknown[]
  seconds: number
}

type ClaimDeps = Pick<Deps, 'store'>

const markOf = ({ purpose, about, seconds }: Interval, now: number) => ({
  purpose,
  idHash: sha256(JSON.stringify([...about, seconds, Math.floor(now / seconds)])),
})

export const isClaimed = ({ store }: ClaimDeps, interval: Interval, now: number): Promise<boolean> => store.wasConsumed(markOf(interval, now))

/** @returns whether this call is the first of the interval. It reads first: brokers that lose write nothing. */
export async function claim(deps: ClaimDeps, interval: Interval, now: number): Promise<boolean> {
  if (await isClaimed(deps, interval, now)) return false
  return deps.store.consumeOnce({ ...markOf(interval, now), expiresAt: now + 2 * interval.seconds, now })
}
