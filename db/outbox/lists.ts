import { sql, type SQL } from 'drizzle-orm'
import type { Act } from '../engine/act.ts'
import { indexedBy } from '../engine/dialect.ts'
import { castTo, columnsOf, query, type RowOf, type Takes } from '../engine/statement.ts'
import { deliveries, deliveryCounts, securityEvents } from '../schema.ts'
import { type Delivery, DELIVERY_STATES, type DeliveryState } from '../types.ts'
import { oldestPending } from './counts.ts'
import { deliveryFields, deliveryOf, type DeliveryRow } from './row.ts'

/** Lists and counts of deliveries for operators, newest first. */

type Place = {
  atMs: number
  clientId: string
  id: string
}
type Page = Place & { limit: number }
type Asked = {
  seq?: number | undefined
  clientId?: string | undefined
  state?: DeliveryState | undefined
  /** Only deliveries after this one in the list, by its id. An unknown id gives an empty list. */
  before?: string | undefined
  limit: number
}
type Counts = {
  clientId: string
  state: DeliveryState
  count: number
  oldestAtMs?: number | undefined
}[]
/** The place before the newest delivery. */
const FIRST: Place = { atMs: Number.MAX_SAFE_INTEGER, clientId: '', id: '' }

/**
 * Reads one range of an index for each state, in one statement, so that a delivery whose state
 * changes meanwhile is listed once.
 */
const ranges = <P extends Page & { state: string | null }>(
  index: string,
  range: (p: Takes<P>) => SQL,
) =>
  query(deliveryFields, (p: Takes<P>, f) => {
    const wanted = castTo('text', p.state as SQL<string>)
    const its = DELIVERY_STATES.map((state) => {
      const name = sql.raw(`'${state}'`)
      return sql`SELECT * FROM (SELECT ${f} FROM ${deliveries}${indexedBy(index)} WHERE ${deliveries.state} = ${name}
        AND (${wanted} IS NULL OR ${wanted} = ${name}) AND ${range(p)} LIMIT ${p.limit}) AS ${sql.identifier(state)}`
    })
    return sql.join(its, sql` UNION ALL `)
  })
const falling = (p: Takes<Page>) =>
  sql`(${deliveries.createdAtMs}, ${deliveries.id}) < (${p.atMs}, ${p.id}) ORDER BY ${deliveries.createdAtMs} DESC, ${deliveries.id} DESC`
const ofAll = ranges('deliveries_by_time', falling)
const ofClient = ranges(
  'deliveries_by_state',
  (p) => sql`${deliveries.clientId} = ${p.clientId} AND ${falling(p)}`,
)
// All deliveries of a revocation have the same `createdAtMs`, so they go by client.
const ofSeq = ranges<Page & { state: string | null; seq: number }>(
  'deliveries_by_seq',
  (
    p,
  ) => sql`${deliveries.seq} = ${p.seq} AND (${deliveries.clientId}, ${deliveries.id}) > (${p.clientId}, ${p.id})
    ORDER BY ${deliveries.clientId}, ${deliveries.id}`,
)
/** The deliveries of one revocation that name a user, or a session that it ended for them. */
const ofUser = query(
  deliveryFields,
  (p: Takes<{ seq: number; sub: string; after: string; limit: number }>, f) => {
    const range = sql`${deliveries.seq} = ${p.seq} AND ${deliveries.id} > ${p.after}`
    return sql`SELECT ${f} FROM ${deliveries} WHERE ${deliveries.sub} = ${p.sub} AND ${range}
      UNION ALL SELECT ${f} FROM (SELECT DISTINCT ${securityEvents.sid} FROM ${securityEvents}
        WHERE ${securityEvents.sub} = ${p.sub} AND ${securityEvents.seq} = ${p.seq} AND ${securityEvents.sid} IS NOT NULL) AS own
      CROSS JOIN ${deliveries} WHERE ${deliveries.sid} = own.sid AND ${deliveries.sub} IS NULL AND ${range}
      ORDER BY id LIMIT ${p.limit}`
  },
)
const placeOf = query(
  { atMs: deliveries.createdAtMs, ...columnsOf(deliveries, 'clientId', 'id') },
  (p: Takes<{ id: string }>, f) =>
    sql`SELECT ${f} FROM ${deliveries} WHERE ${deliveries.id} = ${p.id}`,
)
const countFields = {
  clientId: deliveryCounts.clientId,
  state: sql<DeliveryState>`${deliveryCounts.state}`,
  count: deliveryCounts.count,
  oldest: sql<
    number | null
  >`CASE WHEN ${deliveryCounts.state} = 'pending' THEN ${oldestPending} END`,
}
const counts = query(
  countFields,
  (_, f) =>
    sql`SELECT ${f} FROM ${deliveryCounts} WHERE ${deliveryCounts.count} > 0 ORDER BY ${deliveryCounts.clientId}, ${deliveryCounts.state}`,
)

const countOf = ({ oldest, ...count }: RowOf<typeof countFields>) => ({
  ...count,
  ...(oldest === null ? {} : { oldestAtMs: oldest }),
})
/**
 * Returns how many deliveries of each client are in each state, and since when the oldest is
 * pending.
 */
export function* deliveryCountsNow(): Act<Counts> {
  return (yield* counts.all({})).map(countOf)
}

const byId = (a: DeliveryRow, b: DeliveryRow): number => (a.id < b.id ? 1 : -1)
const byTime = (a: DeliveryRow, b: DeliveryRow): number =>
  b.createdAtMs - a.createdAtMs || byId(a, b)
const byClient = (a: DeliveryRow, b: DeliveryRow): number =>
  a.clientId === b.clientId ? byId(b, a) : a.clientId < b.clientId ? -1 : 1

/**
 * Lists deliveries from after the delivery `before`, newest first, those of one revocation by
 * client; none where `before` is unknown. It reads one range of an index for each state, and never
 * more than `limit` rows of it.
 */
export function* listDeliveries({ seq, clientId, before, ...asked }: Asked): Act<Delivery[]> {
  const place = before === undefined ? FIRST : yield* placeOf.get({ id: before })
  if (place === undefined) return []
  const { limit, state = null } = asked
  const page = { ...place, state, limit, clientId: clientId ?? place.clientId }
  const rows =
    seq === undefined
      ? yield* (clientId === undefined ? ofAll : ofClient).all(page)
      : yield* ofSeq.all({ ...page, seq })
  return rows
    .filter((row) => (clientId ?? row.clientId) === row.clientId)
    .sort(seq === undefined ? byTime : byClient)
    .slice(0, limit)
    .map(deliveryOf)
}

/** Returns the deliveries of one revocation that are about a user, after an id, in its order. */
export function* deliveriesOfUser(page: {
  seq: number
  sub: string
  after: string
  limit: number
}): Act<Delivery[]> {
  return (yield* ofUser.all(page)).map(deliveryOf)
}
