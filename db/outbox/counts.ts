import { sql } from 'drizzle-orm'
import type { Act } from '../engine/act.ts'
import { rowsOf } from '../engine/dialect.ts'
import {
  assign,
  command,
  excluded,
  insertEach,
  insertInto,
  names,
  pick,
  runForEach,
  type Takes,
} from '../engine/statement.ts'
import { deliveries, deliveryCounts, revocationTotals } from '../schema.ts'
import { DELIVERY_STATES, type DeliveryState, type DeliveryTotals } from '../types.ts'
import { HELD } from './row.ts'

/**
 * Keeps the counts of deliveries exact, by client and state and by revocation and state. Every
 * change of a state is reported here.
 */

/**
 * For a row of `delivery_counts`: when that client's oldest pending delivery became pending.
 * Deliveries that a stream holds for its receiver are left out, because they are not late.
 */
export const oldestPending = sql<number | null>`(SELECT ${deliveries.createdAtMs} FROM ${deliveries}
  WHERE ${deliveries.state} = 'pending' AND ${deliveries.clientId} = ${deliveryCounts.clientId}
    AND ${deliveries.nextAttemptAtMs} < ${sql.raw(String(HELD))} ORDER BY ${deliveries.createdAtMs} LIMIT 1)`

type Count = { clientId: string; state: string; count: number }
const added = sql`ON CONFLICT (${names(deliveryCounts.clientId, deliveryCounts.state)})
  DO UPDATE SET ${assign(deliveryCounts, { count: sql`${deliveryCounts.count} + ${excluded(deliveryCounts.count)}` })}`
const add = command(
  (p: Takes<Count>) =>
    sql`${insertInto(deliveryCounts, pick(p, 'clientId', 'state', 'count'))} ${added}`,
)
// One statement for all clients of an act: between the first row that it locks and its commit,
// other acts of those clients wait.
const addAll = command((p: Takes<{ list: string }>) => {
  const { rows, row } = rowsOf(p.list, { clientId: 'text', state: 'text', count: 'bigint' })
  return sql`${insertEach(deliveryCounts, row, rows)} ${added}`
})
type Totals = DeliveryTotals & { seq: number }
const plus = (by: (state: DeliveryState) => ReturnType<typeof sql>) =>
  assign(
    revocationTotals,
    Object.fromEntries(
      DELIVERY_STATES.map((state) => [state, sql`${revocationTotals[state]} + ${by(state)}`]),
    ),
  )
const written = command(
  (p: Takes<Totals>) =>
    sql`${insertInto(revocationTotals, pick(p, 'seq', ...DELIVERY_STATES))} ON CONFLICT (${names(revocationTotals.seq)})
      DO UPDATE SET ${plus((state) => excluded(revocationTotals[state]))}`,
)
const changed = command(
  (p: Takes<Totals>) =>
    sql`UPDATE ${revocationTotals} SET ${plus((state) => p[state])} WHERE ${revocationTotals.seq} = ${p.seq}`,
)

export interface Move {
  clientId: string
  seq: number | null
  /** Undefined: the delivery was just written. */
  from: DeliveryState | undefined
  /** Undefined: retention deleted the delivery; its revocation's totals still count it. */
  to: DeliveryState | undefined
}

const NONE: DeliveryTotals = {
  pending: 0,
  delivered: 0,
  rejected: 0,
  failed: 0,
  superseded: 0,
  closed: 0,
}

/** Adds a change of state to the sum of a key. */
function addTo<K>(sums: Map<K, DeliveryTotals>, key: K, { from, to }: Move): void {
  const sum = sums.get(key) ?? { ...NONE }
  if (from !== undefined) sum[from] -= 1
  if (to !== undefined) sum[to] += 1
  sums.set(key, sum)
}

const sorted = <K>(sums: Map<K, DeliveryTotals>): [K, DeliveryTotals][] =>
  [...sums].sort(([a], [b]) => (a < b ? -1 : 1))

/**
 * Applies changes of state to the counts. An act calls it once, after it has changed the
 * deliveries. Counts are locked in a fixed order, so that the acts of two brokers cannot deadlock.
 */
export function* applyCountChanges(moves: readonly Move[]): Act<void> {
  const [clients, totals] = [new Map<string, DeliveryTotals>(), new Map<number, DeliveryTotals>()]
  const fresh = new Set<number>()
  for (const move of moves) {
    addTo(clients, move.clientId, move)
    if (move.seq === null || move.to === undefined) continue
    addTo(totals, move.seq, move)
    if (move.from === undefined) fresh.add(move.seq)
  }
  const counts = sorted(clients).flatMap(([clientId, sum]) =>
    DELIVERY_STATES.filter((state) => sum[state] !== 0).map((state) => ({
      clientId,
      state,
      count: sum[state],
    })),
  )
  yield* runForEach(add, addAll, counts)
  for (const [seq, sum] of sorted(totals)) {
    if (fresh.has(seq)) yield* written.run({ seq, ...sum })
    else if (DELIVERY_STATES.some((state) => sum[state] !== 0)) yield* changed.run({ seq, ...sum })
  }
}
