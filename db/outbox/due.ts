import { sql } from 'drizzle-orm'
import type { Act } from '../engine/act.ts'
import { indexedBy } from '../engine/dialect.ts'
import { isFree } from '../engine/lease.ts'
import { columnsOf, query, type RowOf, type Takes } from '../engine/statement.ts'
import { deliveries } from '../schema.ts'
import type { DeliveryRef, EarlyCursor, Priority } from '../types.ts'
import { HELD, PRIORITIES, priorityNumber, refFields, refOf } from './row.ts'

/**
 * The due deliveries of a target, in their order: urgent ones first, and wide revocations sharing
 * fairly.
 */

/**
 * The most wide revocations that share one page. Further ones take part when one of these has been
 * delivered.
 */
const MOST_TOGETHER = 32

type Page = {
  targetId: string
  nowMs: number
  limit: number
}
type RefRow = RowOf<typeof refFields>

const ofTarget = (p: Takes<{ targetId: string; priority: number }>) =>
  sql`FROM ${deliveries}${indexedBy('deliveries_due_by_target')}
    WHERE ${deliveries.state} = 'pending' AND ${deliveries.targetId} = ${p.targetId} AND ${deliveries.priority} = ${p.priority}`
const ofRevocations = (p: Takes<{ targetId: string }>) =>
  sql`FROM ${deliveries}${indexedBy('deliveries_due_by_revocation')}
    WHERE ${deliveries.state} = 'pending' AND ${deliveries.priority} = 1 AND ${deliveries.targetId} = ${p.targetId}`
const isDue = (p: Takes<Page>) =>
  sql`AND ${deliveries.nextAttemptAtMs} <= ${p.nowMs} AND ${isFree(deliveries.leasedUntilMs, p.nowMs, 'delivery')} ORDER BY ${deliveries.nextAttemptAtMs} LIMIT ${p.limit}`

const due = query(
  refFields,
  (p: Takes<Page & { priority: number }>, f) => sql`SELECT ${f} ${ofTarget(p)} ${isDue(p)}`,
)
const dueOfRevocation = query(
  refFields,
  (p: Takes<Page & { seq: number }>, f) =>
    sql`SELECT ${f} ${ofRevocations(p)} AND ${deliveries.seq} = ${p.seq} ${isDue(p)}`,
)
const nextRevocation = query(
  { seq: sql<number>`${deliveries.seq}` },
  (p: Takes<{ targetId: string; seq: number }>, f) =>
    sql`SELECT ${f} ${ofRevocations(p)} AND ${deliveries.seq} > ${p.seq} ORDER BY ${deliveries.seq} LIMIT 1`,
)
const early = query(
  refFields,
  (p: Takes<Page & { priority: number; fromMs: number; dueAtMs: number; id: string }>, f) =>
    sql`SELECT ${f} ${ofTarget(p)} AND ${deliveries.nextAttemptAtMs} >= ${p.fromMs}
      AND (${deliveries.nextAttemptAtMs}, ${deliveries.id}) > (${p.dueAtMs}, ${p.id}) AND ${deliveries.nextAttemptAtMs} < ${sql.raw(String(HELD))}
      AND ${isFree(deliveries.leasedUntilMs, p.nowMs, 'delivery')} ORDER BY ${deliveries.nextAttemptAtMs}, ${deliveries.id} LIMIT ${p.limit}`,
)
const nextTarget = query(
  columnsOf(deliveries, 'targetId'),
  (
    p: Takes<{ after: string }>,
    f,
  ) => sql`SELECT ${f} FROM ${deliveries}${indexedBy('deliveries_due_by_target')}
    WHERE ${deliveries.state} = 'pending' AND ${deliveries.targetId} > ${p.after} ORDER BY ${deliveries.targetId} LIMIT 1`,
)

