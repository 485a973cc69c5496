import { pacing } from '../db/engine/pace.ts'
import { PURGED_LATE, PURGED_SOON, type Purged } from '../db/types.ts'
import type { Deps } from './deps.ts'
import { inPages } from './repeat.ts'

/**
 * Deletes what retention no longer wants, in small acts with pauses, so that sign-ins, refreshes
 * and sign-outs go on as without it.
 */

/** A busy or slow disk makes the pauses longer. */
const LIMITS = { most: 100, pause: 3, mostPauseMs: 500 }

type Needs = Pick<Deps, 'store' | 'clock' | 'config'>

async function purge(
  { store, clock, config }: Needs,
  kinds: readonly Purged[],
  going: () => boolean,
): Promise<void> {
  const pace = pacing(LIMITS)
  for (const kind of kinds)
    await inPages(pace, going, (limit) =>
      store.purge({ kind, now: clock.now(), limit, retention: config.retention }),
    )
}

/**
 * What lives for a day at most: expired codes, pushed requests, used ids and idempotency keys.
 * Requests make them, so they go soon.
 */
export const purgeOneTime = (deps: Needs, going: () => boolean = () => true): Promise<void> =>
  purge(deps, PURGED_SOON, going)

/** What is kept for weeks: ended sessions, the log and its deliveries, the audit log. */
export const purgeOld = (deps: Needs, going: () => boolean = () => true): Promise<void> =>
  purge(deps, PURGED_LATE, going)

/**
 * Forgets what ended sessions of erased users still say of them: page by page over all sessions,
 * which have no index by user once they ended.
 */

const FORGET_LIMITS = { most: 1_000 }

export const forgetErased = (
  { store }: Pick<Deps, 'store'>,
  going: () => boolean = () => true,
): Promise<void> => inPages(pacing(FORGET_LIMITS), going, (limit) => store.forgetErased({ limit }))
