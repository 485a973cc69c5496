import { pacing } from '../db/engine/pace.ts'
import type { Checks } from '../src/operations/checks/checks.ts'
import type { Deps } from './deps.ts'

/** Ends sessions and grants whose time has passed, each through the log, so that instances get it as any other end. */

const LIMITS = { most: 25 }

type SweepDeps = Pick<Deps, 'store' | 'clock'> & { clockWatch: Pick<Deps['clockWatch'], 'disagrees'> }
type Going = () => boolean

/** How often Microsoft is asked for the time while the clocks disagree. */
const COMPARE_AGAIN_MS = 2_000

/** The sweep, as the worker turns it: not before Microsoft's clock was compared, where it answers, and never by a clock that is wrong. */
export function sweepingExpired(deps: SweepDeps, checks: Checks, going: Going = () => true): () => Promise<void> {
  let comparedAtMs: number | undefined
  return async () => {
    const nowMs = deps.clock.steadyMs()
    if (comparedAtMs === undefined || (deps.clockWatch.disagrees() && nowMs - comparedAtMs >= COMPARE_AGAIN_MS)) {
      await checks.look({ fresh: true, which: ({ id }) => id === 'clock' })
      comparedAtMs = nowMs
    }
    await sweepExpired(deps, going)
  }
}

export async function sweepExpired(deps: SweepDeps, going: Going = () => true): Promise<void> {
  const pace = pacing(LIMITS)
  while (going()) {
    const limit = pace.rows
    const now = deps.clock.now()
    // After the clock was read, so that no step comes in between.
    if (deps.clockWatch.disagrees()) return
    const committed = await deps.store.expireSessions({ now, limit })
    const grants = await deps.store.expireGrants({ now, limit })
    if (committed.length < limit && !grants.more) return
    await pace.rest()
  }
}
