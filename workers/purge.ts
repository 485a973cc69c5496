import { setTimeout as sleep } from 'node:timers/promises'
import { PURGED_LATE, PURGED_SOON, type Purged } from '../db/store.ts'
import type { Deps } from '../src/deps.ts'

/** Deletes what retention no longer wants, in small acts with pauses, so that sign-ins, refreshes and sign-outs go on as without it. */

/** Some 10 ms of the store: a refresh that comes meanwhile waits for one of them. */
const BATCH = 100
/** Of what each act took. A busy or slow disk makes the pauses longer. */
const PAUSE = 3
const MOST_PAUSE_MS = 500

type Needs = Pick<Deps, 'store' | 'clock' | 'config'>

async function purge({ store, clock, config }: Needs, kinds: readonly Purged[], going: () => boolean): Promise<void> {
  for (const kind of kinds)
    for (let more = true; more && going();) {
      const begunMs = performance.now()
      more = await store.purge({ kind, now: clock.now(), limit: BATCH, retention: config.retention })
      if (more) await sleep(Math.min(PAUSE * (performance.now() - begunMs), MOST_PAUSE_MS))
    }
}

/** What lives for a day at most: expired codes, pushed requests, used ids and idempotency keys. Requests make them, so they go soon. */
export const purgeOneTime = (deps: Needs, going: () => boolean = () => true): Promise<void> => purge(deps, PURGED_SOON, going)

/** What is kept for weeks: ended sessions, the log and its deliveries, the audit log. */
export const purgeOld = (deps: Needs, going: () => boolean = () => true): Promise<void> => purge(deps, PURGED_LATE, going)
