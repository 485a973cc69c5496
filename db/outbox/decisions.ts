import { sql, type Column } from 'drizzle-orm'
import { type Act, currentMs, type Engine } from '../engine/act.ts'
import { forUpdate, indexedBy, isOneOf } from '../engine/dialect.ts'
import { pacing } from '../engine/pace.ts'
import {
  assign,
  columnsOf,
  command,
  names,
  query,
  type RowOf,
  type Takes,
} from '../engine/statement.ts'
import { deliveries, deliveryAttempts, streams, targets } from '../schema.ts'
import type { DeliveryRef, DeliveryState } from '../types.ts'
import { AT_ONCE } from './add.ts'
import { applyCountChanges } from './counts.ts'
import { HELD, refFields, refOf } from './row.ts'

/** The operators' acts on deliveries that were not delivered: redrive or close them. */

/** The most rows in one transaction. */
const MOST_ROWS = 100

const fields = { ...refFields, ...columnsOf(deliveries, 'clientId', 'state', 'createdAtMs') }
type Row = RowOf<typeof fields>
type Place = {
  state: string
  clientId: string
  atMs: number
  id: string
}
type Page = Place & { rows: number }
type Which = {
  id?: string | undefined
  targetId?: string | undefined
  clientId?: string | undefined
  /** All deliveries of this revocation. */
  seq?: number | undefined
}

const rising = (p: Takes<Page>) =>
  sql`AND (${deliveries.createdAtMs}, ${deliveries.id}) > (${p.atMs}, ${p.id}) ORDER BY ${deliveries.createdAtMs}, ${deliveries.id}
    LIMIT ${p.rows}${forUpdate(deliveries)}`
const ofState = query(
  fields,
  (p: Takes<Page>, f) =>
    sql`SELECT ${f} FROM ${deliveries}${indexedBy('deliveries_by_time')} WHERE ${deliveries.state} = ${p.state} ${rising(p)}`,
)
const ofSeq = query(
  fields,
  (p: Takes<Page & { seq: number }>, f) =>
    sql`SELECT ${f} FROM ${deliveries}${indexedBy('deliveries_by_seq')} WHERE ${deliveries.seq} = ${p.seq} AND ${deliveries.state} = ${p.state}
      AND (${deliveries.clientId}, ${deliveries.id}) > (${p.clientId}, ${p.id}) ORDER BY ${deliveries.clientId}, ${deliveries.id} LIMIT ${p.rows}${forUpdate(deliveries)}`,
)
const ofClient = query(
  fields,
  (p: Takes<Page>, f) => sql`SELECT ${f} FROM ${deliveries}${indexedBy('deliveries_by_state')}
    WHERE ${deliveries.state} = ${p.state} AND ${deliveries.clientId} = ${p.clientId} ${rising(p)}`,
)
const byId = query(
  fields,
  (p: Takes<{ id: string }>, f) =>
    sql`SELECT ${f} FROM ${deliveries} WHERE ${deliveries.id} = ${p.id}${forUpdate(deliveries)}`,
)
const ownerOf = query(
  columnsOf(targets, 'clientId'),
  (p: Takes<{ targetId: string }>, f) =>
    sql`SELECT ${f} FROM ${targets} WHERE ${targets.targetId} = ${p.targetId}`,
)
/** A delivery that its receiver polls, or that its stream does not push now, becomes held. */
const whenRedriven = sql`CASE WHEN EXISTS (SELECT 1 FROM ${streams} WHERE ${streams.streamId} = ${deliveries.targetId}
  AND (${streams.method} = 'poll' OR ${streams.status} <> 'enabled')) THEN ${sql.raw(String(HELD))} ELSE ${sql.raw(String(AT_ONCE))} END`
const makePending = command(
  (p: Takes<{ ids: string }>) =>
    sql`UPDATE ${deliveries} SET ${assign(deliveries, { state: 'pending', attempts: 0, nextAttemptAtMs: whenRedriven, leasedUntilMs: 0, settledAtMs: null })}
      WHERE ${isOneOf(deliveries.id, p.ids)}`,
)
const bringForward = command(
  (
    p: Takes<{ id: string }>,
  ) => sql`UPDATE ${deliveries} SET ${assign(deliveries, { nextAttemptAtMs: AT_ONCE })}
    WHERE ${deliveries.id} = ${p.id} AND ${deliveries.state} = 'pending' AND ${deliveries.nextAttemptAtMs} < ${sql.raw(String(HELD))}`,
)
const close = command(
  (p: Takes<{ ids: string; atMs: number }>) =>
    sql`UPDATE ${deliveries} SET ${assign(deliveries, { state: 'closed', settledAtMs: p.atMs, payload: null })} WHERE ${isOneOf(deliveries.id, p.ids)}`,
)
const PROOF: Column[] = [
  deliveryAttempts.deliveryId,
  deliveryAttempts.attempt,
  deliveryAttempts.atMs,
  deliveryAttempts.outcome,
]
const proveClosed = command(
  (p: Takes<{ ids: string; atMs: number; reason: string }>) =>
    sql`INSERT INTO ${deliveryAttempts} (${names(...PROOF, deliveryAttempts.latencyMs, deliveryAttempts.error)})
      SELECT ${deliveries.id}, ${deliveries.attempts}, CAST(${p.atMs} AS bigint), 'closed', 0, CAST(${p.reason} AS text)
      FROM ${deliveries} WHERE ${isOneOf(deliveries.id, p.ids)}`,
)

