import { setImmediate as turn } from 'node:timers/promises'
import { sql } from 'drizzle-orm'
import type { Act, Engine } from '../engine/act.ts'
import { indexedBy } from '../engine/dialect.ts'
import { query, type RowOf, type Takes } from '../engine/statement.ts'
import { deliveries, deliveryCounts, targets } from '../schema.ts'
import type { Delivery, DeliveryState } from '../types.ts'
import { DELIVERY_STATES, oldestPending } from './counts.ts'
import { deliveryFields, deliveryOf, type DeliveryRow, hasTimeOf } from './row.ts'

/** Lists and counts of deliveries for operators, newest first. */

/** The number of deliveries of one revocation that one turn looks at. */
const PAGE = 500

type Place = {
  atMs: number
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
const FIRST: Place = { atMs: Number.MAX_SAFE_INTEGER, id: '' }

const from = (index: string) =>
  sql`FROM ${deliveries}${indexedBy(index)} JOIN ${targets} ON ${targets.targetId} = ${deliveries.targetId}`
const falling = (p: Takes<Page>) =>
  sql`AND (${deliveries.createdAtMs}, ${deliveries.id}) < (${p.atMs}, ${p.id}) ORDER BY ${deliveries.createdAtMs} DESC, ${deliveries.id} DESC LIMIT ${p.limit}`
const ofState = query(
  deliveryFields,
  (p: Takes<Page & { state: string }>, f) =>
    sql`SELECT ${f} ${from('deliveries_by_time')} WHERE ${deliveries.state} = ${p.state} ${falling(p)}`,
)
const ofClient = query(
  deliveryFields,
  (p: Takes<Page & { state: string; clientId: string }>, f) =>
    sql`SELECT ${f} ${from('deliveries_by_state')} WHERE ${deliveries.state} = ${p.state} AND ${deliveries.clientId} = ${p.clientId} ${falling(p)}`,
)
// All deliveries of a revocation have the same `createdAtMs`, so the id decides their order.
const ofSeq = query(
  deliveryFields,
  (p: Takes<Page & { seq: number }>, f) =>
    sql`SELECT ${f} ${from('deliveries_by_seq')} WHERE ${deliveries.seq} = ${p.seq} ${falling(p)}`,
)
const ofSeqAndState = query(
  deliveryFields,
  (p: Takes<Page & { seq: number; state: string }>, f) =>
    sql`SELECT ${f} ${from('deliveries_by_time')} WHERE ${deliveries.state} = ${p.state}
      AND ${hasTimeOf(p.seq)} ${falling(p)}`,
)
const placeOf = query(
  { atMs: deliveries.createdAtMs, id: deliveries.id },
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

/**
 * Lists deliveries, one index range for each state, so that it never reads more than `limit` rows
 * of each.
 */
function* byState({ clientId, state, limit }: Asked, place: Place): Act<DeliveryRow[]> {
  const found: DeliveryRow[] = []
  for (const one of state === undefined ? DELIVERY_STATES : [state]) {
    const page = { state: one, ...place, limit }
    found.push(
      ...(clientId === undefined
        ? yield* ofState.all(page)
        : yield* ofClient.all({ ...page, clientId })),
    )
  }
  return found
    .sort((a, b) => b.createdAtMs - a.createdAtMs || (a.id < b.id ? 1 : -1))
    .slice(0, limit)
}

/**
 * Lists the deliveries of one revocation page by page. A wide one may have a million, few of them
 * of the wanted client, so the event loop runs between pages.
 */
async function bySeq(
  { read }: Engine,
  seq: number,
  { clientId, state, limit }: Asked,
  first: Place,
): Promise<DeliveryRow[]> {
  const found: DeliveryRow[] = []
  for (let place = first; ; await turn()) {
    const from = place
    const asked = { seq, ...from, limit: PAGE }
    const page = await read(() =>
      state === undefined ? ofSeq.all(asked) : ofSeqAndState.all({ ...asked, state }),
    )
    found.push(
      ...page.filter((one) => one.seq === seq && (clientId ?? one.clientId) === one.clientId),
    )
    const last = page.at(-1)
    if (found.length >= limit || page.length < PAGE || last === undefined)
      return found.slice(0, limit)
    place = { atMs: last.createdAtMs, id: last.id }
  }
}

/**
 * Lists deliveries, newest first, from after the delivery `before`; none where `before` is unknown.
 */
export async function listDeliveries(engine: Engine, asked: Asked): Promise<Delivery[]> {
  const { seq, before } = asked
  const place = before === undefined ? FIRST : await engine.read(() => placeOf.get({ id: before }))
  if (place === undefined) return []
  const rows =
    seq === undefined
      ? await engine.read(() => byState(asked, place))
      : await bySeq(engine, seq, asked, place)
  return rows.map(deliveryOf)
}
