import { setImmediate as turn } from 'node:timers/promises'
import type { DeliveryActs } from '../store.ts'
import type { Delivery, DeliveryState } from '../types.ts'
import type { Core } from './core.ts'
import { DELIVERY_STATES } from '../outbox/counts.ts'
import { deliveryOf } from './delivery-rows.ts'
import type { DeliveryRow } from './delivery-rows.ts'

/** Deliveries as operators look at them, newest first, and how many there are. */

/** Deliveries of one revocation looked at in one turn. */
const PAGE = 500

interface Place {
  row: number
  atMs: number
}
type Asked = Parameters<DeliveryActs['listDeliveries']>[0]
type Listed = DeliveryRow & { row: number }
/** Before the newest. */
const FIRST: Place = { row: Number.MAX_SAFE_INTEGER, atMs: Number.MAX_SAFE_INTEGER }

interface CountRow {
  client_id: string
  state: DeliveryState
  count: number
  oldest: number | null
}
const countOf = (row: CountRow) => ({
  clientId: row.client_id,
  state: row.state,
  count: row.count,
  ...(row.oldest === null ? {} : { oldestAtMs: row.oldest }),
})

export function deliveryLists({ db, read }: Core) {
  const prepare = (where: string, order: string, index = '') =>
    db.prepare<[object], Listed>(
      `SELECT d.*, d.rowid AS row, t.uri FROM deliveries d ${index} JOIN targets t ON t.target_id = d.target_id WHERE ${where} ORDER BY ${order} LIMIT @limit`,
    )
  const BY_TIME = 'd.created_at_ms DESC, d.rowid DESC'
  const latest = prepare('d.rowid < @row', 'd.rowid DESC')
  const ofSeq = prepare('d.seq = @seq AND d.rowid < @row', 'd.rowid DESC', 'INDEXED BY deliveries_by_seq')
  const ofState = prepare('d.state = @state AND (d.created_at_ms, d.rowid) < (@atMs, @row)', BY_TIME, 'INDEXED BY deliveries_by_time')
  const ofClient = prepare(
    'd.state = @state AND d.client_id = @clientId AND (d.created_at_ms, d.rowid) < (@atMs, @row)',
    BY_TIME,
    'INDEXED BY deliveries_by_state',
  )
  const placeOf = db.prepare<[string], Place>('SELECT rowid AS row, created_at_ms AS atMs FROM deliveries WHERE id = ?')
  const counts = db.prepare<[], CountRow>(
    `SELECT c.client_id, c.state, c.count, CASE WHEN c.state = 'pending' THEN
        (SELECT min(d.created_at_ms) FROM deliveries d WHERE d.state = 'pending' AND d.client_id = c.client_id) END AS oldest
      FROM delivery_counts c WHERE c.count > 0 ORDER BY c.client_id, c.state`,
  )

  /** By client, each state is one range of an index: so a list never reads more than its own length in each. */
  const byClient = (clientId: string, state: DeliveryState | undefined, place: Place, limit: number): Listed[] =>
    (state === undefined ? DELIVERY_STATES : [state])
      .flatMap((one) => ofClient.all({ clientId, state: one, ...place, limit }))
      .sort((a, b) => b.created_at_ms - a.created_at_ms || b.row - a.row)
      .slice(0, limit)

  /** A wide revocation may have a million, of which few are of a state: page by page, with the event loop let in between. */
  const bySeq = async ({ seq, clientId, state, limit }: Asked, { row }: Place): Promise<Listed[]> => {
    const found: Listed[] = []
    for (let before = row; ;) {
      const page = await read(() => ofSeq.all({ seq, row: before, limit: PAGE }))
      found.push(...page.filter((one) => (clientId ?? one.client_id) === one.client_id && (state ?? one.state) === one.state))
      const last = page.at(-1)
      if (found.length >= limit || page.length < PAGE || last === undefined) return found.slice(0, limit)
      before = last.row
      await turn()
    }
  }

  const list = async (asked: Asked): Promise<Listed[]> => {
    const { seq, clientId, state, before, limit } = asked
    const place = before === undefined ? FIRST : await read(() => placeOf.get(before))
    if (place === undefined) return []
    if (seq !== undefined) return bySeq(asked, place)
    return read(() => {
      if (clientId !== undefined) return byClient(clientId, state, place, limit)
      return state === undefined ? latest.all({ row: place.row, limit }) : ofState.all({ state, ...place, limit })
    })
  }

  return {
    listDeliveries: async (input): Promise<Delivery[]> => (await list(input)).map(deliveryOf),
    deliveryCounts: () => read(() => counts.all().map(countOf)),
  } satisfies Partial<DeliveryActs>
}
