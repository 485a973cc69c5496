import { sql } from 'drizzle-orm'
import type { Act } from '../engine/act.ts'
import { assign, command, insertInto, names } from '../engine/statement.ts'
import type { Takes } from '../engine/statement.ts'
import { deliveryCounts, revocationTotals } from '../schema.ts'
import type { DeliveryState } from '../types.ts'

/** Keeps what is counted of deliveries true: by client and state, and by revocation and state. Every change of a state passes here. */

export const DELIVERY_STATES = ['pending', 'delivered', 'rejected', 'failed', 'superseded', 'closed'] as const satisfies readonly DeliveryState[]

const add = command(
  (p: Takes<{ clientId: string; state: string; count: number }>) =>
    sql`${insertInto(deliveryCounts, { clientId: p.clientId, state: p.state, count: p.count })}
      ON CONFLICT (${names(deliveryCounts.clientId, deliveryCounts.state)})
      DO UPDATE SET ${assign(deliveryCounts, { count: sql`${deliveryCounts.count} + ${p.count}` })}`,
)

const plus = (state: DeliveryState, by: 1 | -1) => sql`${revocationTotals[state]} + ${sql.raw(String(by))}`

const written = new Map(
  DELIVERY_STATES.map((state) => [
    state,
    command(
      (p: Takes<{ seq: number }>) =>
        sql`${insertInto(revocationTotals, { seq: p.seq, [state]: 1 })} ON CONFLICT (${names(revocationTotals.seq)})
          DO UPDATE SET ${assign(revocationTotals, { [state]: plus(state, 1) })}`,
    ),
  ]),
)
const changes = DELIVERY_STATES.flatMap((from) => DELIVERY_STATES.map((to) => [from, to] as const)).filter(([from, to]) => from !== to)
const changed = new Map(
  changes.map(([from, to]) => [
    `${from} ${to}`,
    command(
      (p: Takes<{ seq: number }>) =>
        sql`UPDATE ${revocationTotals} SET ${assign(revocationTotals, { [from]: plus(from, -1), [to]: plus(to, 1) })}
          WHERE ${revocationTotals.seq} = ${p.seq}`,
    ),
  ]),
)

/**
 * A delivery passes from one state to another. `from` undefined: it was written just now. `to` undefined: retention deleted it, and its
 * revocation's totals keep it.
 */
export function* moved(
  { clientId, seq }: { clientId: string; seq: number | null },
  from: DeliveryState | undefined,
  to: DeliveryState | undefined,
): Act<void> {
  if (from === to) return
  if (from !== undefined) yield* add.run({ clientId, state: from, count: -1 })
  if (to !== undefined) yield* add.run({ clientId, state: to, count: 1 })
  if (seq === null || to === undefined) return
  if (from === undefined) yield* written.get(to)!.run({ seq })
  else yield* changed.get(`${from} ${to}`)!.run({ seq })
}
