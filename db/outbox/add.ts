import { sql, type SQL } from 'drizzle-orm'
import { type Act, currentMs, newId } from '../engine/act.ts'
import { forUpdate, withoutReprepare, isOneOf, rowsOf } from '../engine/dialect.ts'
import {
  assign,
  castTo,
  columnsOf,
  command,
  excluded,
  insertEach,
  names,
  orAny,
  query,
  type RowOf,
  type Takes,
} from '../engine/statement.ts'
import { listOf } from '../engine/values.ts'
import { clients, deliveries, participants, targets } from '../schema.ts'
import type { DeliveryAttempt, DeliveryRef, DeliveryState, Priority } from '../types.ts'
import { recordInto } from './attempts.ts'
import { applyCountChanges, type Move } from './counts.ts'
import { PRIORITIES, priorityNumber } from './row.ts'

/**
 * Adds deliveries: one for each logout address of each client that took part in a session. Whether
 * a revocation covers the session is decided elsewhere.
 */

/**
 * A `nextAttemptAtMs` that is due whatever the clock says, so that a step of the clock delays no
 * delivery.
 */
export const AT_ONCE = 0

interface DeliveriesFor {
  seq: number
  /**
   * When the revocation was committed. Its deliveries are pending since then, however late a batch
   * writes them.
   */
  atMs: number
  sid: string
  sub: string
  /**
   * Only this participant, where a grant or a client is revoked; undefined: all participants of the
   * session.
   */
  clientId?: string | undefined
  /**
   * True if the revocation is wide. A client registered with `logoutBy: 'sub'` then gets one
   * message a user.
   */
  wide: boolean
  priority: Priority
}

const targetFields = { ...columnsOf(targets, 'targetId', 'clientId'), logoutBy: clients.logoutBy }

// The targets of the participants. A removed target still gets the revocations from before its
// removal.
const targetsOf = query(
  targetFields,
  (p: Takes<{ sid: string; seq: number; clientId: string | null }>, f) =>
    sql`SELECT ${f} FROM ${participants} JOIN ${clients} ON ${clients.clientId} = ${participants.clientId}
    JOIN ${targets} ON ${targets.clientId} = ${participants.clientId} AND (${targets.removedSeq} IS NULL OR ${targets.removedSeq} >= ${withoutReprepare(p.seq)})
    WHERE ${participants.sid} = ${withoutReprepare(p.sid)} AND ${orAny(participants.clientId, withoutReprepare(p.clientId))}`,
)

interface NewDelivery {
  id: string
  clientId: string
  targetId: string
}
type Of = { seq: number; sid: string; sub: string; priority: number; atMs: number }
const writtenFields = columnsOf(deliveries, 'id', 'targetId', 'state')
const insertBy = (
  named: (p: Takes<Of>) => Partial<Record<'sid' | 'sub' | 'payload', SQL>>,
  onConflict: SQL,
) =>
  query(writtenFields, (p: Takes<Of & { list: string }>, f) => {
    const { rows, row } = rowsOf(p.list, { id: 'text', clientId: 'text', targetId: 'text' })
    const values = {
      ...row,
      kind: 'logout_token',
      seq: castTo('bigint', p.seq),
      priority: castTo('bigint', p.priority),
      state: 'pending',
      attempts: 0,
      createdAtMs: castTo('bigint', p.atMs),
      nextAttemptAtMs: AT_ONCE,
      ...named(p),
    }
    return sql`${insertEach(deliveries, values, rows)} ON CONFLICT ${onConflict} RETURNING ${f}`
  })
// One statement for all targets, because every other revocation waits while one is written.
const INSERT = {
  sid: insertBy(({ sid }) => ({ sid: castTo('text', sid) }), sql`DO NOTHING`),
  // If another session of the same user has already written the delivery, this session joins its
  // list, unless the list was deleted.
  sub: insertBy(
    ({ sid, sub }) => ({ sub: castTo('text', sub), payload: castTo('text', sid) }),
    sql`(${names(deliveries.sub, deliveries.targetId, deliveries.seq)}) WHERE sub IS NOT NULL
    DO UPDATE SET ${assign(deliveries, { payload: sql`${deliveries.payload} || ' ' || ${excluded(deliveries.payload)}` })}`,
  ),
}

