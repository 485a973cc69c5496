import type { Engine } from '../engine/act.ts'
import type { LockActs } from '../store.ts'
import { anyDue, liftDue, unlock } from './lift.ts'
import { lock } from './lock.ts'
import { recordOperator } from './protected.ts'
import { findLock, listLocks, lockCounts } from './row.ts'

/** Locks of users, tenants and clients. */
export function lockActs(engine: Engine): LockActs {
  const { read, write } = engine
  return {
    lock: (input) => write(() => lock(input)),
    liftLock: (input) => write(() => unlock(input)),
    liftDueLocks: async (input) => ((await read(() => anyDue(input))) ? write(() => liftDue(input)) : []),
    findLock: (id) => read(() => findLock(id)),
    listLocks: (input) => read(() => listLocks(input)),
    lockCounts: () => read(lockCounts),
    recordOperator: (input) => write(() => recordOperator(input)),
  }
}
