import { sql, type Column, type SQL } from 'drizzle-orm'
import type { Param } from './statement.ts'

/**
 * How long a process holds a delivery or work that it has taken: longer than the work can last. A
 * lease that expires belonged to a process that was killed.
 */
export const LEASE_MS = {
  delivery: 15_000,
  /** Covers a batch of calls to Microsoft that all time out. */
  microsoft: 120_000,
}

/**
 * How much the clocks of processes that share a database may differ. Above it the check
 * postgres-clock fails.
 */
const CLOCKS_DIFFER_MS = 30_000

/**
 * Tests whether no process holds the lease of a row. A lease that ends later than this clock allows
 * was written by a wrong clock, and counts as free.
 */
export const isFree = (untilMs: Column, nowMs: Param<number>, kind: keyof typeof LEASE_MS): SQL =>
  sql`(${untilMs} <= ${nowMs} OR ${untilMs} - ${sql.raw(String(LEASE_MS[kind] + CLOCKS_DIFFER_MS))} > ${nowMs})`
