import { sql, type SQL } from 'drizzle-orm'
import type { Act } from '../engine/act.ts'
import { forUpdate, withoutReprepare, isOneOf, rowsOf } from '../engine/dialect.ts'
import {
  assign,
  columnsOf,
  command,
  insertEach,
  insertInto,
  keysOf,
  pick,
  query,
  runForEach,
  type RowOf,
  type Takes,
} from '../engine/statement.ts'
import { inTurns, listOf, optionals } from '../engine/values.ts'
import { deliveries, deliveryAttempts } from '../schema.ts'
import type { AttemptResult, Delivery, DeliveryAttempt, DeliveryState } from '../types.ts'
import { applyCountChanges, type Move } from './counts.ts'
import { deliveryFields, deliveryOf } from './row.ts'

/**
 * Records the results of attempts, with their proof. It ignores an attempt that is not the next,
 * and a delivery never leaves the state `delivered`.
 */

const byId = query(
  deliveryFields,
  (p: Takes<{ id: string }>, f) =>
    sql`SELECT ${f} FROM ${deliveries} WHERE ${deliveries.id} = ${withoutReprepare(p.id)}`,
)
const recordedFields = columnsOf(
  deliveries,
  'id',
  'seq',
  'clientId',
  'state',
  'attempts',
  'nextAttemptAtMs',
  'settledAtMs',
)
type RecordedRow = RowOf<typeof recordedFields>
// A fixed order, so that two brokers cannot deadlock.
const locked = query(
  recordedFields,
  (p: Takes<{ ids: string }>, f) =>
    sql`SELECT ${f} FROM ${deliveries} WHERE ${isOneOf(deliveries.id, p.ids)} ORDER BY ${deliveries.id}${forUpdate(deliveries)}`,
)
type Written = {
  id: string
  state: DeliveryState
  attempt: number
  nextAttemptAtMs: number
  settledAtMs: number | null
  status: number | null
  error: string | null
}
const settlement = (p: Takes<Omit<Written, 'id'>>): SQL =>
  assign(deliveries, {
    state: p.state,
    attempts: p.attempt,
    leasedUntilMs: 0,
    nextAttemptAtMs: p.nextAttemptAtMs,
    settledAtMs: p.settledAtMs,
    lastStatus: p.status,
    lastError: p.error,
    // A delivered or superseded message is not sent again, so its content is deleted.
    payload: sql`CASE WHEN ${p.state} IN ('delivered', 'superseded') THEN NULL ELSE ${deliveries.payload} END`,
  })
const settle = command(
  (p: Takes<Written>) =>
    sql`UPDATE ${deliveries} SET ${settlement(p)} WHERE ${deliveries.id} = ${p.id}`,
)
const settleAll = command((p: Takes<{ list: string }>) => {
  const texts = { id: 'text', state: 'text', error: 'text' } as const
  const { rows, row } = rowsOf(p.list, {
    ...texts,
    attempt: 'bigint',
    nextAttemptAtMs: 'bigint',
    settledAtMs: 'bigint',
    status: 'bigint',
  })
  return sql`UPDATE ${deliveries} SET ${settlement(row as Takes<Written>)} FROM ${rows} WHERE ${deliveries.id} = ${row.id}`
})
const attemptFields = {
  ...columnsOf(deliveryAttempts, 'attempt', 'atMs', 'status', 'latencyMs', 'jti', 'error'),
  outcome: sql<DeliveryAttempt['outcome']>`${deliveryAttempts.outcome}`,
}
type AttemptRow = RowOf<typeof attemptFields>
type Proof = AttemptRow & { id: string }
const proofOf = (p: Takes<Proof>) => ({
  deliveryId: p.id,
  ...pick(p, ...keysOf(attemptFields)),
})
const prove = command((p: Takes<Proof>) => insertInto(deliveryAttempts, proofOf(p)))
const proveAll = command((p: Takes<{ list: string }>) => {
  const texts = { id: 'text', outcome: 'text', jti: 'text', error: 'text' } as const
  const { rows, row } = rowsOf(p.list, {
    ...texts,
    attempt: 'bigint',
    atMs: 'bigint',
    status: 'bigint',
    latencyMs: 'bigint',
  })
  return insertEach(deliveryAttempts, proofOf(row as Takes<Proof>), rows)
})
const proofs = query(
  attemptFields,
  (p: Takes<{ id: string }>, f) =>
    sql`SELECT ${f} FROM ${deliveryAttempts} WHERE ${deliveryAttempts.deliveryId} = ${p.id} ORDER BY ${deliveryAttempts.id}`,
)
const latest = query(
  { ...attemptFields, id: deliveryAttempts.deliveryId },
  (p: Takes<{ list: string }>, f) => {
    const { rows, row } = rowsOf(p.list, { id: 'text', after: 'bigint' })
    return sql`SELECT ${f} FROM ${rows} CROSS JOIN ${deliveryAttempts}
      WHERE ${deliveryAttempts.deliveryId} = ${row.id} AND ${deliveryAttempts.attempt} > ${row.after} ORDER BY ${deliveryAttempts.id}`
  },
)
const giveBack = command(
  (p: Takes<{ id: string; made: number; nextAttemptAtMs: number }>) =>
    sql`UPDATE ${deliveries} SET ${assign(deliveries, { leasedUntilMs: 0, nextAttemptAtMs: p.nextAttemptAtMs })}
      WHERE ${deliveries.id} = ${p.id} AND ${deliveries.state} = 'pending' AND ${deliveries.attempts} = ${p.made}`,
)

