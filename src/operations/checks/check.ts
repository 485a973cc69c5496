import type { DatabaseFacts, Tenant } from '../../../db/types.ts'
import type { Deps } from '../deps.ts'
import type { Examination } from '../../microsoft/interface.ts'
import type { Found } from './finding.ts'

/**
 * One check: what it answers, what it costs, how much it matters, how it looks. `list.ts` has them
 * all.
 */
export interface Check {
  /** The value of the label `check` of broker_check_findings. Never changes. */
  id: string
  /** As /setup/checks asks it. */
  question: string
  /**
   * `cheap`: runs at each look. `everySeconds`: kept that long, because it asks another system;
   * `background`: so slow a system that only `cmb doctor` waits for it. `on_demand`: only for `cmb
   * doctor`, because it grows with the number of clients.
   */
  cost: 'cheap' | 'on_demand' | { everySeconds: number; background?: true }
  /** The alert of a failure: one that pages, one that files a ticket, or none of its own. */
  severity: 'page' | 'ticket' | 'none'
  /** The part that is down when this fails. */
  part?: 'store' | 'queue' | 'microsoft'
  /** Shown at /setup/checks. */
  setup?: true
  look(looking: Looking): Found[] | Promise<Found[]>
}

/** What one look at the broker shares between checks: each thing is read once. */
export interface Looking {
  deps: Deps
  now: number
  /** Connected tenants. */
  tenants(): Promise<Tenant[]>
  /** What the shared database is; undefined where the broker has a file for itself. */
  databaseFacts(): Promise<DatabaseFacts | undefined>
  /** Asks Microsoft, now. */
  examine(tid: string): Promise<Examination>
}

export function looking(deps: Deps): Looking {
  let rows: Promise<Tenant[]> | undefined
  let facts: Promise<DatabaseFacts | undefined> | undefined
  const asked = new Map<string, Promise<Examination>>()
  return {
    deps,
    now: deps.clock.now(),
    tenants: () =>
      (rows ??= deps.store
        .listTenants()
        .then((all) => all.filter((row) => row.removedAt === undefined))),
    databaseFacts: () => (facts ??= deps.store.databaseFacts()),
    examine(tid) {
      const running = asked.get(tid) ?? deps.microsoft.examine(tid)
      asked.set(tid, running)
      return running
    },
  }
}
