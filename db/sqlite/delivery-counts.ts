import type { DeliveryState } from '../types.ts'
import type { Core } from './core.ts'

/** Keeps what is counted of deliveries true: by client and state, and by revocation and state. Every change of a state passes here. */

/** Undefined `from`: it was written just now. Undefined `to`: retention deleted it, and its revocation's totals keep it. */
export type Moved = (delivery: { client_id: string; seq: number | null }, from: DeliveryState | undefined, to: DeliveryState | undefined) => void

export const DELIVERY_STATES = ['pending', 'delivered', 'rejected', 'failed', 'superseded', 'closed'] as const satisfies readonly DeliveryState[]

export function deliveryCounting({ db }: Pick<Core, 'db'>): Moved {
  const add = db.prepare<[string, string, number]>(
    'INSERT INTO delivery_counts (client_id, state, count) VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET count = count + excluded.count',
  )
  const written = new Map(
    DELIVERY_STATES.map((state) => [
      state,
      db.prepare<[number]>(`INSERT INTO revocation_totals (seq, ${state}) VALUES (?, 1) ON CONFLICT DO UPDATE SET ${state} = ${state} + 1`),
    ]),
  )
  const changes = DELIVERY_STATES.flatMap((from) => DELIVERY_STATES.map((to) => [from, to] as const)).filter(([from, to]) => from !== to)
  const changed = new Map(
    changes.map(([from, to]) => [
      `${from} ${to}`,
      db.prepare<[number]>(`UPDATE revocation_totals SET ${from} = ${from} - 1, ${to} = ${to} + 1 WHERE seq = ?`),
    ]),
  )

  return ({ client_id: clientId, seq }, from, to) => {
    if (from === to) return
    if (from !== undefined) add.run(clientId, from, -1)
    if (to !== undefined) add.run(clientId, to, 1)
    if (seq === null || to === undefined) return
    if (from === undefined) written.get(to)?.run(seq)
    else changed.get(`${from} ${to}`)?.run(seq)
  }
}