const attemptOf: (row: AttemptRow) => DeliveryAttempt = optionals

/**
 * A delivery that was superseded or closed during an attempt may still turn out to be delivered.
 */
const RECORDABLE: readonly DeliveryState[] = ['pending', 'superseded', 'closed']
const STATE_AFTER = {
  delivered: 'delivered',
  rejected: 'rejected',
  failed: 'failed',
  superseded: 'superseded',
  retry: 'pending',
} as const

/**
 * Returns a delivery's state after an attempt. If it was superseded or closed during the attempt,
 * only the result `delivered` changes it.
 */
function after(row: RecordedRow, result: AttemptResult) {
  if (row.state !== 'pending' && result.outcome !== 'delivered')
    return { late: true, state: row.state, settledAtMs: row.settledAtMs }
  const state = STATE_AFTER[result.outcome]
  return {
    late: false,
    state,
    settledAtMs: state === 'pending' ? null : result.attempt.atMs + result.attempt.latencyMs,
  }
}

interface Result {
  id: string
  result: AttemptResult
}

interface Settled {
  written: Written
  proof: Proof
  move: Move
  /** The result came after the delivery was superseded or closed, and does not count. */
  late: boolean
}
/** Returns what a result changes; undefined where the attempt is not the next one. */
function settled(row: RecordedRow | undefined, { id, result }: Result): Settled | undefined {
  const {
    attempt,
    atMs,
    outcome,
    status = null,
    latencyMs,
    jti = null,
    error = null,
  } = result.attempt
  if (row === undefined || row.attempts !== attempt - 1 || !RECORDABLE.includes(row.state))
    return undefined
  const { late, state, settledAtMs } = after(row, result)
  const nextAttemptAtMs = result.outcome === 'retry' ? result.nextAttemptAtMs : row.nextAttemptAtMs
  return {
    written: { id, state, attempt, nextAttemptAtMs, settledAtMs, status, error },
    proof: { id, attempt, atMs, outcome, status, latencyMs, jti, error },
    move: { clientId: row.clientId, seq: row.seq, from: row.state, to: state },
    late,
  }
}

/**
 * Settles each delivery with its result.
 * @param results at most one of each delivery
 * @returns what was settled, by id
 */
function* settleEach(results: readonly Result[]): Act<Map<string, Settled>> {
  const rows = yield* locked.all({ ids: listOf(results.map(({ id }) => id)) })
  const before = new Map(rows.map((row) => [row.id, row]))
  const all = results.flatMap((result) => settled(before.get(result.id), result) ?? [])
  yield* runForEach(
    settle,
    settleAll,
    all.map(({ written }) => written),
  )
  yield* runForEach(
    prove,
    proveAll,
    all.map(({ proof }) => proof),
  )
  return new Map(all.map((outcome) => [outcome.written.id, outcome]))
}

/**
 * Records results without changing the counts.
 * @param moves takes the changes of state: the caller has to run `applyCountChanges` with them
 * @returns for each result whether it counted
 */
export function* recordInto(results: readonly Result[], moves: Move[]): Act<boolean[]> {
  const counted = results.map(() => false)
  for (const turn of inTurns([...results.entries()], ([, { id }]) => id)) {
    const done = yield* settleEach(turn.map(([, result]) => result))
    for (const [place, { id }] of turn) {
      const outcome = done.get(id)
      if (outcome === undefined) continue
      moves.push(outcome.move)
      counted[place] = !outcome.late
    }
  }
  return counted
}

/**
 * Records many results with as many statements as for one, and changes each count once.
 * @returns for each result whether it counted
 */
export function* recordAll(results: readonly Result[]): Act<boolean[]> {
  const moves: Move[] = []
  const counted = yield* recordInto(results, moves)
  yield* applyCountChanges(moves)
  return counted
}

/**
 * Records the result of an attempt, by compare-and-set on (id, attempt).
 * @returns false where nothing changes: another process recorded the attempt, or the delivery was
 * superseded or closed meanwhile (then only `delivered` counts, and the proof is kept)
 */
export function* recordDelivery(result: Result): Act<boolean> {
  const [counted = false] = yield* recordAll([result])
  return counted
}

/**
 * Releases a lease unused (drain, breaker open): the delivery is due again at `nextAttemptAtMs`,
 * and the attempt is not counted.
 */
export function* releaseDelivery(lease: {
  id: string
  attempt: number
  nextAttemptAtMs: number
}): Act<void> {
  yield* giveBack.run({ ...lease, made: lease.attempt - 1 })
}
export function* findDelivery(id: string): Act<Delivery | undefined> {
  const row = yield* byId.get({ id })
  return row && deliveryOf(row)
}
export function* attemptsOf(id: string): Act<DeliveryAttempt[]> {
  return (yield* proofs.all({ id })).map(attemptOf)
}
/** Returns the latest attempts of deliveries, at most `most` of each, by the id of the delivery. */
export function* latestAttempts(
  of: readonly Pick<Delivery, 'id' | 'attempts'>[],
  most: number,
): Act<Map<string, DeliveryAttempt[]>> {
  const list = listOf(of.map(({ id, attempts }) => ({ id, after: attempts - most })))
  const byDelivery = Map.groupBy(yield* latest.all({ list }), ({ id }) => id)
  return new Map(
    [...byDelivery].map(([id, rows]) => [
      id,
      rows.map((row) => attemptOf(pick(row, ...keysOf(attemptFields)))).slice(-most),
    ]),
  )
}
