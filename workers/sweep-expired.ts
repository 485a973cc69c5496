import { setTimeout as sleep } from 'node:timers/promises'
import type { Deps } from '../src/deps.ts'
import { announce } from '../src/revocation/revoke.ts'

/** Ends sessions whose time has passed, each through the log, so that instances hear of it as of any other end. */

/** Some 10 ms of the store: a refresh that comes meanwhile waits for one of them. */
const BATCH = 50
const MOST_PAUSE_MS = 20

export async function sweepExpired(
  deps: Pick<Deps, 'store' | 'clock' | 'feed' | 'queue' | 'metrics' | 'log'>,
  going: () => boolean = () => true,
): Promise<void> {
  while (going()) {
    const begunMs = performance.now()
    const committed = await deps.store.expireSessions({ now: deps.clock.now(), limit: BATCH })
    announce(deps, committed)
    if (committed.length < BATCH) return
    // Sign-ins, refreshes and sign-outs have at least half of the time, however many sessions expire together.
    await sleep(Math.min(performance.now() - begunMs, MOST_PAUSE_MS))
  }
}

/** Deletes expired codes, pushed requests and used ids, in small pieces. */
export async function purgeOneTime(deps: Pick<Deps, 'store' | 'clock'>, going: () => boolean = () => true): Promise<void> {
  while (going() && (await deps.store.purgeOneTime({ now: deps.clock.now(), limit: 1_000 }))) await new Promise((done) => setImmediate(done))
}

/** Deletes what retention no longer wants, in small pieces. */
export async function purgeOld(deps: Pick<Deps, 'store' | 'clock' | 'config'>, going: () => boolean = () => true): Promise<void> {
  while (going() && (await deps.store.purge({ now: deps.clock.now(), limit: 1_000, retention: deps.config.retention })))
    await new Promise((done) => setImmediate(done))
}
