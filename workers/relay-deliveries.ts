import type { Lanes } from '../src/outbox/lanes.ts'

/**
 * Finds deliveries that are due and that no process has: the queue was down, its data was lost, a process was killed. It goes straight to the lanes of
 * this process and not through the queue: that may be down, and a delayed job of the same id would silently swallow a second one.
 */
export const relayDeliveries = (lanes: Pick<Lanes, 'look'>): Promise<void> => lanes.look()
