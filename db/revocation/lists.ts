import { sql } from 'drizzle-orm'
import type { Act } from '../engine/act.ts'
import { hidden } from '../engine/dialect.ts'
import { columnsOf, query } from '../engine/statement.ts'
import type { RowOf, Takes } from '../engine/statement.ts'
import { optional } from '../engine/values.ts'
import { DELIVERY_STATES } from '../outbox/counts.ts'
import { cutoffs, revocations, revocationTotals } from '../schema.ts'
import type { DeliveryState, DeliveryTotals, LoggedRevocation } from '../types.ts'
import { revocationFields, revocationOf } from './log.ts'

/** One revocation as operators read it, with the totals of its deliveries. */

const totals = Object.fromEntries(DELIVERY_STATES.map((state) => [state, sql<number>`coalesce(${revocationTotals[state]}, 0)`])) as Record<
  DeliveryState,
  ReturnType<typeof sql<number>>
>
export const loggedFields = { ...revocationFields, ...columnsOf(revocations, 'enforcedAtMs'), ...totals }
export const withTotals = sql`${revocations} LEFT JOIN ${revocationTotals} ON ${revocationTotals.seq} = ${revocations.seq}`

const bySeq = query(loggedFields, (p: Takes<{ seq: number }>, f) => sql`SELECT ${f} FROM ${withTotals} WHERE ${revocations.seq} = ${hidden(p.seq)}`)
const everythingAt = query(
  columnsOf(revocations, 'at'),
  (_, f) =>
    sql`SELECT ${f} FROM ${cutoffs} JOIN ${revocations} ON ${revocations.seq} = ${cutoffs.seq} WHERE ${cutoffs.kind} = 'everything' AND ${cutoffs.key} = ''`,
)

export const loggedOf = (row: RowOf<typeof loggedFields>): LoggedRevocation => ({
  ...revocationOf(row),
  enforcedAtMs: optional(row.enforcedAtMs),
  totals: Object.fromEntries(DELIVERY_STATES.map((state) => [state, row[state]])) as DeliveryTotals,
})

export function* findRevocation(seq: number): Act<LoggedRevocation | undefined> {
  const row = yield* bySeq.get({ seq })
  return row && loggedOf(row)
}
export function* everythingRevokedAt(): Act<number | undefined> {
  return (yield* everythingAt.get({}))?.at
}
