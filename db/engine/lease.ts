import { sql } from 'drizzle-orm'
import type { Column, SQL } from 'drizzle-orm'
import type { Param } from './statement.ts'

/**
 * How long a process holds what it has taken to do: longer than it can take. A lease that ran out
 * belonged to a process that was killed.
 */
export const LEASE_MS = {
  delivery: 15_000,
  /** A batch of calls to Microsoft, also where all time out. */
  microsoft: 120_000,
}

/**
 * How much the clocks of processes that share a database may differ: from there on the check
 * postgres-clock fails.
 */
const CLOCKS_DIFFER_MS = 30_000

/**
 * Whether nothing holds the lease of a row. A lease that ends later than any could by this clock
 * was taken by a clock that was wrong: it does not hold the row until then.
 */
export const isFree = (untilMs: Column, nowMs: Param<number>, kind: keyof typeof LEASE_MS): SQL =>
  sql`(${untilMs} <= ${nowMs} OR ${untilMs} - ${sql.raw(String(LEASE_MS[kind] + CLOCKS_DIFFER_MS))} > ${nowMs})`
