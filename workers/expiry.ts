import { pacing } from '../db/engine/pace.ts'
import type { Checks } from '../src/operations/checks/checks.ts'
import type { Deps } from './deps.ts'
import { inPages } from './repeat.ts'
import { maxAuthenticationSeconds } from '../src/session/lifetimes.ts'
import { lockTargetName } from '../src/protocol/lock-target.ts'

/**
 * Ends expired sessions and grants through the log, so that instances learn of it like of any other
 * revocation.
 */

const LIMITS = { most: 25 }

type SweepDeps = Pick<Deps, 'store' | 'clock'> & {
  clockWatch: Pick<Deps['clockWatch'], 'disagrees' | 'isCertain'>
}
type Going = () => boolean

/** The interval at which Microsoft's time is requested while the clocks disagree. */
const COMPARE_AGAIN_MS = 2_000

/**
 * Returns the repeating sweep. It first compares the clock with Microsoft's, if that answers, and
 * ends nothing until the clock is right.
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
    // Checked after the clock was read, so that it cannot be set in between.
    if (!clockWatch.isCertain()) return false
    const committed = await store.expireSessions({ now, limit })
    const grants = await store.expireGrants({ now, limit })
    return committed.length >= limit || grants.more
  })

/**
 * The page size for applying limits on the age of an authentication to what was open when they were
 * set: tenants' limits to sessions, clients' limits to grants. The configured limits are compared
 * with the applied ones, so that every change takes effect, even across a restart.
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
 * Lifts locks that have ended. Each batch is one act of the store, so that only one of several
 * brokers lifts a lock. Until the clock is right no lock is lifted, so that it may last longer but
 * never shorter.
 */

/** The most locks lifted by one act. */
const BATCH = 20

type Needs = Pick<Deps, 'store' | 'clock' | 'clockWatch' | 'log' | 'metrics'>

export async function liftLocks(
  { store, clock, clockWatch, log, metrics }: Needs,
  going: Going = () => true,
): Promise<void> {
  for (let more = true; more && going();) {
    const now = clock.now()
    // Checked after the clock was read, so that it cannot be set in between.
    if (!clockWatch.isCertain()) return
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
