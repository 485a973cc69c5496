import { setTimeout as sleep } from 'node:timers/promises'
import type { Checks } from '../src/checks/checks.ts'
import type { Deps } from '../src/deps.ts'

/** Ends sessions and grants whose time has passed, each through the log, so that instances hear of it as of any other end. */

/** Some 10 ms of the store: a refresh that comes meanwhile waits for one of them. */
const BATCH = 25
const MOST_PAUSE_MS = 20

type SweepDeps = Pick<Deps, 'store' | 'clock' | 'clockWatch'>
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
  while (going()) {
    const begunMs = performance.now()
    const now = deps.clock.now()
    // After the clock was read, so that no step comes in between.
    if (deps.clockWatch.disagrees()) return
    const committed = await deps.store.expireSessions({ now, limit: BATCH })
    const grants = await deps.store.expireGrants({ now, limit: BATCH })
    if (committed.length < BATCH && !grants.more) return
    // Sign-ins, refreshes and sign-outs have at least half of the time, however many sessions expire together.
    await sleep(Math.min(performance.now() - begunMs, MOST_PAUSE_MS))
  }
}
