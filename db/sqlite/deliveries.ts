import type { DeliveryActs } from '../store.ts'
import type { Core } from './core.ts'
import { deliveryAttempts } from './delivery-attempts.ts'
import { deliveryDecisions } from './delivery-decisions.ts'
import { dueDeliveries } from './delivery-due.ts'
import { deliveryLists } from './delivery-lists.ts'
import type { FanOut } from './fan-out.ts'

/** What is owed to whom and how it went: the row is the truth, a job only its errand. */
export const deliveryActs = (core: Core, fanOut: FanOut): DeliveryActs => ({
  ...deliveryAttempts(core, fanOut),
  ...dueDeliveries(core),
  ...deliveryDecisions(core, fanOut),
  ...deliveryLists(core),
})
