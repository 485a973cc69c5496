import { pacing } from '../db/engine/pace.ts'
import type { Checks } from '../src/operations/checks/checks.ts'
import type { Deps } from './deps.ts'
import { inPages } from './repeat.ts'
import { maxAuthenticationSeconds } from '../src/clients/session/lifetimes.ts'
import { lockTargetName } from '../src/protocol/lock-target.ts'

/**
 * Ends sessions and grants whose time has passed, each through the log, so that instances get it as
 * any other end.
 */

const LIMITS = { most: 25 }

type SweepDeps = Pick<Deps, 'store' | 'clock'> & {
  clockWatch: Pick<Deps['clockWatch'], 'disagrees'>
}
type Going = () => boolean

/** How often Microsoft is asked for the time while the clocks disagree. */
const COMPARE_AGAIN_MS = 2_000

/**
 * The sweep, as the worker turns it: not before Microsoft's clock was compared, where it answers,
 * and never by a clock that is wrong.
 */
export function sweepingExpired(
  deps: SweepDeps,
  checks: Checks,
  going: Going = () => true,
): () => Promise<void> {
  let comparedAtMs: number | undefined
  return async () => {
    const nowMs = deps.clock.steadyMs()
    if (
      comparedAtMs === undefined ||
      (deps.clockWatch.disagrees() && nowMs - comparedAtMs >= COMPARE_AGAIN_MS)
    ) {
      await checks.look({ fresh: true, which: ({ id }) => id === 'clock' })
      comparedAtMs = nowMs
    }
    await sweepExpired(deps, going)
  }
}

export const sweepExpired = (
  { store, clock, clockWatch }: SweepDeps,
  going: Going = () => true,
): Promise<void> =>
  inPages(pacing(LIMITS), going, async (limit) => {
    const now = clock.now()
    // After the clock was read, so that no step comes in between.
    if (clockWatch.disagrees()) return false
    const committed = await store.expireSessions({ now, limit })
    const grants = await store.expireGrants({ now, limit })
    return committed.length >= limit || grants.more
  })

/**
 * Applies the limits on the age of an authentication to what was open when they were set: those of
 * tenants to sessions, those of clients to grants. It compares what is set with what is applied, so
 * a change counts however it was made, and after a restart.
 */

const AGE_LIMITS = { most: 250 }

type LimitDeps = Pick<Deps, 'config' | 'store' | 'clients' | 'connection'>
type Limit = Omit<Parameters<Deps['store']['applyAuthenticationAge']>[0], 'rows'>

async function limits({ config, store, clients, connection }: LimitDeps): Promise<Limit[]> {
  const rows = await store.listTenants()
  const ofTenant = (tid: string): Limit => {
    const seconds = maxAuthenticationSeconds(
      config,
      rows.find((row) => row.tid === tid),
    )
    return { kind: 'tenant', key: tid, seconds }
  }
  const ofClients = clients.list().map(({ clientId, metadata }): Limit => ({
    kind: 'client',
    key: clientId,
    seconds: metadata.maxAuthenticationSeconds,
  }))
  return [...connection.current().tenants.map(ofTenant), ...ofClients]
}

export async function applyLimits(deps: LimitDeps, going: Going = () => true): Promise<void> {
  const pace = pacing(AGE_LIMITS)
  for (const limit of await limits(deps))
    await inPages(pace, going, (rows) => deps.store.applyAuthenticationAge({ ...limit, rows }))
}

/**
 * Lifts locks whose end has come. Each batch is one act of the store, so that of several brokers
 * one lifts each. While the clock is wrong it lifts none: a lock lasts longer then, and never
 * shorter.
 */

/** How many locks one act lifts. */
const BATCH = 20

type Needs = Pick<Deps, 'store' | 'clock' | 'clockWatch' | 'log' | 'metrics'>

export async function liftLocks(
  { store, clock, clockWatch, log, metrics }: Needs,
  going: Going = () => true,
): Promise<void> {
  for (let more = true; more && going();) {
    const now = clock.now()
    // After the clock was read, so that no step comes in between.
    if (clockWatch.disagrees()) return
    const lifted = await store.liftDueLocks({ now, limit: BATCH })
    for (const { id, target, endsAt } of lifted) {
      metrics.locks.inc({ change: 'lifted', kind: target.kind })
      log.warn('lock_lifted', {
        lock: id,
        kind: target.kind,
        target: lockTargetName(target),
        ends_at: endsAt,
        actor: 'lift-locks',
      })
    }
    more = lifted.length === BATCH
  }
}
