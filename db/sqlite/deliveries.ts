import type { DeliveryActs } from '../store.ts'
import type { Core } from './core.ts'
import { deliveryAttempts } from './delivery-attempts.ts'
import { deliveryDecisions } from './delivery-decisions.ts'
import { dueDeliveries } from './delivery-due.ts'
import { deliveryLists } from './delivery-lists.ts'
import type { FanOut } from './fan-out.ts'
import { pendingTargets } from './pending-targets.ts'

/** What is owed to whom and how it went: the row is the truth, a job only its errand. */
export function deliveryActs(core: Core, fanOut: FanOut): DeliveryActs {
  const due = dueDeliveries(core)
  return {
    ...deliveryAttempts(core, fanOut),
    ...due,
    pendingTargets: pendingTargets(core, due.pendingTargetIds),
    ...deliveryDecisions(core, fanOut),
    ...deliveryLists(core),
  }
}