// Undelivered messages of other revocations for the same session or user. The newest delivery
// replaces them: they are superseded at once, and only the newest is retried, fails or is redriven.
const otherFields = {
  ...columnsOf(deliveries, 'id', 'clientId', 'targetId', 'state', 'payload'),
  seq: sql<number>`${deliveries.seq}`,
}
const others = (which: 'sid' | 'sub') =>
  query(
    otherFields,
    (p: Takes<{ targetIds: string; who: string; seq: number }>, f) =>
      sql`SELECT ${f} FROM ${deliveries} WHERE ${deliveries[which]} = ${p.who} AND ${isOneOf(deliveries.targetId, p.targetIds)}
        AND ${deliveries.seq} <> ${p.seq} AND ${deliveries.state} IN ('pending', 'failed', 'rejected') ORDER BY ${deliveries.id}${forUpdate(deliveries)}`,
  )
const OTHERS = { sid: others('sid'), sub: others('sub') }
const supersede = command(
  (p: Takes<{ id: string; by: string; atMs: number }>) =>
    sql`UPDATE ${deliveries} SET ${assign(deliveries, { state: 'superseded', supersededBy: p.by, settledAtMs: p.atMs, payload: null })}
      WHERE ${deliveries.id} = ${p.id}`,
)
const setSessions = command(
  (p: Takes<{ id: string; sids: string }>) =>
    sql`UPDATE ${deliveries} SET ${assign(deliveries, { payload: p.sids })} WHERE ${deliveries.id} = ${p.id}`,
)

/** Returns the sids that logout tokens by `sub` list, each once. */
const sessionsIn = (...payloads: (string | null)[]): string[] => [
  ...new Set(payloads.flatMap((payload) => payload?.split(' ') ?? [])),
]

interface Superseded {
  id: string
  clientId: string
  seq: number
  state: DeliveryState
}
function* close(superseded: Superseded, by: string, moves: Move[]): Act<void> {
  yield* supersede.run({ id: superseded.id, by, atMs: yield* currentMs() })
  moves.push({
    clientId: superseded.clientId,
    seq: superseded.seq,
    from: superseded.state,
    to: 'superseded',
  })
}

/**
 * Supersedes the older deliveries to the same target. Wide revocations are written in interleaved
 * batches, so an older one may reach a session after a newer one; then the older is superseded. A
 * newest delivery by `sub` takes over the sessions of those that it supersedes.
 * @returns the added deliveries that no newer one supersedes
 */
function* supersedeAllButNewest(
  by: 'sid' | 'sub',
  added: readonly NewDelivery[],
  { seq, sid, sub }: DeliveriesFor,
  moves: Move[],
): Act<NewDelivery[]> {
  if (added.length === 0) return []
  const asked = {
    targetIds: listOf(added.map(({ targetId }) => targetId)),
    seq,
    who: by === 'sub' ? sub : sid,
  }
  const found = Map.groupBy(yield* OTHERS[by].all(asked), ({ targetId }) => targetId)
  const newest: NewDelivery[] = []
  for (const { id, clientId, targetId } of added) {
    const rows = found.get(targetId) ?? []
    const newer = rows.find((other) => other.seq > seq)
    for (const other of rows) if (other.seq < seq) yield* close(other, id, moves)
    if (newer === undefined) newest.push({ id, clientId, targetId })
    else yield* close({ id, clientId, seq, state: 'pending' }, newer.id, moves)
    if (by === 'sub' && rows.length > 0)
      yield* setSessions.run({
        id: newer?.id ?? id,
        sids: sessionsIn(sid, ...rows.map(({ payload }) => payload)).join(' '),
      })
  }
  return newest
}

/**
 * Adds one logout token for a session, or for a user, at each of these targets.
 * @returns the deliveries to send, and the rows that were written or joined
 */
