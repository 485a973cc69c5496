import { pacing } from '../db/engine/pace.ts'
import { PURGED_LATE, PURGED_SOON, type Purged } from '../db/types.ts'
import type { Deps } from './deps.ts'
import { inPages } from './repeat.ts'

/**
 * Deletes rows whose retention has ended, in small acts with pauses, so that sign-ins, refreshes
 * and sign-outs are not delayed.
 */

/** The page size and the pauses, which are longer if the disk is busy or slow. */
const LIMITS = { most: 100, pause: 3, mostPauseMs: 500 }

type Needs = Pick<Deps, 'store' | 'config'> & {
  clockWatch: Pick<Deps['clockWatch'], 'certainNow'>
}

async function purge(
  { store, clockWatch, config }: Needs,
  kinds: readonly Purged[],
  going: () => boolean,
): Promise<void> {
  const pace = pacing(LIMITS)
  for (const kind of kinds)
    await inPages(pace, going, (limit) =>
      store.purge({ kind, now: clockWatch.certainNow(), limit, retention: config.retention }),
    )
}

/**
 * Deletes rows with a lifetime of at most a day: expired codes, pushed requests, consumed ids and
 * idempotency keys. Requests create many of them, so they are deleted soon, also before the clock
 * was compared: by a time that has surely come, so that none can be used again.
 */
export const purgeOneTime = (deps: Needs, going: () => boolean = () => true): Promise<void> =>
  purge(deps, PURGED_SOON, going)

/**
 * Deletes rows that are kept for weeks: ended sessions, the log and its deliveries, the audit log.
 */
export const purgeOld = (deps: Needs, going: () => boolean = () => true): Promise<void> =>
  purge(deps, PURGED_LATE, going)

/**
 * The page size for erasing what ended sessions still contain about erased users. The pages go
 * through all sessions, because ended ones have no index by user.
 */

const FORGET_LIMITS = { most: 1_000 }

export const forgetErased = (
  { store }: Pick<Deps, 'store'>,
  going: () => boolean = () => true,
): Promise<void> => inPages(pacing(FORGET_LIMITS), going, (limit) => store.forgetErased({ limit }))
