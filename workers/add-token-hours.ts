import type { Deps } from '../src/deps.ts'

/** Adds what this broker has counted of token requests to the counts of all brokers, some rows at a time. What cannot be added waits for the next time. */

const PAGE = 200

export async function addTokenHours({ store, tokenCounts, clock }: Pick<Deps, 'store' | 'tokenCounts' | 'clock'>): Promise<void> {
  const left = tokenCounts.take()
  try {
    while (left.length > 0) {
      await store.addTokenHours(left.slice(0, PAGE))
      left.splice(0, PAGE)
    }
  } catch (error) {
    tokenCounts.putBack(left, clock.now())
    throw error
  }
}