function* addEach(
  by: 'sid' | 'sub',
  asked: readonly NewDelivery[],
  what: DeliveriesFor,
  moves: Move[],
): Act<{ refs: DeliveryRef[]; written: RowOf<typeof writtenFields>[] }> {
  if (asked.length === 0) return { refs: [], written: [] }
  const { seq, priority } = what
  const list = listOf(asked)
  const written = yield* INSERT[by].all({ ...what, priority: priorityNumber(priority), list })
  const ids = new Set(written.map(({ id }) => id))
  const added = asked.filter(({ id }) => ids.has(id))
  for (const { clientId } of added) moves.push({ clientId, seq, from: undefined, to: 'pending' })
  const newest = yield* supersedeAllButNewest(by, added, what, moves)
  const refs = newest.map(({ id, targetId }) => ({ id, attempt: 1, targetId, priority, seq }))
  return { refs, written }
}

/**
 * Adds one logout token for a user at each of these targets. A session gets its own token where the
 * user's token was superseded and no longer lists it.
 */
function* addBySub(
  asked: readonly NewDelivery[],
  what: DeliveriesFor,
  moves: Move[],
): Act<DeliveryRef[]> {
  const { refs, written } = yield* addEach('sub', asked, what, moves)
  const superseded = new Set(
    written.filter(({ state }) => state === 'superseded').map(({ targetId }) => targetId),
  )
  const alone = asked.filter(({ targetId }) => superseded.has(targetId))
  return [...refs, ...(yield* addEach('sid', alone, what, moves)).refs]
}

/**
 * Adds what a revocation sends to the targets that took part in a session.
 * @param moves takes the changes of state: the caller has to run `applyCountChanges` with them
 */
export function* addUncounted(what: DeliveriesFor, moves: Move[]): Act<DeliveryRef[]> {
  const { sid, seq, clientId = null, wide } = what
  const found = yield* targetsOf.all({ sid, seq, clientId })
  const asked: { bySid: NewDelivery[]; bySub: NewDelivery[] } = { bySid: [], bySub: [] }
  for (const { logoutBy, ...row } of found)
    (wide && logoutBy === 'sub' ? asked.bySub : asked.bySid).push({ ...row, id: yield* newId() })
  return [
    ...(yield* addEach('sid', asked.bySid, what, moves)).refs,
    ...(yield* addBySub(asked.bySub, what, moves)),
  ]
}

const wideFields = {
  ...columnsOf(deliveries, 'id', 'clientId', 'targetId', 'payload', 'priority', 'createdAtMs'),
  seq: sql<number>`${deliveries.seq}`,
  sub: sql<string>`${deliveries.sub}`,
}
const wideOne = query(
  wideFields,
  (p: Takes<{ id: string }>, f) =>
    sql`SELECT ${f} FROM ${deliveries} WHERE ${deliveries.id} = ${withoutReprepare(p.id)} AND ${deliveries.state} = 'pending'${forUpdate(deliveries)}`,
)

/**
 * Replaces a delivery by `sub` with one for each session that it lists, because a token by `sub`
 * would end a newer session as well.
 * @returns the new deliveries; none where `attempt` is not the next one
 */
export function* splitDelivery({
  id,
  attempt,
}: {
  id: string
  attempt: DeliveryAttempt
}): Act<DeliveryRef[]> {
  const row = yield* wideOne.get({ id })
  const moves: Move[] = []
  if (row === undefined) return []
  const [settled] = yield* recordInto([{ id, result: { outcome: 'superseded', attempt } }], moves)
  if (settled !== true) return []
  const { clientId, targetId, seq, sub, createdAtMs: atMs } = row
  const refs: DeliveryRef[] = []
  const priority = PRIORITIES[row.priority] ?? 'background'
  for (const sid of sessionsIn(row.payload))
    refs.push(
      ...(yield* addEach(
        'sid',
        [{ id: yield* newId(), clientId, targetId }],
        { seq, atMs, sid, sub, wide: true, priority },
        moves,
      )).refs,
    )
  yield* applyCountChanges(moves)
  return refs
}