/** The part of an operator's act that changes the rows that it has locked. */
type Decide = (rows: readonly Row[]) => Act<void>

const idsOf = (rows: readonly Pick<Row, 'id'>[]): string => JSON.stringify(rows.map(({ id }) => id))

function* makeAllPending(rows: readonly Row[]): Act<void> {
  yield* makePending.run({ ids: idsOf(rows) })
  yield* applyCountChanges(rows.map((row) => ({ ...row, from: row.state, to: 'pending' as const })))
}

/**
 * Closes rows that this act has locked: their content is deleted, and the reason becomes part of
 * their proof.
 */
export function* closeRows(
  rows: readonly Pick<Row, 'id' | 'clientId' | 'seq' | 'state'>[],
  reason: string,
): Act<void> {
  const [ids, atMs] = [idsOf(rows), yield* currentMs()]
  yield* close.run({ ids, atMs })
  yield* proveClosed.run({ ids, atMs, reason })
  yield* applyCountChanges(rows.map((row) => ({ ...row, from: row.state, to: 'closed' as const })))
}

const isAmong = (row: Row, { targetId, clientId, seq }: Which): boolean =>
  (targetId ?? row.targetId) === row.targetId &&
  (clientId ?? row.clientId) === row.clientId &&
  (seq ?? row.seq) === row.seq

function* decideOne(
  id: string,
  which: Which,
  states: readonly DeliveryState[],
  decide: Decide,
): Act<Row[]> {
  const row = yield* byId.get({ id })
  if (row === undefined || !states.includes(row.state) || !isAmong(row, which)) return []
  yield* decide([row])
  return [row]
}

/**
 * Decides one page of rows.
 * @returns the rows that were decided, and where the next page begins
 */
function* decidePage(
  page: Page,
  which: Which,
  decide: Decide,
): Act<{ rows: Row[]; next: Place | undefined }> {
  const { targetId, seq } = which
  const clientId =
    which.clientId ??
    (targetId === undefined ? undefined : ((yield* ownerOf.get({ targetId }))?.clientId ?? ''))
  const ofAll = clientId === undefined ? ofState.all(page) : ofClient.all({ ...page, clientId })
  const found = yield* seq === undefined ? ofAll : ofSeq.all({ ...page, seq })
  const rows = found.filter((row) => isAmong(row, which))
  if (rows.length > 0) yield* decide(rows)
  const last = found.length < page.rows ? undefined : found.at(-1)
  return { rows, next: last && { ...last, atMs: last.createdAtMs } }
}

/**
 * Decides rows in batches, each a transaction, so that any number is decided without delaying other
 * acts.
 * @returns the rows that were decided
 */
async function decideEach(
  { write, writePage }: Engine,
  states: readonly DeliveryState[],
  which: Which,
  decide: Decide,
): Promise<Row[]> {
  const { id } = which
  if (id !== undefined) return write(() => decideOne(id, which, states, decide))
  const decided: Row[] = []
  const pace = pacing({ most: MOST_ROWS })
  for (const state of states)
    for (
      let page: Place | undefined = { state, clientId: '', atMs: -1, id: '' };
      page !== undefined;
      await pace.rest()
    ) {
      const from: Page = { ...page, rows: pace.rows }
      const { rows, next } = await writePage(() => decidePage(from, which, decide))
      decided.push(...rows)
      page = next
    }
  return decided
}

/** Makes failed and rejected deliveries pending again, with attempts counted from zero. */
export async function redrive(engine: Engine, which: Which): Promise<DeliveryRef[]> {
  const rows = await decideEach(engine, ['failed', 'rejected'], which, makeAllPending)
  return rows.map((row) => refOf({ ...row, attempts: 0 }))
}

/**
 * Makes the next attempt of a pending delivery due now. Its attempts left, and all other
 * deliveries, stay unchanged. Returns undefined where it is not pending, or is held for its
 * receiver.
 */
export function* tryNow({ id }: { id: string }): Act<DeliveryRef | undefined> {
  if ((yield* bringForward.run({ id })) === 0) return undefined
  const row = yield* byId.get({ id })
  return row && refOf(row)
}

/**
 * Closes pending, rejected and failed deliveries, so that they are not sent any more. The reason
 * becomes part of the proof of each.
 */
export async function closeDeliveries(
  engine: Engine,
  { reason, ...which }: Which & { reason: string },
): Promise<DeliveryRef[]> {
  const states = ['pending', 'failed', 'rejected'] as const
  return (await decideEach(engine, states, which, (rows) => closeRows(rows, reason))).map(refOf)
}
