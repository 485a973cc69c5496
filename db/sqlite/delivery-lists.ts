import type { DeliveryActs } from '../store.ts'
import type { Delivery, DeliveryState } from '../types.ts'
import type { Core } from './core.ts'
import { DELIVERY_FROM, deliveryOf } from './delivery-rows.ts'
import type { DeliveryRow } from './delivery-rows.ts'

/** Deliveries as operators look at them, newest first, and how many there are. */

const STATES: DeliveryState[] = ['owed', 'delivered', 'refused', 'dead', 'superseded']

export function deliveryLists({ db, read }: Core) {
  const latest = db.prepare<[{ limit: number }], DeliveryRow>(`SELECT d.*, t.uri FROM ${DELIVERY_FROM} ORDER BY d.rowid DESC LIMIT @limit`)
  const ofSeq = db.prepare<[object], DeliveryRow>(`SELECT d.*, t.uri FROM ${DELIVERY_FROM}
    WHERE d.seq = @seq AND (@clientId IS NULL OR d.client_id = @clientId) AND (@state IS NULL OR d.state = @state) ORDER BY d.rowid DESC LIMIT @limit`)
  const ofState = db.prepare<[object], DeliveryRow>(
    `SELECT d.*, t.uri FROM ${DELIVERY_FROM} WHERE d.state = @state ORDER BY d.created_at_ms DESC LIMIT @limit`,
  )
  const ofClient = db.prepare<[object], DeliveryRow>(`SELECT d.*, t.uri FROM ${DELIVERY_FROM}
    WHERE d.state = @state AND d.client_id = @clientId ORDER BY d.created_at_ms DESC LIMIT @limit`)
  const counts = db.prepare<[], { client_id: string; state: DeliveryState; count: number; oldest: number | null }>(
    `SELECT c.client_id, c.state, c.count, CASE WHEN c.state = 'owed' THEN
        (SELECT min(d.created_at_ms) FROM deliveries d WHERE d.state = 'owed' AND d.client_id = c.client_id) END AS oldest
      FROM delivery_counts c WHERE c.count > 0 ORDER BY c.client_id, c.state`,
  )

  /** By client, each state is one range of an index: so a list never reads more than its own length in each. */
  const byClient = (clientId: string, state: DeliveryState | undefined, limit: number): DeliveryRow[] =>
    (state === undefined ? STATES : [state])
      .flatMap((one) => ofClient.all({ clientId, state: one, limit }))
      .sort((a, b) => b.created_at_ms - a.created_at_ms)
      .slice(0, limit)

  const list = ({ seq, clientId, state, limit }: Parameters<DeliveryActs['listDeliveries']>[0]): DeliveryRow[] => {
    if (seq !== undefined) return ofSeq.all({ seq, clientId: clientId ?? null, state: state ?? null, limit })
    if (clientId !== undefined) return byClient(clientId, state, limit)
    return state === undefined ? latest.all({ limit }) : ofState.all({ state, limit })
  }

  return {
    listDeliveries: (input) => read((): Delivery[] => list(input).map(deliveryOf)),
    deliveryCounts: () =>
      read(() =>
        counts.all().map((row) => ({
          clientId: row.client_id,
          state: row.state,
          count: row.count,
          ...(row.oldest === null ? {} : { oldestAtMs: row.oldest }),
        })),
      ),
  } satisfies Partial<DeliveryActs>
}
