import { setImmediate as turn } from 'node:timers/promises'
import { sql } from 'drizzle-orm'
import type { Act, Engine } from '../engine/act.ts'
import {
  assign,
  columnsOf,
  command,
  insertInto,
  names,
  orAny,
  query,
  type Takes,
} from '../engine/statement.ts'
import { acceptedSignIns, securityEvents } from '../schema.ts'

/** The counts of accepted sign-ins. Their names are in the users' security histories alone. */

const t = acceptedSignIns
const QUARTER_SECONDS = 900
const DAY = 86_400
/** Returns the beginning of the quarter of an hour in which a time is counted. */
export const quarterOf = (at: number): number => at - (at % QUARTER_SECONDS)
/** The counts are kept for a month. */
const KEPT_SECONDS = 31 * DAY

const add = command(
  (p: Takes<{ at: number; tid: string; clientId: string }>) =>
    sql`${insertInto(t, { at: p.at, tid: p.tid, clientId: p.clientId, count: 1 })} ON CONFLICT (${names(t.at, t.tid, t.clientId)})
      DO UPDATE SET ${assign(t, { count: sql`${t.count} + 1` })}`,
)

/** Counts a sign-in that opened or renewed a session. */
export function* countAccepted({
  at,
  tid,
  clientId = '',
}: {
  at: number
  tid: string
  clientId: string | undefined
}): Act<void> {
  yield* add.run({ at: quarterOf(at), tid, clientId })
}

type Wanted = { tid: string | null; clientId: string | null; since: number; until: number }
const counts = query(
  { ...columnsOf(t, 'clientId'), count: sql<number>`sum(${t.count})` },
  (p: Takes<Wanted>, f) =>
    sql`SELECT ${f} FROM ${t} WHERE ${t.at} >= ${p.since} AND ${t.at} < ${p.until}
      AND ${orAny(t.tid, p.tid)} AND ${orAny(t.clientId, p.clientId)} GROUP BY ${t.clientId}`,
)
/** The most entries of a user's history that are counted. */
const MOST_OF_USER = sql.raw('5000')
const countsOfUser = query(
  { ...columnsOf(securityEvents, 'clientId'), count: sql<number>`count(*)` },
  (p: Takes<Wanted & { sub: string }>, f) =>
    sql`SELECT ${f} FROM (SELECT * FROM ${securityEvents} WHERE ${securityEvents.sub} = ${p.sub}
        AND ${securityEvents.at} >= ${p.since} AND ${securityEvents.at} < ${p.until} LIMIT ${MOST_OF_USER}) AS ${securityEvents}
      WHERE ${securityEvents.kind} IN ('signed_in', 'renewed') AND ${orAny(securityEvents.clientId, p.clientId)} GROUP BY ${securityEvents.clientId}`,
)

interface Asked {
  /** The user whose sign-ins are counted. */
  sub?: string | undefined
  tid?: string | undefined
  clientId?: string | undefined
  since: number
  until: number
}

/**
 * Counts the accepted sign-ins by instance, most first; undefined for a page of the broker. The
 * counts of all users begin with a quarter of an hour, and are read a day at a time.
 */
export async function acceptedByClient(
  { read }: Pick<Engine, 'read'>,
  { sub, tid, clientId, since, until }: Asked,
): Promise<{ clientId: string | undefined; count: number }[]> {
  const totals = new Map<string, number>()
  const wanted = { tid: tid ?? null, clientId: clientId ?? null }
  const addAll = (found: readonly { clientId: string | null; count: number }[]) => {
    for (const { clientId: id, count } of found)
      totals.set(id ?? '', (totals.get(id ?? '') ?? 0) + count)
  }
  if (sub !== undefined)
    addAll(await read(() => countsOfUser.all({ ...wanted, sub, since, until })))
  else
    for (
      let at = quarterOf(Math.max(since, until - KEPT_SECONDS));
      at < until;
      at += DAY, await turn()
    )
      addAll(
        await read(() => counts.all({ ...wanted, since: at, until: Math.min(at + DAY, until) })),
      )
  return [...totals]
    .map(([id, count]) => ({ clientId: id === '' ? undefined : id, count }))
    .toSorted((a, b) => b.count - a.count)
}
