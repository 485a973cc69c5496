import type { DatabaseFacts } from '../types.ts'
import type { Connections } from './connections.ts'
import { rejection } from './engine.ts'
import { type Index, indexesIn, unbuilt } from './indexes.ts'
import { findMigrations } from './migrate.ts'
import { NAMESPACE } from './schema.ts'

/** Facts that Postgres reports, for the checks. src/operations/checks/database.ts judges them. */

const FACTS = `SELECT current_setting('server_version') AS version, current_setting('server_version_num')::int / 10000 AS major,
    current_setting('synchronous_commit') AS "synchronousCommit", current_setting('fsync') = 'on' AS fsync,
    EXISTS (SELECT FROM pg_stat_replication WHERE sync_state IN ('sync', 'quorum')) AS standby,
    pg_has_role(current_user, 'pg_read_all_stats', 'USAGE') AS "seesStandbys",
    pg_has_role(current_user, (SELECT relowner FROM pg_class WHERE oid = '${NAMESPACE}.log_head'::regclass), 'USAGE') AS "mayChangeTables",
    coalesce((SELECT n_dead_tup FROM pg_stat_user_tables WHERE relid = '${NAMESPACE}.log_head'::regclass), 0) AS "deadHeads",
    (extract(epoch FROM clock_timestamp()) * 1000)::bigint AS "serverMs"`

let indexes: readonly Index[] | undefined
/** Reads the list of indexes once: the files of this version do not change. */
const knownIndexes = (): readonly Index[] => (indexes ??= indexesIn(findMigrations()))

interface Asked {
  pool: Pick<Connections, 'query'>
  nowMs(): number
  receivesNotifications(
    send: (channel: string, payload: string) => Promise<unknown>,
  ): Promise<boolean>
}

/**
 * Reads the facts.
 * @throws StoreUnavailable where Postgres does not answer
 */
export async function readFacts({
  pool,
  nowMs,
  receivesNotifications,
}: Asked): Promise<DatabaseFacts> {
  try {
    const notified = await receivesNotifications((channel, payload) =>
      pool.query('SELECT pg_notify($1, $2)', [channel, payload]),
    )
    const askedMs = nowMs()
    const { rows } = await pool.query<
      Omit<DatabaseFacts, 'notified' | 'clockAheadMs' | 'unbuiltIndexes'> & { serverMs: number }
    >(FACTS)
    const [row] = rows
    if (row === undefined)
      throw new Error('Postgres answered a question about itself with nothing.')
    const { serverMs, ...facts } = row
    const clockAheadMs = outside(serverMs, askedMs, nowMs())
    const missing = await unbuilt(pool, knownIndexes())
    return { ...facts, notified, clockAheadMs, unbuiltIndexes: missing.map(({ name }) => name) }
  } catch (error) {
    throw rejection(error)
  }
}

/** Returns how far a moment lies outside of the period in which it was read; 0 inside. */
function outside(moment: number, fromMs: number, untilMs: number): number {
  if (moment < fromMs) return moment - fromMs
  return moment > untilMs ? moment - untilMs : 0
}
