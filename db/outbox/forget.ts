import { sql } from 'drizzle-orm'
import type { Act, Ambient } from '../engine/act.ts'
import { forUpdate } from '../engine/dialect.ts'
import { columnsOf, query } from '../engine/statement.ts'
import type { Takes } from '../engine/statement.ts'
import { deliveries } from '../schema.ts'
import type { DeliveryRef } from '../types.ts'
import { closeRows } from './decisions.ts'

/** Erases what messages say of a user: those that still have a content are closed, which deletes it. Logout tokens and security events name users by ids alone, and stay pending. */

/** More than any user has: a delivered message keeps no content. */
const MOST = 1_000

const ofUser = query(
  columnsOf(deliveries, 'id', 'clientId', 'seq', 'state'),
  (p: Takes<{ sub: string }>, f) =>
    sql`SELECT ${f} FROM ${deliveries} WHERE ${deliveries.sub} = ${p.sub} AND ${deliveries.payload} IS NOT NULL AND ${deliveries.kind} = 'webhook'
      ORDER BY ${deliveries.id} LIMIT ${sql.raw(String(MOST))}${forUpdate(deliveries)}`,
)

/** @param but what the erasure itself tells: it holds ids alone */
export function* forgetMessages(ambient: Ambient, sub: string, but: readonly DeliveryRef[]): Act<void> {
  const kept = new Set(but.map(({ id }) => id))
  const rows = (yield* ofUser.all({ sub })).filter(({ id }) => !kept.has(id))
  if (rows.length > 0) yield* closeRows(ambient, rows, 'The user was erased.')
}
