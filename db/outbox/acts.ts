import type { Engine } from '../engine/act.ts'
import type { DeliveryActs } from '../store.ts'
import { splitDelivery } from './add.ts'
import { attemptsOf, findDelivery, record, release } from './attempts.ts'
import { closeDeliveries, redrive, tryNow } from './decisions.ts'
import { dueDeliveries, earlyDeliveries, pendingTargetIds } from './due.ts'
import { lease } from './lease.ts'
import { deliveryCountsNow, listDeliveries } from './lists.ts'
import { pendingTargets } from './pending-targets.ts'

/** What is pending to which target and how it went: the row is the truth, the job is the work. */
export function deliveryActs(engine: Engine): DeliveryActs {
  const { read, write } = engine
  return {
    findDelivery: (id) => read(() => findDelivery(id)),
    leaseDelivery: (input) => write(() => lease(input)),
    recordDelivery: (input) => write(() => record(input)),
    releaseDelivery: (input) => write(() => release(input)),
    splitDelivery: (input) => write(() => splitDelivery(input)),
    dueDeliveries: (page) => read(() => dueDeliveries(page)),
    earlyDeliveries: (page) => read(() => earlyDeliveries(page)),
    pendingTargetIds: () => read(pendingTargetIds),
    pendingTargets: () => pendingTargets(engine),
    redrive: (which) => redrive(engine, which),
    tryNow: (input) => write(() => tryNow(input)),
    closeDeliveries: (which) => closeDeliveries(engine, which),
    listDeliveries: (asked) => listDeliveries(engine, asked),
    attemptsOf: (id) => read(() => attemptsOf(id)),
    deliveryCounts: () => read(deliveryCountsNow),
  }
}
