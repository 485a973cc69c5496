import { setImmediate as turn } from 'node:timers/promises'
import { sql } from 'drizzle-orm'
import type { Act, Engine } from '../engine/act.ts'
import { columnsOf, query, type RowOf, type Takes } from '../engine/statement.ts'
import { deliveries, revocations } from '../schema.ts'
import type { RevocationTime } from '../types.ts'

/**
 * How long revocations took, for operators. Reads are bounded, and the event loop runs between two
 * pages.
 */

const PAGE = 50
/**
 * The most deliveries of one revocation that are read. A revocation with more is listed without a
 * time, rather than with that of a part.
 */
const MOST_OF_ONE = 1_000

const timeFields = columnsOf(revocations, 'seq', 'atMs', 'enforcedAtMs', 'fanOut')
const latest = query(
  timeFields,
  (p: Takes<{ before: number; limit: number }>, f) =>
    sql`SELECT ${f} FROM ${revocations} WHERE ${revocations.seq} < ${p.before} ORDER BY ${revocations.seq} DESC LIMIT ${p.limit}`,
)
const openStates = sql`${deliveries.state} IN ('pending', 'rejected', 'failed')`
const isDelivered = sql`${deliveries.state} = 'delivered'`
const ofOne = query(
  {
    count: sql<number>`count(*)`,
    delivered: sql<number>`count(CASE WHEN ${isDelivered} THEN 1 END)`,
    // A superseded delivery is delivered with another revocation, and counts there.
    open: sql<number>`count(CASE WHEN ${openStates} AND ${deliveries.supersededBy} IS NULL THEN 1 END)`,
    last: sql<number | null>`max(CASE WHEN ${isDelivered} THEN ${deliveries.settledAtMs} END)`,
  },
  (p: Takes<{ seq: number }>, f) =>
    sql`SELECT ${f} FROM (SELECT ${deliveries.state}, ${deliveries.supersededBy}, ${deliveries.settledAtMs} FROM ${deliveries}
      WHERE ${deliveries.seq} = ${p.seq} LIMIT ${sql.raw(String(MOST_OF_ONE + 1))}) AS ${deliveries}`,
)

function* timeOf(row: RowOf<typeof timeFields>): Act<RevocationTime> {
  const found = row.fanOut === 'complete' ? yield* ofOne.get({ seq: row.seq }) : undefined
  const whole =
    found !== undefined &&
    found.count <= MOST_OF_ONE &&
    found.delivered > 0 &&
    found.open === 0 &&
    found.last !== null
  return {
    seq: row.seq,
    atMs: row.atMs,
    ...(whole ? { deliveredMs: Math.max(0, (found.last ?? 0) - row.atMs) } : {}),
    ...(row.enforcedAtMs === null ? {} : { enforcedMs: Math.max(0, row.enforcedAtMs - row.atMs) }),
  }
}

function* page(before: number, limit: number): Act<RevocationTime[]> {
  const times: RevocationTime[] = []
  for (const row of yield* latest.all({ before, limit })) times.push(yield* timeOf(row))
  return times
}

/**
 * Returns the latest `limit` revocations for the console's chart, newest first. A revocation with
 * more deliveries than are read has no `deliveredMs`.
 */
export async function revocationTimes(
  { read }: Engine,
  { limit }: { limit: number },
): Promise<RevocationTime[]> {
  const times: RevocationTime[] = []
  for (let before = Number.MAX_SAFE_INTEGER; times.length < limit;) {
    const from = before
    const most = Math.min(PAGE, limit - times.length)
    const next = await read(() => page(from, most))
    times.push(...next)
    const last = next.at(-1)
    if (next.length < most || last === undefined) break
    before = last.seq
    await turn()
  }
  return times
}
