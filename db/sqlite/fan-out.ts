import type { DeliveryRef, DeliveryState } from '../types.ts'
import { addDeliveries } from '../outbox/add.ts'
import type { DeliveriesFor } from '../outbox/add.ts'
import { moved } from '../outbox/counts.ts'
import type { Core } from './core.ts'

/** Deliveries, for acts that are not generators yet. */

export { AT_ONCE } from '../outbox/add.ts'
export type { DeliveriesFor } from '../outbox/add.ts'

export interface FanOut {
  addDeliveries(what: DeliveriesFor): DeliveryRef[]
  moved(delivery: { client_id: string; seq: number | null }, from: DeliveryState | undefined, to: DeliveryState | undefined): void
}

export const fanOut = (core: Pick<Core, 'run' | 'nowMs' | 'newId'>): FanOut => ({
  addDeliveries: (what) => core.run(addDeliveries(core, what)),
  moved: ({ client_id: clientId, seq }, from, to) => core.run(moved({ clientId, seq }, from, to)),
})
