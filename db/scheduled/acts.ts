import type { Engine } from '../engine/act.ts'
import type { ScheduledActs } from '../store.ts'
import { dueNow, findScheduledAct, listScheduledActs, scheduledCounts } from './row.ts'
import { runDueAct } from './run.ts'
import { announceActs, cancelAct, confirmAct, expireActs, scheduleAct } from './schedule.ts'

/** Revocations and locks that wait for their time, or for a second administrator. */
export function scheduledActActs(engine: Engine): ScheduledActs {
  const { read, write } = engine
  return {
    scheduleAct: (input) => write(() => scheduleAct(engine, input)),
    confirmAct: (input) => write(() => confirmAct(engine, input)),
    cancelAct: (input) => write(() => cancelAct(input)),
    dueNow: (input) => read(() => dueNow(input)),
    runDueAct: (input) => write(() => runDueAct(engine, input)),
    announceActs: (input) => write(() => announceActs(engine, input)),
    expireActs: (input) => write(() => expireActs(engine, input)),
    findScheduledAct: (id) => read(() => findScheduledAct(id)),
    listScheduledActs: (input) => read(() => listScheduledActs(input)),
    scheduledCounts: () => read(scheduledCounts),
  }
}
