import type { DatabaseFacts } from '../../../db/types.ts'
import type { Check, Look, CheckContext } from './check.ts'
import { failed, type Found, ok, warning } from './finding.ts'
import { REMEDY } from './texts/fixes.ts'
import { FOUND } from './texts/found.ts'

/**
 * Checks of the database: whether it commits, and whether Postgres is configured so that no
 * revocation is lost or late.
 */

const MINUTE = { everySeconds: 60 } as const

/** Returns a check of Postgres. With SQLite it finds nothing. */
const ofPostgres =
  (judge: (facts: DatabaseFacts, context: CheckContext) => Found): Look =>
  async (context) => {
    const facts = await context.databaseFacts()
    return facts && judge(facts, context)
  }

export const databaseChecks: readonly Check[] = [
  {
    id: 'database',
    severity: 'page',
    part: 'store',
    look: commits,
  },
  {
    id: 'postgres-version',
    cost: MINUTE,
    severity: 'ticket',
    look: ofPostgres(version),
  },
  {
    id: 'postgres-durability',
    cost: MINUTE,
    severity: 'page',
    look: ofPostgres(durability),
  },
  {
    id: 'postgres-notifications',
    cost: MINUTE,
    warnsByTicket: true,
    look: ofPostgres(notifications),
  },
  {
    id: 'postgres-clock',
    cost: MINUTE,
    severity: 'ticket',
    warnsByTicket: true,
    look: ofPostgres(clock),
  },
  {
    id: 'postgres-rights',
    cost: MINUTE,
    look: ofPostgres(rights),
  },
  {
    id: 'postgres-bloat',
    cost: MINUTE,
    warnsByTicket: true,
    look: ofPostgres(bloat),
  },
  {
    id: 'postgres-indexes',
    cost: MINUTE,
    warnsByTicket: true,
    look: ofPostgres(indexes),
  },
]

async function commits({ deps, storeProblem }: CheckContext): Promise<Found> {
  const problem = await storeProblem()
  if (problem === undefined) return ok('It commits.')
  deps.log.warn('store_probe_failed', { problem })
  return failed(
    FOUND.commits_not(problem),
    deps.config.databaseUrl === undefined ? REMEDY.sqlite : REMEDY.postgres,
  )
}

const OLDEST = 15
const NEWEST = 18

function version({ version: found, major }: DatabaseFacts): Found {
  if (major < OLDEST)
    return failed(
      `Postgres ${found} is too old.`,
      `Upgrade the server to Postgres ${OLDEST} or newer.`,
    )
  if (major > NEWEST)
    return warning(
      `The broker was not tested with Postgres ${found}.`,
      `Use Postgres ${OLDEST} to ${NEWEST}.`,
    )
  return ok(`Postgres ${found}.`)
}

function durability(facts: DatabaseFacts, { deps }: CheckContext): Found {
  const { synchronousCommit: commit, standby, seesStandbys, fsync } = facts
  if (!fsync) return failed(FOUND.fsync_off, REMEDY.fsync)
  if (commit === 'off') return failed(FOUND.commit_off, REMEDY.synchronous_commit)
  if (deps.config.databaseStandby !== 'required') return ok(FOUND.one_server)
  if (commit !== 'on' && commit !== 'remote_apply')
    return failed(FOUND.commit_weak(commit), REMEDY.synchronous_commit)
  if (standby) return ok('A synchronous standby confirms each commit.')
  if (!seesStandbys) return failed(FOUND.standby_unseen, REMEDY.standby_unseen)
  return failed(FOUND.no_standby, REMEDY.no_standby)
}

function notifications({ notified }: DatabaseFacts, { deps }: CheckContext): Found {
  if (notified) return ok('A notification came back.')
  const direct = deps.config.databaseDirectUrl !== undefined
  return warning(FOUND.no_notification, direct ? REMEDY.notifications_direct : REMEDY.notifications)
}

/**
 * Clock differences in seconds that warn and that fail. Brokers decide by their own clocks;
 * Postgres's clock is the reference.
 */
const CLOCK_WARNS = 5
const CLOCK_FAILS = 30

function clock({ clockAheadMs }: DatabaseFacts): Found {
  const seconds = Math.abs(clockAheadMs) / 1000
  if (seconds <= CLOCK_WARNS) return ok(`They differ by less than ${Math.ceil(seconds + 0.1)} s.`)
  const found = FOUND.clocks_differ(seconds.toFixed(1), clockAheadMs > 0 ? 'ahead of' : 'behind')
  const fix = REMEDY.postgres_clock
  return seconds > CLOCK_FAILS ? failed(found, fix) : warning(found, fix)
}

function rights({ mayChangeTables }: DatabaseFacts): Found {
  if (!mayChangeTables) return ok('It may read and write the tables, and change none.')
  return warning(FOUND.may_change_tables, REMEDY.postgres_rights)
}

/** Dead row versions of `log_head` that warn. It has one row, which every revocation rewrites. */
const MOST_DEAD = 10_000

function bloat({ deadHeads }: DatabaseFacts): Found {
  if (deadHeads <= MOST_DEAD) return ok(`log_head has ${deadHeads} dead row version(s).`)
  return warning(FOUND.bloat(deadHeads), REMEDY.postgres_bloat)
}

function indexes({ unbuiltIndexes }: DatabaseFacts): Found {
  if (unbuiltIndexes.length === 0) return ok('Each index is built.')
  return warning(FOUND.unbuilt(unbuiltIndexes), REMEDY.unbuilt)
}