const pendingSeqs = query(
  columnsOf(deliveries, 'seq', 'createdAtMs'),
  (
    p: Takes<{ afterMs: number; limit: number }>,
    f,
  ) => sql`SELECT ${f} FROM ${deliveries}${indexedBy('deliveries_by_time')}
    WHERE ${deliveries.state} = 'pending' AND ${deliveries.createdAtMs} > ${p.afterMs} ORDER BY ${deliveries.createdAtMs} LIMIT ${p.limit}`,
)

function* bulk(page: Page): Act<{ rows: RefRow[]; more: boolean }> {
  const rows: RefRow[] = []
  const { targetId, limit } = page
  let [together, more] = [0, false]
  for (let next = yield* nextRevocation.get({ targetId, seq: -1 }); next !== undefined;) {
    const { seq } = next
    const found = yield* dueOfRevocation.all({ ...page, seq })
    rows.push(...found)
    if (found.length === limit) more = true
    if (found.length > 0 && ++together === MOST_TOGETHER) return { rows, more: true }
    next = yield* nextRevocation.get({ targetId, seq })
  }
  return { rows, more }
}

/**
 * Returns the deliveries to a target that are pending, due and not leased: at most `limit` urgent
 * ones, `limit` of each wide revocation, and `limit` others, each in the order in which they became
 * due. `more`: a further page may have some.
 */
export function* dueDeliveries(page: Page): Act<{ refs: DeliveryRef[]; more: boolean }> {
  const urgent = yield* due.all({ ...page, priority: priorityNumber('urgent') })
  const background = yield* due.all({ ...page, priority: priorityNumber('background') })
  const wide = yield* bulk(page)
  return {
    refs: [...urgent, ...wide.rows, ...background].map(refOf),
    more: wide.more || urgent.length === page.limit || background.length === page.limit,
  }
}

/**
 * Returns the revocations of the oldest pending deliveries after a time, for a round over all of
 * them. `nextMs` is where the next page begins; undefined at the end of the round.
 */
export function* pendingRevocations(page: {
  afterMs: number
  limit: number
}): Act<{ seqs: number[]; nextMs: number | undefined }> {
  const rows = yield* pendingSeqs.all(page)
  return {
    seqs: [...new Set(rows.flatMap(({ seq }) => seq ?? []))],
    nextMs: rows.length < page.limit ? undefined : rows.at(-1)?.createdAtMs,
  }
}

type Early = { refs: DeliveryRef[]; next?: EarlyCursor | undefined }

/**
 * Returns the deliveries to a target that are pending, not yet due and not leased, after a cursor.
 * `next` is undefined at the end.
 */
export function* earlyDeliveries({
  after,
  ...page
}: Page & { after?: EarlyCursor | undefined }): Act<Early> {
  const rows: RefRow[] = []
  const from: Priority = after?.priority ?? 'urgent'
  for (const priority of PRIORITIES.slice(PRIORITIES.indexOf(from))) {
    const { dueAtMs = 0, id = '' } = priority === after?.priority ? after : {}
    const range = { fromMs: Math.max(page.nowMs + 1, dueAtMs), dueAtMs, id }
    const limit = page.limit - rows.length
    rows.push(
      ...(yield* early.all({ ...page, ...range, limit, priority: priorityNumber(priority) })),
    )
    const last = rows.at(-1)
    if (rows.length === page.limit && last !== undefined)
      return {
        refs: rows.map(refOf),
        next: { priority, dueAtMs: last.nextAttemptAtMs, id: last.id },
      }
  }
  return { refs: rows.map(refOf) }
}

/**
 * Returns the targets with pending deliveries. It takes one step along the index for each target,
 * however many deliveries it has.
 */
export function* pendingTargetIds(): Act<string[]> {
  const ids: string[] = []
  for (
    let next = yield* nextTarget.get({ after: '' });
    next !== undefined;
    next = yield* nextTarget.get({ after: next.targetId })
  )
    ids.push(next.targetId)
  return ids
}
